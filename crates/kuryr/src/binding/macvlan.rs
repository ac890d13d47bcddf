//! `macvlan`: the container has a link with a MAC of its own on this virtual machine's interface; Neutron lets its
//! frames pass because the machine's port has its address and MAC as an allowed pair. The machine's security groups
//! decide, the container's port only keeps the address.

use openstack::MacAddr;
use openstack::network::{AddressPair, Port};

use super::note;
use crate::error::LinkContext;
use crate::guest::{Guest, GuestSettings, Own, pairs_for};
use crate::host::{MacvlanMode, SubLink, SubLinkKind};
use crate::state::{Driver, Plug, SharedPort};
use crate::{Error, Host, Result};

pub(super) async fn validate(
    guest: &Guest,
    settings: &GuestSettings,
    own: &Own,
    mode: MacvlanMode,
    port: &Port,
) -> Result<Driver> {
    let addresses: Vec<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
    let mac = if mode == MacvlanMode::Passthru { own.mac } else { port.mac_address };
    let place = share(guest, settings, own, port, pairs_for(&addresses, mac)).await?;
    Ok(Driver::Macvlan { mode, place })
}

/// The machine's port as the way out for a container's.
pub(super) async fn share(
    guest: &Guest,
    settings: &GuestSettings,
    own: &Own,
    port: &Port,
    pairs: Vec<AddressPair>,
) -> Result<SharedPort> {
    if port.network_id != own.network {
        let reason = format!(
            "it is on network {}, but what [binding] driver = {} sends comes out on this virtual machine's network {}; \
             use that network, or driver = vlan",
            port.network_id,
            settings.mode.name(),
            own.network
        );
        return Err(Error::Conflict { what: "port", resource: port.id.clone(), reason });
    }
    let ours = guest.pairs.ours(&own.port, &pairs).await?;
    Ok(SharedPort { link: settings.link.clone(), port: own.port.clone(), pairs, ours })
}

pub(super) async fn setup(
    host: &Host,
    guest: &Guest,
    plug: &Plug,
    mode: MacvlanMode,
    place: &SharedPort,
) -> Result<()> {
    admit(guest, plug, place).await?;
    // The one link in this mode takes the interface with its MAC.
    let mac = Some(plug.mac).filter(|_| mode != MacvlanMode::Passthru);
    let link = link(plug, place, SubLinkKind::Macvlan { mode }, mac);
    host.links.ensure_sub_link(&link).await.on_link("make macvlan", &plug.container)
}

/// Lets the container's address pass.
pub(super) async fn admit(guest: &Guest, plug: &Plug, place: &SharedPort) -> Result<()> {
    guest.pairs.add(&place.port, &place.pairs, &place.ours, &plug.port_id).await
}

pub(super) fn link(plug: &Plug, place: &SharedPort, kind: SubLinkKind, mac: Option<MacAddr>) -> SubLink {
    SubLink {
        name: plug.container.clone(),
        parent: place.link.clone(),
        kind,
        mac,
        mtu: plug.mtu,
        mark: plug.mark(),
    }
}

pub(super) async fn teardown(
    host: &Host,
    guest: &Guest,
    plug: &Plug,
    kind: SubLinkKind,
    place: &SharedPort,
) -> Vec<Error> {
    let mut failures = Vec::new();
    let removed = host.links.delete_sub_link(&plug.container, &place.link, kind, &plug.mark()).await;
    note(&mut failures, removed.on_link("remove", &plug.container));
    note(&mut failures, guest.pairs.remove(&place.port, &place.ours, &plug.port_id).await);
    failures
}
