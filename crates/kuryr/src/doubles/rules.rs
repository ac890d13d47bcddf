//! Neutron's rules about what may be made and changed.

use std::net::IpAddr;

use ipnet::IpNet;
use openstack::Result;
use openstack::network::{
    AllocationPool, FixedIp, NewPort, NewSubnet, Port, PortExtras, PortUpdate, SubPort, Subnet, Taggable,
    Trunk,
};

use super::cloud::{Cloud, eui64, fault, is_derived, new_id, next};
use super::neutron::get;

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

impl Cloud {
    pub(super) fn add_subnet(&mut self, new: &NewSubnet) -> Result<Subnet> {
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
            ipv6_ra_mode: None,
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
                description: String::new(),
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
                profile: serde_json::Map::new(),
                port_security_enabled: None,
                qos_policy_id: None,
                allowed_address_pairs: Vec::new(),
                dns_name: None,
                trunk_details: None,
                revision_number: 1,
                tags: Vec::new(),
            };
            self.ports.insert(port.id.clone(), port);
        }
        Ok(subnet)
    }

    pub(super) fn drop_subnet(&mut self, id: &str) -> Result<()> {
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

    pub(crate) fn add_port(&mut self, new: &NewPort) -> Result<Port> {
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
            description: new.description.clone().unwrap_or_default(),
            network_id: new.network_id.clone(),
            project_id: new.project_id.clone().unwrap_or_else(|| "p".to_owned()),
            mac_address: mac,
            fixed_ips: self.place(&new.fixed_ips, None, mac)?,
            security_groups: new.security_groups.clone().unwrap_or(vec!["default".to_owned()]),
            device_id: new.device_id.clone(),
            device_owner: new.device_owner.clone(),
            admin_state_up: new.admin_state_up,
            status: "DOWN".to_owned(),
            host_id: Some(new.host_id.clone().unwrap_or_default()),
            vif_type: None,
            vif_details: serde_json::Map::new(),
            vnic_type: Some("normal".to_owned()),
            profile: serde_json::Map::new(),
            port_security_enabled: Some(true),
            qos_policy_id: None,
            allowed_address_pairs: Vec::new(),
            dns_name: None,
            trunk_details: None,
            revision_number: 1,
            tags: new.tags.clone().unwrap_or_default(),
        };
        // As real Neutron does, whatever addresses were asked for.
        for subnet in self.subnets.values().filter(|s| s.network_id == port.network_id && is_derived(s)) {
            if !port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id) {
                let ip_address = eui64(subnet.cidr, mac);
                port.fixed_ips.push(FixedIp { subnet_id: subnet.id.clone(), ip_address });
            }
        }
        if let Some(lost) =
            port.security_groups.iter().find(|g| *g != "default" && !self.groups.contains_key(*g))
        {
            return fault(404, "SecurityGroupNotFound", format!("Security group {lost} does not exist"));
        }
        extend(&mut port, &new.extras)?;
        self.bind(&mut port);
        self.ports.insert(port.id.clone(), port.clone());
        Ok(port)
    }

    pub(super) fn change_port(
        &mut self,
        id: &str,
        update: &PortUpdate,
        revision: Option<u64>,
    ) -> Result<Port> {
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
        let nic = update.extras.vnic_type.as_ref();
        if nic.is_some_and(|nic| port.vnic_type.as_ref() != Some(nic))
            && port.host_id.as_deref().is_some_and(|h| !h.is_empty())
        {
            return fault(409, "PortBound", id);
        }
        if let Some(groups) = &update.security_groups {
            if let Some(lost) = groups.iter().find(|g| *g != "default" && !self.groups.contains_key(*g)) {
                return fault(404, "SecurityGroupNotFound", format!("Security group {lost} does not exist"));
            }
            port.security_groups = groups.clone();
        }
        if let Some(ips) = &update.fixed_ips {
            port.fixed_ips = self.place(ips, Some(id), port.mac_address)?;
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
        extend(&mut port, &update.extras)?;
        if update
            .extras
            .allowed_address_pairs
            .as_ref()
            .is_some_and(|p| self.most_pairs > 0 && p.len() > self.most_pairs)
        {
            return fault(
                400,
                "AllowedAddressPairExhausted",
                "The number of allowed address pair exceeds the maximum",
            );
        }
        self.bind(&mut port);
        port.revision_number += 1;
        self.ports.insert(id.to_owned(), port.clone());
        Ok(port)
    }

    /// The trunk a port is a subport of.
    pub(super) fn trunk_with(&self, port: &str) -> Option<&Trunk> {
        self.trunks.values().find(|trunk| trunk.sub_ports.iter().any(|s| s.port_id == port))
    }

    /// As Neutron does it: all of them or none; the owner is the trunk's from then on, and the host the parent's.
    pub(super) fn add_subports(&mut self, id: &str, new: &[SubPort]) -> Result<Trunk> {
        let mut trunk = get(&self.trunks, id)?;
        let host = self.ports.get(&trunk.port_id).and_then(|parent| parent.host_id.clone());
        let mut changed = Vec::new();
        for sub_port in new {
            let mut port = get(&self.ports, &sub_port.port_id)?;
            assert!((1..=4094).contains(&sub_port.segmentation_id) && sub_port.segmentation_type == "vlan");
            if !port.device_id.is_empty() {
                return fault(409, "PortInUse", format!("{} has a device", port.id));
            }
            if self.trunk_with(&port.id).is_some() {
                return fault(409, "TrunkPortInUse", &port.id);
            }
            if trunk.sub_ports.iter().any(|s| s.segmentation_id == sub_port.segmentation_id) {
                return fault(409, "DuplicateSubPort", sub_port.segmentation_id.to_string());
            }
            trunk.sub_ports.push(sub_port.clone());
            port.device_owner = crate::names::SUBPORT_OWNER.to_owned();
            port.host_id.clone_from(&host);
            self.bind(&mut port);
            port.revision_number += 1;
            changed.push(port);
        }
        self.ports.extend(changed.into_iter().map(|port| (port.id.clone(), port)));
        trunk.revision_number += 1;
        self.trunks.insert(id.to_owned(), trunk.clone());
        Ok(trunk)
    }

    /// Owner and host stay on the port.
    pub(super) fn remove_subports(&mut self, id: &str, ports: &[String]) -> Result<Trunk> {
        let mut trunk = get(&self.trunks, id)?;
        for port in ports {
            if !trunk.sub_ports.iter().any(|s| s.port_id == *port) {
                return fault(404, "SubPortNotFound", port);
            }
            trunk.sub_ports.retain(|s| s.port_id != *port);
        }
        trunk.revision_number += 1;
        self.trunks.insert(id.to_owned(), trunk.clone());
        Ok(trunk)
    }

    pub(super) fn tags(&mut self, kind: Taggable, id: &str) -> Result<&mut Vec<String>> {
        if !self.extensions.contains("standard-attr-tag") {
            return fault(404, "HTTPNotFound", "no such path");
        }
        let tags = match kind {
            Taggable::Network => self.networks.get_mut(id).map(|r| &mut r.tags),
            Taggable::Subnet => self.subnets.get_mut(id).map(|r| &mut r.tags),
            Taggable::SubnetPool => self.pools.get_mut(id).map(|r| &mut r.tags),
            Taggable::Port => self.ports.get_mut(id).map(|r| {
                r.revision_number += 1;
                &mut r.tags
            }),
            _ => None,
        };
        tags.map_or_else(|| fault(404, "TagResourceNotFound", id), Ok)
    }
}

/// Attributes of extensions, with Neutron's rule that a port without security has neither groups nor pairs.
fn extend(port: &mut Port, extras: &PortExtras) -> Result<()> {
    if let Some(vnic_type) = &extras.vnic_type {
        port.vnic_type = Some(vnic_type.clone());
    }
    if let Some(profile) = &extras.profile {
        port.profile = profile.clone();
    }
    if let Some(policy) = &extras.qos_policy_id {
        port.qos_policy_id = policy.clone();
    }
    if let Some(pairs) = &extras.allowed_address_pairs {
        port.allowed_address_pairs = pairs.clone();
    }
    if let Some(name) = &extras.dns_name {
        port.dns_name = Some(name.clone());
    }
    if let Some(enabled) = extras.port_security_enabled {
        port.port_security_enabled = Some(enabled);
    }
    if port.port_security_enabled == Some(false) {
        if port.security_groups == ["default"] {
            port.security_groups.clear();
        }
        if !port.security_groups.is_empty() {
            return fault(409, "PortSecurityPortHasSecurityGroup", &port.id);
        }
        if !port.allowed_address_pairs.is_empty() {
            return fault(409, "AddressPairAndPortSecurityRequired", &port.id);
        }
    }
    Ok(())
}
