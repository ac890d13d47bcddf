//! Neutron's calls and rules.

use std::collections::BTreeSet;
use std::net::IpAddr;

use async_trait::async_trait;
use ipnet::IpNet;
use openstack::Result;
use openstack::network::{
    AllocationPool, FixedIp, Network, NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, NewSubnet,
    NewSubnetPool, Port, PortUpdate, SecurityGroup, Subnet, SubnetPool, Taggable,
};

use super::cloud::{Cloud, fault, new_id, next};
use super::process::Process;
use crate::Neutron;

/// Whether a resource passes simple filters; as in Neutron, an unknown filter is the caller's mistake.
fn passes(filters: &[(&str, &str)], field: impl Fn(&str) -> String) -> bool {
    filters.iter().all(|(key, value)| field(key) == *value)
}

fn get<T: Clone>(map: &std::collections::BTreeMap<String, T>, id: &str) -> Result<T> {
    map.get(id).cloned().map_or_else(|| fault(404, "NotFound", id), Ok)
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

impl Cloud {
    fn add_subnet(&mut self, new: &NewSubnet) -> Result<Subnet> {
        get(&self.networks, &new.network_id)?;
        let of_pool: Vec<IpNet> = self
            .subnets
            .values()
            .filter(|s| s.subnetpool_id.is_some() && s.subnetpool_id == new.subnetpool_id)
            .map(|s| s.cidr)
            .collect();
        let cidr = match (new.cidr, &new.subnetpool_id) {
            (Some(cidr), Some(pool)) => {
                let pool = get(&self.pools, pool)?;
                if !pool.prefixes.iter().any(|p| p.contains(&cidr))
                    || of_pool.iter().any(|o| overlap(o, &cidr))
                {
                    return fault(409, "SubnetAllocationError", cidr.to_string());
                }
                cidr
            }
            (Some(cidr), None) => cidr,
            (None, Some(pool)) => {
                let pool = get(&self.pools, pool)?;
                let length = new.prefixlen.unwrap_or(pool.default_prefixlen);
                let free = pool
                    .prefixes
                    .iter()
                    .flat_map(|p| p.subnets(length).unwrap().take(300))
                    .find(|c| !of_pool.iter().any(|o| overlap(o, c)));
                match free {
                    Some(cidr) => cidr,
                    None => return fault(409, "SubnetAllocationError", "pool exhausted"),
                }
            }
            (None, None) => return fault(400, "BadRequest", "no cidr"),
        };
        if self.subnets.values().any(|s| s.network_id == new.network_id && overlap(&s.cidr, &cidr)) {
            return fault(400, "InvalidInput", format!("{cidr} overlaps"));
        }
        let others = self.subnets.values().filter(|s| s.network_id == new.network_id);
        if others
            .filter(|s| s.ip_version == new.ip_version)
            .any(|s| s.subnetpool_id.is_some() && s.subnetpool_id != new.subnetpool_id)
        {
            return fault(400, "NetworkSubnetPoolAffinityError", "one subnet pool for all subnets");
        }
        let first = next(cidr.network());
        let gateway = new.gateway_ip.unwrap_or(Some(first));
        let last = match cidr {
            IpNet::V4(n) => IpAddr::V4((u32::from(n.broadcast()) - 1).into()),
            IpNet::V6(n) => IpAddr::V6(n.broadcast()),
        };
        let start = if gateway == Some(first) { next(first) } else { first };
        let pools = new.allocation_pools.clone().unwrap_or(vec![AllocationPool { start, end: last }]);
        let subnet = Subnet {
            id: new_id(),
            name: new.name.clone(),
            description: new.description.clone().unwrap_or_default(),
            network_id: new.network_id.clone(),
            ip_version: new.ip_version,
            cidr,
            gateway_ip: gateway,
            subnetpool_id: new.subnetpool_id.clone(),
            enable_dhcp: new.enable_dhcp,
            ipv6_address_mode: None,
            host_routes: Vec::new(),
            allocation_pools: pools,
            tags: Vec::new(),
        };
        self.subnets.insert(subnet.id.clone(), subnet.clone());
        if let Some(network) = self.networks.get_mut(&new.network_id) {
            network.subnets.push(subnet.id.clone());
        }
        if new.enable_dhcp {
            let ip = self.allocate(&subnet)?;
            let port = Port {
                id: new_id(),
                name: String::new(),
                network_id: new.network_id.clone(),
                project_id: "p".to_owned(),
                mac_address: self.new_mac(),
                fixed_ips: vec![FixedIp { subnet_id: subnet.id.clone(), ip_address: ip }],
                security_groups: Vec::new(),
                device_id: "dhcp".to_owned(),
                device_owner: "network:dhcp".to_owned(),
                admin_state_up: true,
                status: "ACTIVE".to_owned(),
                host_id: Some("net-node".to_owned()),
                vif_type: Some("bridge".to_owned()),
                vif_details: serde_json::Map::new(),
                vnic_type: None,
                revision_number: 1,
                tags: Vec::new(),
            };
            self.ports.insert(port.id.clone(), port);
        }
        Ok(subnet)
    }

    fn drop_subnet(&mut self, id: &str) -> Result<()> {
        let uses = |p: &Port| p.fixed_ips.iter().any(|f| f.subnet_id == id);
        if self.ports.values().any(|p| uses(p) && p.device_owner != "network:dhcp") {
            return fault(409, "SubnetInUse", id);
        }
        self.ports.retain(|_, p| !uses(p));
        if let Some(subnet) = self.subnets.remove(id)
            && let Some(network) = self.networks.get_mut(&subnet.network_id)
        {
            network.subnets.retain(|s| s != id);
        }
        Ok(())
    }

    fn add_port(&mut self, new: &NewPort) -> Result<Port> {
        get(&self.networks, &new.network_id)?;
        if self.quota_ports.is_some_and(|most| self.ports.len() >= most) {
            return fault(409, "OverQuota", "Quota exceeded for resources: ['port']");
        }
        let mac = new.mac_address.unwrap_or_else(|| self.new_mac());
        if self.ports.values().any(|p| p.network_id == new.network_id && p.mac_address == mac) {
            return fault(409, "MacAddressInUse", mac.to_string());
        }
        let mut port = Port {
            id: new_id(),
            name: new.name.clone(),
            network_id: new.network_id.clone(),
            project_id: "p".to_owned(),
            mac_address: mac,
            fixed_ips: self.place(&new.fixed_ips, None)?,
            security_groups: new.security_groups.clone().unwrap_or(vec!["default".to_owned()]),
            device_id: new.device_id.clone(),
            device_owner: new.device_owner.clone(),
            admin_state_up: new.admin_state_up,
            status: "DOWN".to_owned(),
            host_id: Some(new.host_id.clone().unwrap_or_default()),
            vif_type: None,
            vif_details: serde_json::Map::new(),
            vnic_type: Some("normal".to_owned()),
            revision_number: 1,
            tags: new.tags.clone().unwrap_or_default(),
        };
        self.bind(&mut port);
        self.ports.insert(port.id.clone(), port.clone());
        Ok(port)
    }

    fn change_port(&mut self, id: &str, update: &PortUpdate, revision: Option<u64>) -> Result<Port> {
        let mut port = get(&self.ports, id)?;
        if revision.is_some_and(|r| r != port.revision_number) {
            return fault(412, "RevisionNumberConstraintFailed", id);
        }
        if let Some(mac) = update.mac_address.filter(|m| *m != port.mac_address) {
            if port.host_id.as_deref().is_some_and(|h| !h.is_empty()) {
                return fault(409, "PortBound", id);
            }
            port.mac_address = mac;
        }
        if let Some(groups) = &update.security_groups {
            if let Some(lost) = groups.iter().find(|g| *g != "default" && !self.groups.contains_key(*g)) {
                return fault(404, "SecurityGroupNotFound", format!("Security group {lost} does not exist"));
            }
            port.security_groups = groups.clone();
        }
        if let Some(ips) = &update.fixed_ips {
            port.fixed_ips = self.place(ips, Some(id))?;
        }
        if let Some(host) = &update.host_id {
            port.host_id = Some(host.clone());
        }
        let set = |slot: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                slot.clone_from(new);
            }
        };
        set(&mut port.name, &update.name);
        set(&mut port.device_id, &update.device_id);
        set(&mut port.device_owner, &update.device_owner);
        port.admin_state_up = update.admin_state_up.unwrap_or(port.admin_state_up);
        self.bind(&mut port);
        port.revision_number += 1;
        self.ports.insert(id.to_owned(), port.clone());
        Ok(port)
    }

    fn tags(&mut self, kind: Taggable, id: &str) -> Result<&mut Vec<String>> {
        let tags = match kind {
            Taggable::Network => self.networks.get_mut(id).map(|r| &mut r.tags),
            Taggable::Port => self.ports.get_mut(id).map(|r| {
                r.revision_number += 1;
                &mut r.tags
            }),
            _ => None,
        };
        tags.map_or_else(|| fault(404, "TagResourceNotFound", id), Ok)
    }
}

#[async_trait]
impl Neutron for Process {
    async fn extensions(&self) -> Result<BTreeSet<String>> {
        self.call("GET extensions", |c| Ok(c.extensions.clone())).await
    }

    async fn list_networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>> {
        let field = |n: &Network, key: &str| match key {
            "name" => n.name.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET networks", |c| {
            Ok(c.networks.values().filter(|n| passes(filters, |k| field(n, k))).cloned().collect())
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
        let field = |s: &Subnet, key: &str| match key {
            "name" => s.name.clone(),
            "network_id" => s.network_id.clone(),
            _ => panic!("filter {key}"),
        };
        self.call("GET subnets", |c| {
            Ok(c.subnets.values().filter(|s| passes(filters, |k| field(s, k))).cloned().collect())
        })
        .await
    }

    async fn get_subnet(&self, id: &str) -> Result<Subnet> {
        self.call("GET subnet", |c| get(&c.subnets, id)).await
    }

    async fn create_subnet(&self, new: &NewSubnet) -> Result<Subnet> {
        self.call("POST subnet", |c| c.add_subnet(new)).await
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
            ("fixed_ips", value) => match value.split_once('=').unwrap() {
                ("subnet_id", id) => p.fixed_ips.iter().any(|f| f.subnet_id == id),
                (_, ip) => p.fixed_ips.iter().any(|f| f.ip_address.to_string() == ip),
            },
            _ => panic!("filter {filter:?}"),
        };
        self.call("GET ports", |c| {
            let found = c.ports.values().filter(|p| filters.iter().all(|f| has(p, f)));
            Ok(found.map(|p| c.seen(p)).collect())
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
        self.call("POST ports", |c| new.iter().map(|p| c.add_port(p)).collect()).await
    }

    async fn update_port(&self, id: &str, update: &PortUpdate, if_revision: Option<u64>) -> Result<Port> {
        self.call("PUT port", |c| c.change_port(id, update, if_revision)).await
    }

    async fn delete_port(&self, id: &str) -> Result<()> {
        self.call("DELETE port", |c| {
            c.ports.remove(id);
            Ok(())
        })
        .await
    }

    async fn list_security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>> {
        let field = |g: &SecurityGroup, key: &str| match key {
            "name" => g.name.clone(),
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

    async fn set_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        self.call("PUT tags", |c| {
            *c.tags(kind, id)? = tags.to_vec();
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

    async fn remove_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        self.call("DELETE tag", |c| {
            c.tags(kind, id)?.retain(|t| t != tag);
            Ok(())
        })
        .await
    }
}
