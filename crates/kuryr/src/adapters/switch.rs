//! Open vSwitch, by [`host_net::ovs`].

use async_trait::async_trait;
use host_net::Error;
use host_net::ovs::{OpenVswitch, PortSpec};

use super::links::refused;
use crate::host::{HostError, KURYR, Switch, SwitchPort};

#[async_trait]
impl Switch for OpenVswitch {
    async fn ensure_port(&self, port: &SwitchPort) -> Result<(), HostError> {
        let SwitchPort { bridge, name, external_ids } = port.clone();
        Self::ensure_port(self, &PortSpec { bridge, name, external_ids }).await.map_err(refused)
    }

    async fn delete_port(&self, name: &str, iface_id: &str) -> Result<(), HostError> {
        match self.delete_port_of(name, iface_id).await {
            Err(error @ Error::OvsForeign { .. }) => {
                tracing::warn!(%error, "not a port of ours, left alone");
                Ok(())
            }
            outcome => outcome.map_err(refused),
        }
    }

    async fn ports(&self) -> Result<Vec<SwitchPort>, HostError> {
        let found = self.ports_of(KURYR).await.map_err(refused)?;
        Ok(found
            .into_iter()
            .map(|port| SwitchPort { bridge: port.bridge, name: port.name, external_ids: port.external_ids })
            .collect())
    }

    async fn is_userspace(&self, bridge: &str) -> Result<bool, HostError> {
        match self.datapath_type(bridge).await.map_err(refused)? {
            Some(datapath) => Ok(datapath == "netdev"),
            None => Err(refused(Error::NoBridge { bridge: bridge.to_owned() })),
        }
    }
}
