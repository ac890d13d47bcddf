//! Networks of a Docker swarm: one Neutron subnet for the containers of many hosts.
//!
//! A manager calls in the global address space and only *reserves*: [`pools`] gets or makes network and subnet,
//! [`networks`] ties them to Swarm's id, [`reservations`] makes an unbound port for each address. A node calls in the
//! local address space and only *adopts*: [`nodes`] finds the subnet and takes the port. Neither keeps anything that
//! the other could not find in Neutron: [`holders`] says by two tags on the port who still needs it.

mod calls;
mod free;
mod holders;
mod make;
mod networks;
mod nodes;
pub(crate) mod orphans;
mod place;
mod pools;
mod reservations;
mod sweep;

use ipnet::IpNet;
use openstack::network::{Port, Subnet};
use serde::{Deserialize, Serialize};

pub(crate) use place::{Place, Places, nodes_id, of_nodes_id};
pub(crate) use reservations::ReservationRow;

use crate::{Error, Result};

/// `device_owner` of a port that only holds an address.
pub(crate) const RESERVATION: &str = "kuryr:swarm";
/// Tag of a subnet that a swarm network uses.
pub(crate) const SUBNET: &str = "kuryr.swarm";
/// Start of the tag of such a subnet that says which one.
const SUBNET_OF: &str = "kuryr.swarm:";
/// Start of the tag of a network made for a range.
const RANGE: &str = "kuryr.pool:";
/// Start of the journal key of what a manager is making or removing.
pub(crate) const MANAGED: &str = "global-";

/// Whose a record of a network is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// A Docker network of this host alone.
    #[default]
    Local,
    /// What a manager makes, has made and not allocated yet, or removes.
    Manager,
    /// A swarm network on a node: nothing in Neutron is ours to change but ports.
    Node,
}

/// The tag that says which swarm network uses a subnet.
fn subnet_tag(swarm: &str) -> String {
    format!("{SUBNET_OF}{swarm}")
}

/// The tag of a network made for a range; a slash would not fit into a path.
fn range_tag(range: IpNet) -> String {
    format!("{RANGE}{}", range.to_string().replace('/', "-"))
}

/// The swarm networks that use a subnet.
fn users(subnet: &Subnet) -> impl Iterator<Item = &str> {
    subnet.tags.iter().filter_map(|tag| tag.strip_prefix(SUBNET_OF))
}

/// Start of the record in the mark of what a manager made.
const RECORD: &str = "swarm-";

/// A mark for what a manager makes: whoever manages the swarm later recognises it by that.
fn fresh_mark(marks: &crate::marks::Marks) -> String {
    marks.of(&format!("{RECORD}{}", uuid::Uuid::new_v4().simple()))
}

/// Whether some manager made the network or subnet with this description.
fn is_made(description: &str) -> bool {
    crate::marks::mark_in(description).is_some_and(|mark| mark.starts_with(RECORD))
}

/// Whether the tags are those of a network that a swarm network uses.
pub(crate) fn is_allocated(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag.starts_with(RANGE))
        && tags.iter().any(|tag| tag.starts_with(crate::names::TAG_LOWER))
}

/// Before the mark in the description of a reservation.
const ADDRESS: &str = "address of a swarm, ";

/// The description of a reservation.
fn description(marks: &crate::marks::Marks, record: &str) -> String {
    format!("{ADDRESS}{}", marks.port_description(record))
}

/// Whether a port is a reservation of some swarm network, whoever made it and whether or not a container has it.
pub(crate) fn is_reservation(port: &Port) -> bool {
    is_described(&port.device_owner, &port.description)
}

/// The same by the two attributes that tell it.
pub(crate) fn is_described(device_owner: &str, description: &str) -> bool {
    matches!(device_owner, RESERVATION | crate::names::DEVICE_OWNER)
        && description.strip_prefix(ADDRESS).and_then(crate::marks::mark_in).is_some()
}

/// Swarm names no family and mixes both up: an IPv6 range would get tasks IPv4 addresses on it and the reverse.
fn refuse_v6(range: IpNet) -> Result<()> {
    if matches!(range, IpNet::V4(_)) {
        return Ok(());
    }
    let reason = "swarm networks have IPv4 only: Swarm itself gives each task one address of a family by chance; \
                  drop --ipv6 and this --subnet, or use capability_scope = local with --config-from, see docs/swarm.md"
        .to_owned();
    Err(Error::Invalid { what: "range", resource: range.to_string(), reason })
}
