//! Virtual functions and a site's scripts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::MacAddr;

use super::process::Process;
use crate::host::{FunctionSettings, Hooks, HostError, VirtualFunction, VirtualFunctions};

/// A virtual function and what its card was told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub(crate) function: VirtualFunction,
    pub(crate) settings: FunctionSettings,
}

/// A script that keeps a list of links, as `ovs-vsctl` in a site's own would.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Script {
    /// Bound links with the arguments.
    pub(crate) bound: BTreeMap<String, Vec<String>>,
    /// Arguments of the last `unbind`.
    pub(crate) unbound: Vec<String>,
    /// Answers this instead of working.
    pub(crate) broken: Option<String>,
}

#[async_trait]
impl VirtualFunctions for Process {
    async fn find(&self, pci_slot: &str) -> Result<Option<VirtualFunction>, HostError> {
        self.on_host("find function", |c| Ok(c.functions.get(pci_slot).map(|f| f.function.clone()))).await
    }

    async fn mac(&self, function: &VirtualFunction) -> Result<Option<MacAddr>, HostError> {
        self.on_host("mac of function", |c| {
            Ok(c.functions.values().find(|f| f.function == *function).and_then(|f| f.settings.mac))
        })
        .await
    }

    async fn configure(
        &self,
        function: &VirtualFunction,
        settings: FunctionSettings,
    ) -> Result<(), HostError> {
        self.on_host("configure function", |c| {
            let there = c.functions.values_mut().find(|f| f.function == *function);
            let there = there.ok_or_else(|| HostError("no such function".to_owned()))?;
            there.settings.mac = settings.mac.or(there.settings.mac);
            there.settings.vlan = settings.vlan;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Hooks for Process {
    fn has(&self, vif_type: &str) -> bool {
        self.world.cloud.lock().unwrap().scripts.contains_key(vif_type)
    }

    async fn run(&self, vif_type: &str, arguments: &[String]) -> Result<bool, HostError> {
        self.on_host("script", |c| {
            let Some(script) = c.scripts.get_mut(vif_type) else { return Ok(false) };
            if let Some(complaint) = &script.broken {
                return Err(HostError(format!("exit code 1: {complaint}")));
            }
            let link = arguments[2].clone();
            if arguments[0] == "bind" {
                assert!(c.links.contains_key(&link), "{link} must exist");
                script.bound.insert(link, arguments.to_vec());
            } else {
                script.bound.remove(&link);
                script.unbound = arguments.to_vec();
            }
            Ok(true)
        })
        .await
    }
}
