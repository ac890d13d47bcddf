//! What tags and names prove.

use openstack::network::{Network, Port, Subnet, SubnetPool};

use crate::names;

/// Start of the description of everything we make.
const MADE: &str = "made by kuryr, mark ";
/// Tag of a user's subnet pool while the Python driver uses it.
pub(super) const POOL_EXISTING: &str = "kuryr.subnetpool.existing";
const LOWER: &str = "kuryr.net.uuid.lh:";
const EXISTING: &str = "kuryr.net.existing:";

pub(super) fn has_all(tags: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|tag| tags.contains(tag))
}

/// Whether a Neutron network exists only for that Docker network: made under its name, used by no other, and with no
/// subnet of a stranger.
pub(super) fn is_made_for(network: &Network, docker: &str, subnets: &[Subnet]) -> bool {
    let named = network.name == names::network_name(docker) || network.description.starts_with(MADE);
    let adopted = network.tags.iter().any(|tag| tag.starts_with(EXISTING));
    named && !adopted && !has_other_users(network, docker) && subnets.iter().all(is_named)
}

/// Whether the tags name another Docker network, of this host or another.
pub(super) fn has_other_users(network: &Network, docker: &str) -> bool {
    let ours = names::network_tags(docker, true);
    let ids = |tag: &&String| tag.starts_with(LOWER) || tag.starts_with(EXISTING);
    network.tags.iter().filter(ids).any(|tag| !ours.contains(tag))
}

/// Whether a subnet carries the name of one made for Docker; anybody can give that.
fn is_named(subnet: &Subnet) -> bool {
    subnet.name == names::subnet_name(subnet.cidr.trunc()) || subnet.description.starts_with(MADE)
}

/// Whether a subnet on somebody's network was made for Docker: besides the name, our description, or a pool that was
/// recorded as its tag.
pub(super) fn is_made_subnet(subnet: &Subnet) -> bool {
    let recorded = subnet.subnetpool_id.as_ref().is_some_and(|pool| subnet.tags.contains(pool));
    is_named(subnet) && (recorded || subnet.description.starts_with(MADE))
}

/// The UUIDs among a subnet's tags: the pools Docker knows it by.
pub(super) fn pools_of(subnet: &Subnet) -> Vec<String> {
    let is_id =
        |tag: &&String| uuid::Uuid::try_parse(tag).is_ok_and(|id| id.hyphenated().to_string() == **tag);
    subnet.tags.iter().filter(is_id).cloned().collect()
}

/// Pools of ours a network names by its tags, with their subnets: as a tag tells no more than the family, there must be
/// one of each.
pub(super) fn own_pools(network: &Network, subnets: &[Subnet]) -> Vec<(String, Subnet)> {
    let mut pools = Vec::new();
    for v6 in [false, true] {
        let tag = names::pool_tag("", v6);
        let mut keys = network.tags.iter().filter_map(|t| t.strip_prefix(&tag));
        let mut family =
            subnets.iter().filter(|s| s.network_id == network.id && s.cidr.addr().is_ipv6() == v6);
        if let (Some(key), None, Some(subnet), None) =
            (keys.next(), keys.next(), family.next(), family.next())
        {
            pools.push((key.to_owned(), subnet.clone()));
        }
    }
    pools
}

/// Whether a subnet pool was made for exactly one range of Docker's.
pub(super) fn is_made_pool(pool: &SubnetPool, prefix: &str) -> bool {
    let first = pool.prefixes.first();
    let named = first.is_some_and(|cidr| pool.name == names::subnetpool_name(prefix, *cidr));
    let single = pool.prefixes.len() == 1 || pool.description.starts_with(MADE);
    named && single && !pool.tags.iter().any(|tag| tag == POOL_EXISTING)
}

/// What a port that an endpoint uses was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made for Docker: it goes with the endpoint.
    Made,
    /// A user's, to be given back.
    Adopted,
    /// Nothing says which.
    Unknown,
}

/// A port with both marks was a user's: to keep one too many harms less.
pub(super) fn origin_of(port: &Port) -> Origin {
    let has = |wanted: &str| port.tags.iter().any(|tag| tag == wanted);
    if has(names::PORT_EXISTING) {
        Origin::Adopted
    } else if has(names::PORT_OURS)
        || (port.device_owner == names::DEVICE_OWNER && port.name == names::port_name(&port.device_id))
    {
        Origin::Made
    } else {
        Origin::Unknown
    }
}
