//! What this host reaches without a router.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::socket::Subject;
use crate::{Links, Result};

/// A prefix on one of the host's own links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlinkRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// The link's name.
    pub device: String,
}

impl Links {
    /// The prefixes of the main table that lie on a link other than loopback, both families. Default routes and
    /// IPv6 link-local and multicast prefixes are not among them.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`], [`crate::Error::NoAnswer`].
    pub async fn onlink_routes(&self) -> Result<Vec<OnlinkRoute>> {
        let names: HashMap<u32, String> = self
            .links()
            .await?
            .into_iter()
            .filter(|link| !link.loopback)
            .map(|link| (link.index, link.name))
            .collect();
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            let on = Subject::new("listing routes", "(all)");
            for reply in self.dump(on, RouteNetlinkMessage::GetRoute(request)).await? {
                if let RouteNetlinkMessage::NewRoute(route) = reply
                    && let Some((prefix, index)) = onlink(&route)
                    && let Some(device) = names.get(&index)
                {
                    routes.push(OnlinkRoute { prefix, device: device.clone() });
                }
            }
        }
        Ok(routes)
    }
}

fn onlink(route: &RouteMessage) -> Option<(IpNet, u32)> {
    let header = &route.header;
    let mut table = u32::from(header.table);
    let (mut destination, mut device) = (None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                destination = Some(IpAddr::V4(*address))
            }
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                destination = Some(IpAddr::V6(*address))
            }
            RouteAttribute::Oif(index) => device = Some(*index),
            // Through a router. IPv6 routes all have the same scope, so this is the mark for both families.
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_) => {
                return None;
            }
            _ => {}
        }
    }
    if header.kind != RouteType::Unicast || table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return None;
    }
    let prefix = IpNet::new(destination?, header.destination_prefix_length).ok()?;
    if prefix.prefix_len() == 0 || is_special(&prefix) {
        return None;
    }
    Some((prefix, device?))
}

fn is_special(prefix: &IpNet) -> bool {
    match prefix.addr() {
        IpAddr::V4(address) => address == Ipv4Addr::UNSPECIFIED || address.is_multicast(),
        IpAddr::V6(address) => {
            address == Ipv6Addr::UNSPECIFIED || address.is_multicast() || address.is_unicast_link_local()
        }
    }
}
