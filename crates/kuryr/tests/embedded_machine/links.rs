//! Links that are only noted, with the kernel's rules of who may stand on what.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use ipnet::IpNet;
use kuryr::{HostError, HostLinks, MarkedLink, ParentLink, SubLink, SubLinkError, SubLinkKind, VethPair};
use openstack::MacAddr;

/// The machine's interface.
pub(crate) const NIC: &str = "eth0";

/// The machine's links besides its own interface.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) mac: MacAddr,
    made: Mutex<BTreeMap<String, SubLink>>,
}

fn unused<T>(what: &str) -> Result<T, HostError> {
    Err(HostError(format!("{what}: not in a virtual machine")))
}

impl Links {
    pub(crate) fn new(mac: MacAddr) -> Self {
        Self { mac, made: Mutex::default() }
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<String, SubLink>> {
        self.made.lock().unwrap()
    }
}

#[async_trait]
impl HostLinks for Links {
    async fn ensure_sub_link(&self, link: &SubLink) -> Result<(), SubLinkError> {
        let mut all = self.all();
        let vlan = |other: &&SubLink| {
            matches!(other.kind, SubLinkKind::Vlan { .. })
                && other.kind == link.kind
                && other.name != link.name
        };
        if let Some(other) = all.values().find(vlan) {
            return Err(SubLinkError::VlanTaken(format!("{} has it", other.name)));
        }
        all.insert(link.name.clone(), link.clone());
        Ok(())
    }

    async fn delete_sub_link(
        &self,
        name: &str,
        parent: &str,
        _kind: SubLinkKind,
        mark: &str,
    ) -> Result<(), HostError> {
        let mut all = self.all();
        if all.get(name).is_some_and(|link| link.parent == parent && link.mark == mark) {
            all.remove(name);
        }
        Ok(())
    }

    async fn parent_link(&self, name: &str) -> Result<Option<ParentLink>, HostError> {
        let nic = ParentLink { mac: self.mac, mtu: 1450, up: true, addresses: Vec::new() };
        Ok(Some(nic).filter(|_| name == NIC))
    }

    async fn link_exists(&self, name: &str) -> Result<bool, HostError> {
        Ok(name == NIC || self.all().contains_key(name))
    }

    async fn marked_links(&self, start: &str) -> Result<Vec<MarkedLink>, HostError> {
        let marked = |link: &SubLink| MarkedLink {
            name: link.name.clone(),
            mark: link.mark.clone(),
            peer: None,
            sub: Some(link.kind),
            parent: Some(link.parent.clone()),
            in_use: false,
        };
        Ok(self.all().values().filter(|link| link.mark.starts_with(start)).map(marked).collect())
    }

    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>, HostError> {
        Ok(Vec::new())
    }

    async fn ensure_veth(&self, _: &VethPair) -> Result<(), HostError> {
        unused("a pair")
    }

    async fn delete_veth(&self, _: &str, _: &str, _: &str) -> Result<(), HostError> {
        unused("a pair")
    }

    async fn ensure_bridge(&self, _: &str, _: u32, _: Option<&str>) -> Result<(), HostError> {
        unused("a bridge")
    }

    async fn delete_bridge(&self, _: &str, _: &str) -> Result<(), HostError> {
        unused("a bridge")
    }

    async fn set_master(&self, _: &str, _: Option<&str>) -> Result<(), HostError> {
        unused("a bridge")
    }

    async fn set_up(&self, _: &str, _: bool) -> Result<(), HostError> {
        unused("bringing up")
    }

    async fn set_tx_checksum_offload(&self, _: &str, _: bool) -> Result<(), HostError> {
        unused("an offload")
    }
}
