//! Choosing and checking the fixed addresses of a port.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::attributes::check_uuid;
use super::fault::Fault;
use crate::model::Model;
use crate::model::port::FixedIp;

/// Most fixed addresses on a port (Neutron's `max_fixed_ips_per_port`).
const MOST: usize = 5;

/// An address asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    subnet_id: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

/// Reads `fixed_ips`.
pub(crate) fn parse(objects: Vec<Map<String, Value>>) -> Result<Vec<Wanted>, Fault> {
    if objects.len() > MOST {
        return Err(Fault::input("Exceeded maximum amount of fixed ips per port"));
    }
    let mut all: Vec<Wanted> = Vec::new();
    for object in objects {
        let text = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(Fault::attribute("fixed_ips", format!("'{other}' is not a valid {key}"))),
        };
        let address =
            match text("ip_address")? {
                None => None,
                Some(text) => Some(text.parse().map_err(|_| {
                    Fault::attribute("fixed_ips", format!("'{text}' is not a valid IP address"))
                })?),
            };
        let subnet_id = text("subnet_id")?;
        if let Some(id) = &subnet_id {
            check_uuid("fixed_ips", id)?;
        }
        let wanted = Wanted { subnet_id, address };
        if wanted.subnet_id.is_none() && wanted.address.is_none() {
            return Err(Fault::input("IP allocation requires subnet_id or ip_address"));
        }
        if wanted.address.is_some() && all.iter().any(|w| w.address == wanted.address) {
            return Err(Fault::attribute(
                "fixed_ips",
                format!("Duplicate IP address '{:?}'", wanted.address),
            ));
        }
        all.push(wanted);
    }
    Ok(all)
}

/// Where a port is to get its addresses.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) network_id: &'a str,
    pub(crate) mac: &'a str,
    /// A router's interface, which may choose its address where hosts make theirs.
    pub(crate) is_router: bool,
}

impl Place<'_> {
    /// The addresses asked for, keeping those the port already has, and those its host makes itself, which nobody
    /// need ask for. The port itself must not be in the model with other addresses than `own`.
    pub(crate) fn allocate(
        &self,
        model: &Model,
        wanted: &[Wanted],
        own: &[FixedIp],
    ) -> Result<Vec<FixedIp>, Fault> {
        let mut given: Vec<FixedIp> = Vec::new();
        for want in wanted {
            let ip = match want.address {
                Some(address) => self.certain(model, want.subnet_id.as_deref(), address, own)?,
                None => {
                    let subnet_id = want.subnet_id.as_deref().unwrap_or_default();
                    if self.check_subnet(model, subnet_id)?.is_auto_address() && !self.is_router {
                        continue;
                    }
                    let kept = own.iter().find(|ip| ip.subnet_id == subnet_id && !given.contains(ip));
                    match kept {
                        Some(ip) => ip.clone(),
                        None => {
                            model.next_address(subnet_id, self.mac, &given).ok_or_else(|| self.exhausted())?
                        }
                    }
                }
            };
            given.push(ip);
        }
        self.add_self_made(model, &mut given);
        Ok(given)
    }

    fn add_self_made(&self, model: &Model, given: &mut Vec<FixedIp>) {
        if self.is_router {
            return;
        }
        for ip in model.self_made(self.network_id, self.mac) {
            if !given.contains(&ip) {
                given.push(ip);
            }
        }
    }

    /// What Neutron gives a port that asks for nothing: an IPv4 address, an IPv6 one, and one on each subnet
    /// whose hosts make their own.
    pub(crate) fn automatic(&self, model: &Model) -> Result<Vec<FixedIp>, Fault> {
        let subnets = model.subnets_of(self.network_id);
        let mut given = Vec::new();
        for version in [4, 6] {
            let mut candidates =
                subnets.iter().filter(|s| s.ip_version == version && !s.is_auto_address()).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let found = candidates.find_map(|s| model.next_address(&s.standard.id, self.mac, &given));
            given.push(found.ok_or_else(|| self.exhausted())?);
        }
        self.add_self_made(model, &mut given);
        Ok(given)
    }

    fn certain(
        &self,
        model: &Model,
        subnet_id: Option<&str>,
        address: IpAddr,
        own: &[FixedIp],
    ) -> Result<FixedIp, Fault> {
        let subnet = match subnet_id {
            Some(id) => self.check_subnet(model, id)?,
            None => model
                .subnets_of(self.network_id)
                .into_iter()
                .find(|s| s.cidr.contains(&address))
                .ok_or_else(|| {
                    Fault::bad(
                        "InvalidIpForNetwork",
                        format!(
                            "IP address {address} is not a valid IP for any of the subnets on the specified network."
                        ),
                    )
                })?,
        };
        if !subnet.is_usable(address) {
            return Err(Fault::bad(
                "InvalidIpForSubnet",
                format!("IP address {address} is not a valid IP for the specified subnet."),
            ));
        }
        let id = &subnet.standard.id;
        let ip = FixedIp { subnet_id: id.clone(), ip_address: address };
        if own.contains(&ip) {
            return Ok(ip);
        }
        if subnet.is_auto_address() && !self.is_router {
            return Err(Fault::bad(
                "AllocationOnAutoAddressSubnet",
                format!(
                    "IPv6 address {address} can not be directly assigned to a port on subnet {id} as the subnet is \
                     configured for automatic addresses"
                ),
            ));
        }
        if model.is_taken(id, address) {
            return Err(Fault::conflict(
                "IpAddressAlreadyAllocated",
                format!("IP address {address} already allocated in subnet {id}"),
            ));
        }
        Ok(ip)
    }

    fn check_subnet<'m>(
        &self,
        model: &'m Model,
        id: &str,
    ) -> Result<&'m crate::model::subnet::Subnet, Fault> {
        let subnet = model
            .subnets
            .get(id)
            .ok_or_else(|| Fault::not_found("SubnetNotFound", format!("Subnet {id} could not be found.")))?;
        if subnet.network_id != self.network_id {
            return Err(Fault::input(format!(
                "Failed to create port on network {}, because fixed_ips included invalid subnet {id}",
                subnet.network_id
            )));
        }
        Ok(subnet)
    }

    fn exhausted(&self) -> Fault {
        Fault::conflict(
            "IpAddressGenerationFailure",
            format!("No more IP addresses available on network {}.", self.network_id),
        )
    }
}
