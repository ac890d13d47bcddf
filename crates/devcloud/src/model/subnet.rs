//! A subnet and its arithmetic.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::standard::Standard;

/// A range addresses are given out from, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AllocationPool {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

/// A route for the hosts of a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRoute {
    /// Where to.
    pub destination: IpNet,
    /// Through which address.
    pub nexthop: IpAddr,
}

/// A Neutron subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Its network.
    pub network_id: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Address range.
    pub cidr: IpNet,
    /// The router's address.
    pub gateway_ip: Option<IpAddr>,
    /// Pool the range was taken from.
    pub subnetpool_id: Option<String>,
    /// DHCP on.
    pub enable_dhcp: bool,
    /// How routers advertise.
    pub ipv6_ra_mode: Option<String>,
    /// How hosts get addresses.
    pub ipv6_address_mode: Option<String>,
    /// Routes for the hosts.
    pub host_routes: Vec<HostRoute>,
    /// Name servers for the hosts.
    pub dns_nameservers: Vec<IpAddr>,
    /// Ranges to give out.
    pub allocation_pools: Vec<AllocationPool>,
}

impl Subnet {
    /// Hosts make their own addresses from their hardware address.
    pub(crate) fn is_auto_address(&self) -> bool {
        let auto = |mode: &Option<String>| matches!(mode.as_deref(), Some("slaac" | "dhcpv6-stateless"));
        auto(&self.ipv6_address_mode) || auto(&self.ipv6_ra_mode)
    }

    /// Whether a port may have the address: on the subnet, neither its network nor its broadcast address.
    pub(crate) fn is_usable(&self, address: IpAddr) -> bool {
        is_host_address(&self.cidr, address)
    }
}

/// Whether an address of the range can belong to a host.
pub(crate) fn is_host_address(cidr: &IpNet, address: IpAddr) -> bool {
    if !cidr.contains(&address) {
        return false;
    }
    let single = cidr.max_prefix_len() - cidr.prefix_len() <= 1;
    if single {
        return true;
    }
    address != cidr.network() && !(address.is_ipv4() && address == cidr.broadcast())
}

/// An address as a number, for arithmetic within one family.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The inverse of [`number`] in the family of `like`.
pub(crate) fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}

/// The gateway Neutron picks: the first address after the network's own.
pub(crate) fn default_gateway(cidr: &IpNet) -> IpAddr {
    let single = cidr.max_prefix_len() == cidr.prefix_len();
    address(number(cidr.network()) + u128::from(!single), cidr.network())
}

/// The pools Neutron makes: all host addresses but the gateway.
pub(crate) fn default_pools(cidr: &IpNet, gateway: Option<IpAddr>) -> Vec<AllocationPool> {
    let (network, last) = (number(cidr.network()), number(cidr.broadcast()));
    let single = cidr.max_prefix_len() - cidr.prefix_len() <= 1;
    let first = if single { network } else { network + 1 };
    let last = if single || network_is_v6(cidr) { last } else { last - 1 };
    let mut ranges = Vec::new();
    match gateway.filter(|g| cidr.contains(g)).map(number) {
        Some(g) => {
            if g > first {
                ranges.push((first, g - 1));
            }
            if g < last {
                ranges.push((g.max(first.saturating_sub(1)) + 1, last));
            }
        }
        None => ranges.push((first, last)),
    }
    let like = cidr.network();
    ranges
        .into_iter()
        .filter(|(a, b)| a <= b)
        .map(|(a, b)| AllocationPool { start: address(a, like), end: address(b, like) })
        .collect()
}

fn network_is_v6(cidr: &IpNet) -> bool {
    matches!(cidr, IpNet::V6(_))
}

/// Whether two ranges share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_pools_leave_out_network_broadcast_and_gateway() {
        let table = [
            ("10.0.0.0/24", Some("10.0.0.1"), "10.0.0.2-10.0.0.254"),
            ("10.0.0.0/24", Some("10.0.0.254"), "10.0.0.1-10.0.0.253"),
            ("10.0.0.0/24", Some("10.0.0.9"), "10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254"),
            ("10.0.0.0/24", None, "10.0.0.1-10.0.0.254"),
            ("10.0.0.0/30", Some("10.0.0.1"), "10.0.0.2-10.0.0.2"),
            ("10.0.0.0/31", Some("10.0.0.0"), "10.0.0.1-10.0.0.1"),
            ("10.0.0.4/32", Some("10.0.0.4"), ""),
            ("fd00::/126", Some("fd00::1"), "fd00::2-fd00::3"),
        ];
        for (cidr, gateway, wanted) in table {
            let pools = default_pools(&cidr.parse().unwrap(), gateway.map(|g| g.parse().unwrap()));
            let text: Vec<_> = pools.iter().map(|p| format!("{}-{}", p.start, p.end)).collect();
            assert_eq!(text.join(" "), wanted, "{cidr} {gateway:?}");
        }
    }
}
