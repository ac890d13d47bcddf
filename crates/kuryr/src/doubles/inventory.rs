//! Everything of a kind, in few words.

use openstack::network::{Listed, Taggable};

use super::cloud::Cloud;

impl Cloud {
    pub(super) fn listed(&self, kind: Taggable) -> Vec<Listed> {
        let of = |id: &str, name: &str, description: &str, tags: &[String]| Listed {
            id: id.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            tags: tags.to_vec(),
            ..Listed::default()
        };
        match kind {
            Taggable::Network => {
                self.networks.values().map(|n| of(&n.id, &n.name, &n.description, &n.tags)).collect()
            }
            Taggable::SubnetPool => {
                self.pools.values().map(|p| of(&p.id, &p.name, &p.description, &p.tags)).collect()
            }
            Taggable::SecurityGroup => {
                self.groups.values().map(|g| of(&g.id, &g.name, &g.description, &g.tags)).collect()
            }
            Taggable::Subnet => {
                let subnet = |s: &openstack::network::Subnet| Listed {
                    network_id: s.network_id.clone(),
                    subnetpool_id: s.subnetpool_id.clone(),
                    ..of(&s.id, &s.name, &s.description, &s.tags)
                };
                self.subnets.values().map(subnet).collect()
            }
            Taggable::Port => {
                let port = |p: &openstack::network::Port| Listed {
                    network_id: p.network_id.clone(),
                    device_id: p.device_id.clone(),
                    device_owner: p.device_owner.clone(),
                    mac_address: Some(p.mac_address),
                    fixed_ips: p.fixed_ips.clone(),
                    host_id: p.host_id.clone(),
                    vnic_type: p.vnic_type.clone(),
                    security_groups: p.security_groups.clone(),
                    created_at: self.created_at,
                    ..of(&p.id, &p.name, &p.description, &p.tags)
                };
                self.ports.values().map(port).collect()
            }
        }
    }
}
