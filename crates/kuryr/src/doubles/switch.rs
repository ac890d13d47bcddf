//! Open vSwitch.

use async_trait::async_trait;

use super::process::Process;
use crate::host::{HostError, IFACE_ID, KURYR, OWNER, Switch, SwitchPort};

fn is_ours(port: &SwitchPort) -> bool {
    port.external_ids.get(OWNER).is_some_and(|owner| owner == KURYR)
}

fn no_bridge(name: &str) -> HostError {
    HostError(format!("no bridge {name}"))
}

#[async_trait]
impl Switch for Process {
    async fn ensure_port(&self, port: &SwitchPort) -> Result<(), HostError> {
        self.on_host("ensure_port", |c| {
            if !c.switch_bridges.contains_key(&port.bridge) {
                return Err(no_bridge(&port.bridge));
            }
            if c.switch_ports.get(&port.name).is_some_and(|p| !is_ours(p) || p.bridge != port.bridge) {
                return Err(HostError(format!("port {} is somebody else's", port.name)));
            }
            c.switch_ports.insert(port.name.clone(), port.clone());
            Ok(())
        })
        .await
    }

    async fn delete_port(&self, name: &str, iface_id: &str) -> Result<(), HostError> {
        self.on_host("delete_port", |c| {
            let is_it = |p: &SwitchPort| p.external_ids.get(IFACE_ID).is_some_and(|id| id == iface_id);
            if c.switch_ports.get(name).is_some_and(|p| is_ours(p) && is_it(p)) {
                c.switch_ports.remove(name);
            }
            Ok(())
        })
        .await
    }

    async fn ports(&self) -> Result<Vec<SwitchPort>, HostError> {
        self.on_host("ports", |c| Ok(c.switch_ports.values().filter(|p| is_ours(p)).cloned().collect())).await
    }

    async fn is_userspace(&self, bridge: &str) -> Result<bool, HostError> {
        self.on_host("is_userspace", |c| {
            let datapath = c.switch_bridges.get(bridge).ok_or_else(|| no_bridge(bridge))?;
            Ok(datapath == "netdev")
        })
        .await
    }
}
