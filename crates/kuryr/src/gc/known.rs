//! Everything the journal names, so that the rest can be told from it.

use std::collections::BTreeSet;

use crate::marks::Marks;
use crate::service::Inner;
use crate::state::{EndpointRow, Phase};

/// Ids, marks and names in the journal. Taken after a look at the world: what is in flight was written down before it
/// was begun.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Of every kind of Neutron resource.
    ids: BTreeSet<String>,
    /// Every record's own id and every device id written for one.
    records: BTreeSet<String>,
    /// Marks of networks and groups.
    marks: BTreeSet<String>,
    /// Docker networks.
    networks: BTreeSet<String>,
    /// Endpoints in use.
    pub(super) endpoints: Vec<EndpointRow>,
    /// Addresses of swarm networks.
    pub(super) reserved: crate::swarm::orphans::Named,
    /// Entries of the journal that cannot be read name things too, but nobody knows which.
    pub(super) incomplete: bool,
}

impl Known {
    pub(super) fn of(s: &Inner) -> Self {
        let mut known = Self { incomplete: s.unreadable, ..Self::default() };
        for port in s.ports.all(|_| true) {
            let reserved = port.address.filter(|_| port.swarm).map(|a| (port.subnet_id.clone(), a.addr()));
            known.reserved.extend(reserved);
            known.ids.extend(port.port.map(|p| p.id));
            known.ids.extend(port.originals.map(|o| o.port_id));
            known.records.extend(port.devices);
            known.records.insert(port.id);
        }
        for endpoint in s.endpoints.all(|_| true) {
            known.ids.extend(endpoint.plug.as_ref().map(|p| p.port_id.clone()));
            known.records.insert(endpoint.id.clone());
            known.endpoints.extend(Some(endpoint).filter(|e| e.phase == Phase::Ready));
        }
        for network in s.networks.all(|_| true) {
            known.ids.extend(network.neutron_id);
            known.ids.extend(network.subnets.into_iter().filter_map(|subnet| subnet.id));
            known.ids.extend(network.made_pools.into_iter().filter_map(|pool| pool.id));
            known.marks.insert(network.mark);
            known.networks.insert(network.id);
        }
        for group in s.groups.all(|_| true) {
            known.ids.extend(group.neutron_id);
            known.marks.insert(group.mark);
        }
        for pool in s.pools.all(|_| true) {
            known.ids.extend(pool.existing.map(|subnet| subnet.id));
        }
        known
    }

    pub(super) fn id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn record(&self, id: &str) -> bool {
        self.records.contains(id)
    }

    /// Whether a record has this mark, or a port's mark names a record.
    pub(super) fn mark(&self, marks: &Marks, mark: &str) -> bool {
        self.marks.contains(mark) || self.records.contains(marks.record(mark))
    }

    /// Whether all Docker networks that these tags of a Neutron network name are in the journal.
    pub(super) fn all_tagged(&self, tags: &[String]) -> bool {
        tags.iter()
            .filter_map(|tag| tag.strip_prefix(crate::names::TAG_LOWER))
            .all(|start| self.networks.iter().any(|network| network.starts_with(start)))
    }
}
