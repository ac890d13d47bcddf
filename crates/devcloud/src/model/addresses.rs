//! Giving out addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::Model;
use super::port::FixedIp;
use super::subnet::{address, number};

impl Model {
    /// Whether a port has the address on the subnet.
    pub(crate) fn is_taken(&self, subnet_id: &str, wanted: IpAddr) -> bool {
        self.ports
            .values()
            .any(|p| p.fixed_ips.iter().any(|ip| ip.subnet_id == subnet_id && ip.ip_address == wanted))
    }

    /// The first free address of a subnet's pools (or the one made from the hardware address where hosts make
    /// their own); `None` when there is none. `also` counts as taken.
    pub(crate) fn next_address(&self, subnet_id: &str, mac: &str, also: &[FixedIp]) -> Option<FixedIp> {
        let subnet = self.subnets.get(subnet_id)?;
        let found = |ip_address| FixedIp { subnet_id: subnet_id.into(), ip_address };
        if subnet.is_auto_address() {
            return eui64(subnet.cidr.network(), mac).map(found);
        }
        let taken: BTreeSet<IpAddr> = self
            .ports
            .values()
            .flat_map(|p| &p.fixed_ips)
            .chain(also)
            .filter(|ip| ip.subnet_id == subnet_id)
            .map(|ip| ip.ip_address)
            .collect();
        for pool in &subnet.allocation_pools {
            let mut at = number(pool.start);
            while at <= number(pool.end) {
                let candidate = address(at, pool.start);
                if !taken.contains(&candidate) {
                    return Some(found(candidate));
                }
                at += 1;
            }
        }
        None
    }

    /// The addresses the hosts of a network make from a hardware address, one on each subnet where they do.
    pub(crate) fn self_made(&self, network_id: &str, mac: &str) -> Vec<FixedIp> {
        let auto = self.subnets_of(network_id).into_iter().filter(|s| s.is_auto_address());
        auto.filter_map(|s| self.next_address(&s.standard.id, mac, &[])).collect()
    }

    /// Gives every port of a network, routers' apart, its address on a subnet where hosts make their own.
    pub(crate) fn add_self_made(&mut self, subnet_id: &str) {
        let Some(subnet) = self.subnets.get(subnet_id).filter(|s| s.is_auto_address()) else { return };
        let (network_id, prefix) = (subnet.network_id.clone(), subnet.cidr.network());
        let ports = self.ports.select_mut(|p| p.network_id == network_id && !p.is_router());
        for port in ports {
            if let Some(ip_address) = eui64(prefix, &port.mac_address) {
                port.fixed_ips.push(FixedIp { subnet_id: subnet_id.into(), ip_address });
                port.standard.bump();
            }
        }
    }

    /// A hardware address no port of the network has.
    pub(crate) fn free_mac(&self, network_id: &str) -> String {
        loop {
            let random = uuid::Uuid::new_v4().into_bytes();
            let [a, b, c, ..] = random;
            let mac = format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}");
            if !self.is_mac_taken(network_id, &mac) {
                return mac;
            }
        }
    }

    /// Whether a port of the network has the hardware address.
    pub(crate) fn is_mac_taken(&self, network_id: &str, mac: &str) -> bool {
        self.ports.values().any(|p| p.network_id == network_id && p.mac_address == mac)
    }
}

/// The address a host makes from its hardware address (RFC 4291, appendix A).
fn eui64(prefix: IpAddr, mac: &str) -> Option<IpAddr> {
    let IpAddr::V6(prefix) = prefix else { return None };
    let bytes: Vec<u8> =
        mac.split(':').map(|part| u8::from_str_radix(part, 16)).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, e, f] = bytes.try_into().ok()?;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Some(IpAddr::V6(Ipv6Addr::from(u128::from(prefix) | u128::from(host))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_makes_its_address_from_its_mac() {
        let made = eui64("fd00::".parse().unwrap(), "fa:16:3e:01:02:03");
        assert_eq!(made, Some("fd00::f816:3eff:fe01:203".parse().unwrap()));
    }
}
