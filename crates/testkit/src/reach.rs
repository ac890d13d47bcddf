//! Whether containers reach each other and the gateway.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::world::wait_at_most;
use crate::{CloudKind, Inside, World};

/// A port on a real cloud is wired some seconds after its container has started.
const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Fails unless an address answers a container's ping within 30 s. If it is the gateway of one of the container's
    /// networks, somebody is put there first where the cloud has no router.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ping(&self, container: &str, address: &str) -> Result<()> {
        let target: IpAddr = address.parse().with_context(|| format!("`{address}` is no address"))?;
        if matches!(self.kind(), CloudKind::OpenStack) {
            self.ensure_neighbour_if_gateway(container, target)?;
        }
        let mut said = String::new();
        wait_at_most(PATIENCE, "a ping is answered", || {
            let answer = self.docker(&["exec", container, "ping", "-c", "1", "-w", "1", address]);
            said = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
            answer.is_ok()
        })
        .with_context(|| format!("{container} pings {address}: {said}"))
    }

    /// Somebody on a container's network who is in no security group: on the development cloud the host's end of the
    /// bridge, on real services a neighbour at the gateway's address.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stranger(&self, container: &str, network: &str) -> Result<Inside> {
        match self.kind() {
            CloudKind::DevCloud => Ok(self.outside()),
            CloudKind::OpenStack => self.neighbour_at_gateway(container, network),
        }
    }
}
