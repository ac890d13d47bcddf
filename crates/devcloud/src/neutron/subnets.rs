//! `/v2.0/subnets`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attributes::Attributes;
use super::collection::Writable;
use super::fault::Fault;
use super::resource::visible;
use super::subnet_ranges::{allocate, check_affinity, check_overlap, check_range, choose_pool, ip_version};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::network::Network;
use crate::model::port::{DHCP_OWNER, Port};
use crate::model::standard::Standard;
use crate::model::subnet::{AllocationPool, HostRoute, Subnet, default_gateway, default_pools, number};

impl Writable for Subnet {
    fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
        let owner = item.owner(&caller.project_id)?;
        let network_id = item.required("network_id")?;
        let network = visible::<Network>(model, caller, &network_id)?;
        if !caller.is_admin && network.standard.project_id != caller.project_id {
            return Err(Fault::policy("create_subnet"));
        }
        if !model.has_room(&owner, "subnet") {
            return Err(Fault::over_quota("subnet"));
        }
        let cidr = item.nullable("cidr")?.flatten();
        let cidr = cidr.map(|text| {
            text.parse::<IpNet>().map_err(|_| Fault::input(format!("{text} is not in a CIDR format")))
        });
        let cidr = cidr.transpose()?;
        let pool = choose_pool(model, caller, &mut item, cidr)?;
        let ip_version = ip_version(&mut item, cidr, pool.as_ref())?;
        check_affinity(model, &network_id, ip_version, pool.as_ref())?;
        let prefixlen = item.number::<u8>("prefixlen")?;
        let cidr = match &pool {
            Some(pool) => allocate(model, pool, cidr, prefixlen)?,
            None => cidr
                .ok_or_else(|| {
                    Fault::bad(
                        "BadRequest",
                        "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
                    )
                })?
                .trunc(),
        };
        if pool.is_none() && prefixlen.is_some() {
            return Err(Fault::bad(
                "BadRequest",
                "Bad subnets request: prefixlen can only be specified with a subnetpool.",
            ));
        }
        check_range(&cidr)?;
        check_overlap(model, &network_id, &cidr)?;
        let gateway_ip = match item.nullable("gateway_ip")? {
            None => Some(default_gateway(&cidr)),
            Some(None) => None,
            Some(Some(text)) => Some(gateway(&text, ip_version)?),
        };
        let standard = Standard::new(
            &owner,
            item.text("name")?.unwrap_or_default(),
            item.text("description")?.unwrap_or_default(),
        )
        .made_at_once();
        let ra_mode = ipv6_mode(&mut item, "ipv6_ra_mode", ip_version)?;
        let address_mode = ipv6_mode(&mut item, "ipv6_address_mode", ip_version)?;
        let pools = pools(&mut item)?;
        let mut subnet = Subnet {
            standard,
            network_id: network_id.clone(),
            ip_version,
            cidr,
            gateway_ip,
            subnetpool_id: pool.map(|p| p.standard.id),
            enable_dhcp: item.boolean("enable_dhcp")?.unwrap_or(true),
            ipv6_ra_mode: ra_mode,
            ipv6_address_mode: address_mode,
            host_routes: Vec::new(),
            dns_nameservers: Vec::new(),
            allocation_pools: pools.unwrap_or_else(|| default_pools(&cidr, gateway_ip)),
        };
        item.take("segment_id");
        item.take("service_types");
        write_host_settings(&mut subnet, &mut item)?;
        item.finish()?;
        check_modes(&subnet)?;
        check_pools(&subnet)?;
        let id = subnet.standard.id.clone();
        model.subnets.insert(id.clone(), subnet);
        model.add_self_made(&id);
        if let Some(network) = model.networks.get_mut(&network_id) {
            network.standard.bump();
        }
        model.settle_dhcp(&network_id);
        Ok(id)
    }

    fn change(&mut self, _model: &Model, _caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        item.write_names(&mut self.standard)?;
        match item.nullable("gateway_ip")? {
            None => {}
            Some(None) => self.gateway_ip = None,
            Some(Some(text)) => self.gateway_ip = Some(gateway(&text, self.ip_version)?),
        }
        if let Some(on) = item.boolean("enable_dhcp")? {
            self.enable_dhcp = on;
        }
        if let Some(pools) = pools(&mut item)? {
            self.allocation_pools = pools;
        }
        write_host_settings(self, &mut item)?;
        item.finish()?;
        check_pools(self)
    }

    fn follow_change(model: &mut Model, before: &Self) {
        if let Some(network_id) = model.subnets.get(&before.standard.id).map(|s| s.network_id.clone()) {
            model.settle_dhcp(&network_id);
        }
    }

    /// Refused while a port, DHCP apart, has an address on it (one its host made does not count).
    fn remove(&self, model: &mut Model, _caller: &Caller) -> Result<(), Fault> {
        let id = &self.standard.id;
        let uses = |p: &Port| p.fixed_ips.iter().any(|ip| ip.subnet_id == *id);
        let user = model.ports.values().any(|p| p.device_owner != DHCP_OWNER && uses(p));
        if user && !self.is_auto_address() {
            return Err(Fault::conflict(
                "SubnetInUse",
                format!(
                    "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this \
                     subnet."
                ),
            ));
        }
        for port in model.ports.select_mut(uses) {
            port.fixed_ips.retain(|ip| ip.subnet_id != *id);
            port.standard.bump();
        }
        model.subnets.remove(id);
        if let Some(network) = model.networks.get_mut(&self.network_id) {
            network.standard.bump();
        }
        model.settle_dhcp(&self.network_id);
        Ok(())
    }
}

fn gateway(text: &str, ip_version: u8) -> Result<IpAddr, Fault> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| Fault::attribute("gateway_ip", format!("'{text}' is not a valid IP address")))?;
    if address.is_ipv4() != (ip_version == 4) {
        return Err(Fault::input(format!(
            "gateway_ip '{text}' does not match the ip_version '{ip_version}'"
        )));
    }
    Ok(address)
}

fn ipv6_mode(item: &mut Attributes, name: &str, ip_version: u8) -> Result<Option<String>, Fault> {
    let Some(mode) = item.nullable(name)?.flatten() else { return Ok(None) };
    if !matches!(mode.as_str(), "slaac" | "dhcpv6-stateful" | "dhcpv6-stateless") {
        return Err(Fault::attribute(
            name,
            format!("'{mode}' is not in ['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']"),
        ));
    }
    if ip_version == 4 {
        return Err(Fault::input(format!("{name} is not valid when ip_version is 4")));
    }
    Ok(Some(mode))
}

fn check_modes(subnet: &Subnet) -> Result<(), Fault> {
    if !subnet.enable_dhcp && (subnet.ipv6_ra_mode.is_some() || subnet.ipv6_address_mode.is_some()) {
        return Err(Fault::input(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
        ));
    }
    if let (Some(ra), Some(address)) = (&subnet.ipv6_ra_mode, &subnet.ipv6_address_mode)
        && ra != address
    {
        return Err(Fault::input(format!(
            "ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. If both attributes \
             are set, they must be the same value"
        )));
    }
    if subnet.is_auto_address() && subnet.cidr.prefix_len() != 64 {
        return Err(Fault::input(format!(
            "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the \
             prefix to be /64",
            subnet.cidr
        )));
    }
    Ok(())
}

fn pools(item: &mut Attributes) -> Result<Option<Vec<AllocationPool>>, Fault> {
    let Some(objects) = item.objects("allocation_pools")? else { return Ok(None) };
    let read = |map: serde_json::Map<String, serde_json::Value>| {
        let text = serde_json::Value::Object(map);
        serde_json::from_value(text.clone())
            .map_err(|_| Fault::attribute("allocation_pools", format!("'{text}' is not a valid range")))
    };
    let pools: Vec<AllocationPool> = objects.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Some(pools))
}

fn check_pools(subnet: &Subnet) -> Result<(), Fault> {
    for (index, pool) in subnet.allocation_pools.iter().enumerate() {
        let text = format!("{}-{}", pool.start, pool.end);
        if pool.start.is_ipv4() != pool.end.is_ipv4() || number(pool.start) > number(pool.end) {
            return Err(Fault::bad(
                "InvalidAllocationPool",
                format!("The allocation pool {text} is not valid."),
            ));
        }
        if !subnet.is_usable(pool.start) || !subnet.is_usable(pool.end) {
            return Err(Fault::bad(
                "OutOfBoundsAllocationPool",
                format!("The allocation pool {text} spans beyond the subnet cidr {}.", subnet.cidr),
            ));
        }
        let overlaps =
            subnet.allocation_pools.iter().take(index).any(|other| {
                number(other.start) <= number(pool.end) && number(pool.start) <= number(other.end)
            });
        if overlaps {
            return Err(Fault::conflict(
                "OverlappingAllocationPools",
                format!("Found overlapping allocation pools: {text} for subnet {}.", subnet.cidr),
            ));
        }
        if let Some(gateway) = subnet.gateway_ip
            && gateway.is_ipv4() == pool.start.is_ipv4()
            && (number(pool.start)..=number(pool.end)).contains(&number(gateway))
        {
            return Err(Fault::conflict(
                "GatewayConflictWithAllocationPools",
                format!("Gateway ip {gateway} conflicts with allocation pool {text}."),
            ));
        }
    }
    Ok(())
}

fn write_host_settings(subnet: &mut Subnet, item: &mut Attributes) -> Result<(), Fault> {
    if let Some(servers) = item.list("dns_nameservers", "IP address")? {
        subnet.dns_nameservers = servers;
    }
    if let Some(routes) = item.objects("host_routes")? {
        let read = |map| {
            let text = serde_json::Value::Object(map);
            serde_json::from_value::<HostRoute>(text.clone())
                .map_err(|_| Fault::attribute("host_routes", format!("'{text}' is not a valid route")))
        };
        subnet.host_routes = routes.into_iter().map(read).collect::<Result<_, _>>()?;
    }
    Ok(())
}
