//! `ipvlan`: the container has a link that shares the MAC of this virtual machine's interface, which tells containers
//! apart by their addresses. The machine's port has an allowed pair for each of them, or one for a whole subnet.
//!
//! In mode `l2` containers ask for their neighbours themselves. In `l3` and `l3s` the machine routes for them: nothing
//! answers for their addresses on the network, so whoever is to reach them needs a route by way of the machine.

use ipnet::IpNet;
use openstack::network::Port;

use super::macvlan;
use crate::error::LinkContext;
use crate::guest::{Guest, GuestSettings, Own, pairs_for};
use crate::host::{IpvlanFlag, IpvlanMode, SubLinkKind};
use crate::state::{Driver, Plug, SharedPort, SubnetRow};
use crate::{Error, Host, Result};

/// Mode and flag.
type Kind = (IpvlanMode, IpvlanFlag);

pub(super) async fn validate(
    guest: &Guest,
    settings: &GuestSettings,
    own: &Own,
    (mode, flag): Kind,
    port: &Port,
    subnets: &[SubnetRow],
) -> Result<Driver> {
    let range = |id: &str| -> Option<IpNet> {
        subnets
            .iter()
            .find(|s| s.id.as_deref() == Some(id))
            .and_then(|s| s.cidr)
            .filter(|_| settings.pairs_by_subnet)
    };
    let mut addresses: Vec<String> = Vec::new();
    for ip in &port.fixed_ips {
        let address =
            range(&ip.subnet_id).map_or_else(|| ip.ip_address.to_string(), |range| range.to_string());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let place = macvlan::share(guest, settings, own, port, pairs_for(&addresses, own.mac)).await?;
    Ok(Driver::Ipvlan { mode, flag, place })
}

pub(super) async fn setup(
    host: &Host,
    guest: &Guest,
    plug: &Plug,
    kind: Kind,
    place: &SharedPort,
) -> Result<()> {
    macvlan::admit(guest, plug, place).await?;
    let link = macvlan::link(plug, place, sub_link(kind), None);
    host.links.ensure_sub_link(&link).await.on_link("make ipvlan", &plug.container)
}

fn sub_link((mode, flag): Kind) -> SubLinkKind {
    SubLinkKind::Ipvlan { mode, flag }
}

pub(super) async fn teardown(
    host: &Host,
    guest: &Guest,
    plug: &Plug,
    kind: Kind,
    place: &SharedPort,
) -> Vec<Error> {
    macvlan::teardown(host, guest, plug, sub_link(kind), place).await
}
