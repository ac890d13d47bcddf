//! Neutron's calls and rules.

use std::collections::BTreeSet;

use async_trait::async_trait;
use ipnet::IpNet;
use openstack::Result;
use openstack::network::{
    Listed, Network, NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, NewSubnet, NewSubnetPool,
    Port, PortUpdate, QosPolicy, SecurityGroup, SubPort, Subnet, SubnetPool, Taggable, Trunk,
};

use super::cloud::{Cloud, fault, new_id};
use super::process::Process;
use crate::Neutron;

/// Whether a resource passes simple filters; as in Neutron, an unknown filter is the caller's mistake.
fn passes(filters: &[(&str, &str)], field: impl Fn(&str) -> String) -> bool {
    filters.iter().all(|(key, value)| field(key) == *value)
}

/// Splits off a filter for tags, of which all must be there. Neutron without tags takes none of it.
fn by_tags<'a>(cloud: &Cloud, filters: &[(&'a str, &'a str)]) -> (Vec<&'a str>, Vec<(&'a str, &'a str)>) {
    let (tags, rest): (Vec<_>, Vec<_>) = filters.iter().copied().partition(|(key, _)| *key == "tags");
    if !cloud.extensions.contains("standard-attr-tag") {
        return (Vec::new(), rest);
    }
    (tags.into_iter().flat_map(|(_, value)| value.split(',')).collect(), rest)
}

fn has_all(tags: &[&str], has: &[String]) -> bool {
    tags.iter().all(|tag| has.iter().any(|t| t == tag))
}

pub(super) fn get<T: Clone>(map: &std::collections::BTreeMap<String, T>, id: &str) -> Result<T> {
    map.get(id).cloned().map_or_else(|| fault(404, "NotFound", id), Ok)
}

#[async_trait]
impl Neutron for Process {
    async fn inventory(&self, kind: Taggable, filters: &[(&str, &str)]) -> Result<Vec<Listed>> {
        self.call(&format!("GET all {}", kind.collection()), |c| {
            Ok(c.listed(kind)
                .into_iter()
                .filter(|l| {
                    let field = |key: &str| match key {
                        "device_owner" => l.device_owner.clone(),
                        "binding:host_id" => l.host_id.clone().unwrap_or_default(),
                        _ => panic!("filter {key}"),
                    };
                    // A repeated key is met by any of its values.
                    filters.iter().all(|(key, _)| {
                        filters.iter().any(|(other, value)| other == key && field(key) == *value)
                    })
                })
                .collect())
        })
        .await
    }

    async fn own_project(&self) -> Result<Option<String>> {
        Ok(Some("p".to_owned()))
    }

    async fn extensions(&self) -> Result<BTreeSet<String>> {
        self.call("GET extensions", |c| Ok(c.extensions.clone())).await
    }

    async fn list_networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>> {
        let field = |n: &Network, key: &str| match key {
            "name" => n.name.clone(),
            "project_id" => n.project_id.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET networks", |c| {
            let (tags, rest) = by_tags(c, filters);
            let fits = |n: &&Network| has_all(&tags, &n.tags) && passes(&rest, |k| field(n, k));
            Ok(c.networks.values().filter(fits).cloned().collect())
        })
        .await
    }

    async fn get_network(&self, id: &str) -> Result<Network> {
        self.call("GET network", |c| get(&c.networks, id)).await
    }

    async fn create_network(&self, new: &NewNetwork) -> Result<Network> {
        self.call("POST network", |c| {
            let network = Network {
                id: new_id(),
                name: new.name.clone(),
                description: new.description.clone().unwrap_or_default(),
                project_id: "p".to_owned(),
                shared: new.shared.unwrap_or_default(),
                mtu: 1450,
                subnets: Vec::new(),
                tags: Vec::new(),
            };
            c.networks.insert(network.id.clone(), network.clone());
            Ok(network)
        })
        .await
    }

    async fn rename_network(&self, id: &str, name: &str) -> Result<Network> {
        self.call("PUT network", |c| {
            let mut network = get(&c.networks, id)?;
            network.name = name.to_owned();
            c.networks.insert(id.to_owned(), network.clone());
            Ok(network)
        })
        .await
    }

    async fn delete_network(&self, id: &str) -> Result<()> {
        self.call("DELETE network", |c| {
            if c.ports.values().any(|p| p.network_id == id && p.device_owner != "network:dhcp") {
                return fault(409, "NetworkInUse", id);
            }
            let subnets: Vec<String> =
                c.subnets.values().filter(|s| s.network_id == id).map(|s| s.id.clone()).collect();
            for subnet in subnets {
                c.drop_subnet(&subnet)?;
            }
            c.networks.remove(id);
            Ok(())
        })
        .await
    }

    async fn list_subnets(&self, filters: &[(&str, &str)]) -> Result<Vec<Subnet>> {
        let projects: std::collections::BTreeMap<String, String> = {
            let cloud = self.world.cloud.lock().unwrap();
            cloud.networks.values().map(|n| (n.id.clone(), n.project_id.clone())).collect()
        };
        let project = |network: &str| projects.get(network).cloned().unwrap_or_default();
        let field = |s: &Subnet, key: &str| match key {
            "name" => s.name.clone(),
            "network_id" => s.network_id.clone(),
            "cidr" => s.cidr.to_string(),
            // That of its network, in this world.
            "project_id" => project(&s.network_id),
            _ => panic!("filter {key}"),
        };
        self.call("GET subnets", |c| {
            let (tags, rest) = by_tags(c, filters);
            let fits = |s: &&Subnet| has_all(&tags, &s.tags) && passes(&rest, |k| field(s, k));
            Ok(c.subnets.values().filter(fits).cloned().collect())
        })
        .await
    }

    async fn get_subnet(&self, id: &str) -> Result<Subnet> {
        self.call("GET subnet", |c| get(&c.subnets, id)).await
    }

    async fn create_subnet(&self, new: &NewSubnet) -> Result<Subnet> {
        self.call("POST subnet", |c| c.add_subnet(new)).await
    }

    async fn create_subnets(&self, new: &[NewSubnet]) -> Result<Vec<Subnet>> {
        self.call("POST subnets", |c| {
            let before = c.clone();
            let made: Result<Vec<Subnet>> = new.iter().map(|s| c.add_subnet(s)).collect();
            if made.is_err() {
                *c = before;
            }
            made
        })
        .await
    }

    async fn delete_subnet(&self, id: &str) -> Result<()> {
        self.call("DELETE subnet", |c| c.drop_subnet(id)).await
    }

    async fn list_subnetpools(&self, filters: &[(&str, &str)]) -> Result<Vec<SubnetPool>> {
        let field = |p: &SubnetPool, key: &str| match key {
            "name" => p.name.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET subnetpools", |c| {
            Ok(c.pools.values().filter(|p| passes(filters, |k| field(p, k))).cloned().collect())
        })
        .await
    }

    async fn get_subnetpool(&self, id: &str) -> Result<SubnetPool> {
        self.call("GET subnetpool", |c| get(&c.pools, id)).await
    }

    async fn create_subnetpool(&self, new: &NewSubnetPool) -> Result<SubnetPool> {
        self.call("POST subnetpool", |c| {
            let pool = SubnetPool {
                id: new_id(),
                name: new.name.clone(),
                description: new.description.clone().unwrap_or_default(),
                prefixes: new.prefixes.clone(),
                default_prefixlen: new.default_prefixlen,
                ip_version: if matches!(new.prefixes.first(), Some(IpNet::V6(_))) { 6 } else { 4 },
                shared: new.shared.unwrap_or_default(),
                tags: Vec::new(),
            };
            c.pools.insert(pool.id.clone(), pool.clone());
            Ok(pool)
        })
        .await
    }

    async fn delete_subnetpool(&self, id: &str) -> Result<()> {
        self.call("DELETE subnetpool", |c| {
            if c.subnets.values().any(|s| s.subnetpool_id.as_deref() == Some(id)) {
                return fault(409, "SubnetPoolInUse", id);
            }
            c.pools.remove(id);
            Ok(())
        })
        .await
    }

    async fn list_ports(&self, filters: &[(&str, &str)]) -> Result<Vec<Port>> {
        let has = |p: &Port, filter: &(&str, &str)| match *filter {
            ("device_id", value) => p.device_id == value,
            ("network_id", value) => p.network_id == value,
            ("description", value) => p.description == value,
            ("mac_address", value) => p.mac_address.to_string() == value,
            ("fixed_ips", value) => match value.split_once('=').unwrap() {
                ("subnet_id", id) => p.fixed_ips.iter().any(|f| f.subnet_id == id),
                (_, ip) => p.fixed_ips.iter().any(|f| f.ip_address.to_string() == ip),
            },
            _ => panic!("filter {filter:?}"),
        };
        self.call("GET ports", |c| {
            let (tags, rest) = by_tags(c, filters);
            let fits = |p: &Port| has_all(&tags, &p.tags) && rest.iter().all(|f| has(p, f));
            Ok(c.ports.values().map(|p| c.seen(p)).filter(fits).collect())
        })
        .await
    }

    async fn get_port(&self, id: &str) -> Result<Port> {
        self.call("GET port", |c| Ok(c.seen(&get(&c.ports, id)?))).await
    }

    async fn create_port(&self, new: &NewPort) -> Result<Port> {
        assert!(new.tags.is_none(), "tags ride in bulk requests only");
        self.call("POST port", |c| c.add_port(new)).await
    }

    async fn create_ports(&self, new: &[NewPort]) -> Result<Vec<Port>> {
        self.call("POST ports", |c| {
            let before = c.clone();
            let made: Result<Vec<Port>> = new.iter().map(|p| c.add_port(p)).collect();
            if made.is_err() {
                *c = before;
            }
            made
        })
        .await
    }

    async fn update_port(&self, id: &str, update: &PortUpdate, if_revision: Option<u64>) -> Result<Port> {
        self.call("PUT port", |c| c.change_port(id, update, if_revision)).await
    }

    async fn delete_port(&self, id: &str) -> Result<()> {
        self.call("DELETE port", |c| {
            if c.trunk_with(id).is_some() || c.trunks.values().any(|t| t.port_id == id) {
                return fault(409, "PortInUse", id);
            }
            c.ports.remove(id);
            Ok(())
        })
        .await
    }

    async fn list_trunks(&self, filters: &[(&str, &str)]) -> Result<Vec<Trunk>> {
        self.call("GET trunks", |c| {
            if !c.extensions.contains("trunk") {
                return fault(404, "HTTPNotFound", "no such path");
            }
            let field = |t: &Trunk, key: &str| match key {
                "port_id" => t.port_id.clone(),
                _ => panic!("filter {key}"),
            };
            Ok(c.trunks.values().filter(|t| passes(filters, |k| field(t, k))).cloned().collect())
        })
        .await
    }

    async fn get_trunk(&self, id: &str) -> Result<Trunk> {
        self.call("GET trunk", |c| get(&c.trunks, id)).await
    }

    async fn add_subports(&self, trunk: &str, sub_ports: &[SubPort]) -> Result<Trunk> {
        self.call("PUT add_subports", |c| c.add_subports(trunk, sub_ports)).await
    }

    async fn remove_subports(&self, trunk: &str, ports: &[String]) -> Result<Trunk> {
        self.call("PUT remove_subports", |c| c.remove_subports(trunk, ports)).await
    }

    async fn list_security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>> {
        let field = |g: &SecurityGroup, key: &str| match key {
            "name" => g.name.clone(),
            "id" => g.id.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET security-groups", |c| {
            Ok(c.groups.values().filter(|g| passes(filters, |k| field(g, k))).cloned().collect())
        })
        .await
    }

    async fn create_security_group(&self, new: &NewSecurityGroup) -> Result<SecurityGroup> {
        self.call("POST security-group", |c| {
            let (name, description) = (new.name.clone(), new.description.clone());
            let group = SecurityGroup { id: new_id(), name, description, tags: Vec::new() };
            c.groups.insert(group.id.clone(), group.clone());
            Ok(group)
        })
        .await
    }

    async fn create_security_group_rules(&self, rules: &[NewSecurityGroupRule]) -> Result<()> {
        self.call("POST security-group-rules", |c| {
            if rules.iter().any(|r| c.rules.contains(r)) {
                return fault(409, "SecurityGroupRuleExists", "rule exists");
            }
            c.rules.extend(rules.iter().cloned());
            Ok(())
        })
        .await
    }

    async fn delete_security_group(&self, id: &str) -> Result<()> {
        self.call("DELETE security-group", |c| {
            if c.ports.values().any(|p| p.security_groups.iter().any(|g| g == id)) {
                return fault(409, "SecurityGroupInUse", id);
            }
            c.groups.remove(id);
            c.rules.retain(|r| r.security_group_id != id);
            Ok(())
        })
        .await
    }

    async fn list_qos_policies(&self, filters: &[(&str, &str)]) -> Result<Vec<QosPolicy>> {
        let field = |p: &QosPolicy, key: &str| match key {
            "name" => p.name.clone(),
            "id" => p.id.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET policies", |c| {
            Ok(c.qos_policies.values().filter(|p| passes(filters, |k| field(p, k))).cloned().collect())
        })
        .await
    }

    async fn set_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        self.call("PUT tags", |c| {
            *c.tags(kind, id)? = tags.to_vec();
            Ok(())
        })
        .await
    }

    async fn add_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        self.call("POST tags", |c| {
            if !c.extensions.contains("tag-creation") {
                return fault(404, "HTTPNotFound", "tag-creation");
            }
            let has = c.tags(kind, id)?;
            for tag in tags {
                if !has.contains(tag) {
                    has.push(tag.clone());
                }
            }
            Ok(())
        })
        .await
    }

    async fn add_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        self.call("PUT tag", |c| {
            let tags = c.tags(kind, id)?;
            if !tags.iter().any(|t| t == tag) {
                tags.push(tag.to_owned());
            }
            Ok(())
        })
        .await
    }

    async fn take_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<bool> {
        self.call("DELETE token", |c| {
            let Ok(tags) = c.tags(kind, id) else { return Ok(false) };
            let before = tags.len();
            tags.retain(|t| t != tag);
            Ok(tags.len() < before)
        })
        .await
    }

    async fn remove_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        self.call("DELETE tag", |c| {
            c.tags(kind, id)?.retain(|t| t != tag);
            Ok(())
        })
        .await
    }
}
