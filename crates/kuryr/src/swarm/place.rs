//! Where a pool is in Neutron: all that a manager needs for an address stands in the pool's id.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use openstack::network::Subnet;

/// Before the parts of a manager's pool id.
const MANAGERS: &str = "g1:";
/// Before the subnet in a node's pool id.
const NODES: &str = "n1:";

/// A subnet and its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) network: String,
    pub(crate) subnet: String,
    pub(crate) range: IpNet,
}

impl Place {
    pub(super) fn of(subnet: &Subnet) -> Self {
        Self { network: subnet.network_id.clone(), subnet: subnet.id.clone(), range: subnet.cidr.trunc() }
    }

    /// The pool id that a manager's engine gets.
    pub(super) fn managers_id(&self) -> String {
        format!("{MANAGERS}{}:{}:{}", self.network, self.subnet, self.range)
    }

    /// The place in a pool id, if a manager's engine got that.
    pub(crate) fn of_managers_id(id: &str) -> Option<Self> {
        let mut parts = id.strip_prefix(MANAGERS)?.splitn(3, ':');
        let (network, subnet, range) = (parts.next()?, parts.next()?, parts.next()?);
        let range = range.parse().ok()?;
        let both = [network, subnet].into_iter().all(is_uuid);
        both.then(|| Self { network: network.to_owned(), subnet: subnet.to_owned(), range })
    }

    /// Whether an address is one of it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.range.contains(&address)
    }
}

/// The pool id that a node's engine gets.
pub(crate) fn nodes_id(subnet: &str) -> String {
    format!("{NODES}{subnet}")
}

/// The subnet, which is the journal's key, in a pool id that a node's engine got.
pub(crate) fn of_nodes_id(id: &str) -> Option<&str> {
    id.strip_prefix(NODES).filter(|subnet| is_uuid(subnet))
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text)
}

/// Subnets of the pools asked for lately, so that gateways and allocations need no look. Only a memory: whatever is not
/// here is asked of Neutron.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<IpNet, Subnet>>);

impl Places {
    fn all(&self) -> MutexGuard<'_, BTreeMap<IpNet, Subnet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of two pools of one range the later counts: an engine asks for a network's pool and allocates it before the next.
    pub(super) fn remember(&self, subnet: &Subnet) {
        self.all().insert(subnet.cidr.trunc(), subnet.clone());
    }

    pub(super) fn of_range(&self, range: IpNet) -> Option<Subnet> {
        self.all().get(&range).cloned()
    }

    pub(super) fn of_subnet(&self, id: &str) -> Option<Subnet> {
        self.all().values().find(|subnet| subnet.id == id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        self.all().retain(|_, subnet| subnet.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_id_tells_role_and_place() {
        let (network, subnet) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string());
        let place = Place { network, subnet: subnet.clone(), range: "10.30.0.0/24".parse().unwrap() };
        assert_eq!(Place::of_managers_id(&place.managers_id()), Some(place.clone()));
        assert_eq!(of_nodes_id(&nodes_id(&subnet)), Some(subnet.as_str()));
        assert_eq!(of_nodes_id(&place.managers_id()), None);
        for foreign in ["", "g1:", "g1:a:b:10.0.0.0/8", "l1:x", &nodes_id(&subnet), &nodes_id("../x")] {
            assert_eq!(Place::of_managers_id(foreign), None, "{foreign}");
        }
        assert_eq!(of_nodes_id("n1:../x"), None);
    }
}
