//! Ranges and the addresses in them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::{Error, Result};

/// `--ip-range` is taken for the subnet, as users of the Python driver expect.
pub(crate) fn explicit(pool: IpNet, sub_pool: Option<IpNet>) -> Result<IpNet> {
    for range in [Some(pool), sub_pool].into_iter().flatten() {
        if range != range.trunc() {
            let reason = format!("bits are set beyond the prefix; write {}", range.trunc());
            return Err(Error::Invalid { what: "range", resource: range.to_string(), reason });
        }
    }
    match sub_pool {
        Some(sub) if !pool.contains(&sub) => {
            let reason = format!("outside --subnet {pool}");
            Err(Error::Invalid { what: "range", resource: sub.to_string(), reason })
        }
        Some(sub) => Ok(sub),
        None => Ok(pool),
    }
}

/// An address with the range's prefix length.
pub(crate) fn on(address: Option<IpAddr>, cidr: IpNet) -> Option<IpNet> {
    address.and_then(|a| IpNet::new(a, cidr.prefix_len()).ok())
}

/// First usable address (IPv4), or the one that ends in 1 (IPv6); none where the range has no room for a router.
pub(crate) fn first_usable(cidr: IpNet) -> Option<IpNet> {
    if cidr.prefix_len() + 1 >= cidr.max_prefix_len() {
        return None;
    }
    let address = match cidr {
        IpNet::V4(net) => IpAddr::V4(Ipv4Addr::from(u32::from(net.network()) + 1)),
        IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from(u128::from(net.network()) + 1)),
    };
    on(Some(address), cidr)
}
