//! `vlan`: the container's port is a subport of this virtual machine's trunk, its link a VLAN of the machine's
//! interface. Neutron gives it security groups of its own.

use crate::error::LinkContext;
use crate::guest::{Guest, GuestSettings, Own};
use crate::host::{SubLink, SubLinkError, SubLinkKind};
use crate::state::{Driver, Plug, TrunkPlace};
use crate::{Error, Host, Result};

/// VLANs tried that somebody on this machine has, unknown to Neutron.
const TRIES: usize = 8;

pub(super) fn validate(settings: &GuestSettings, own: Own) -> Result<Driver> {
    let Some(trunk) = own.trunk else {
        let reason = "it has no trunk; see the log".to_owned();
        return Err(Error::Conflict { what: "this virtual machine's port", resource: own.port, reason });
    };
    Ok(Driver::Vlan(TrunkPlace { link: settings.link.clone(), trunk }))
}

pub(super) async fn setup(host: &Host, guest: &Guest, plug: &Plug, place: &TrunkPlace) -> Result<()> {
    let mut vlan = guest.trunks.attach(&place.trunk, &plug.port_id).await?;
    for _ in 0..TRIES {
        let link = SubLink {
            name: plug.container.clone(),
            parent: place.link.clone(),
            kind: SubLinkKind::Vlan { id: vlan },
            mac: Some(plug.mac),
            mtu: plug.mtu,
            mark: plug.mark(),
        };
        match host.links.ensure_sub_link(&link).await {
            Err(SubLinkError::VlanTaken(_)) => {
                tracing::warn!(
                    vlan,
                    link = place.link,
                    "somebody on this machine has this VLAN, taking another one"
                );
                guest.trunks.avoid(&place.trunk, vlan).await;
                guest.trunks.detach(&place.trunk, &plug.port_id).await?;
                vlan = guest.trunks.attach(&place.trunk, &plug.port_id).await?;
            }
            outcome => return outcome.on_link("make VLAN", &plug.container),
        }
    }
    let reason = format!("{TRIES} VLANs that are free in trunk {} are taken on it; remove them", place.trunk);
    Err(Error::Conflict { what: "interface", resource: place.link.clone(), reason })
}

/// The link first: once the port is out of the trunk its VLAN may become another container's.
pub(super) async fn teardown(
    host: &Host,
    guest: &Guest,
    plug: &Plug,
    place: &TrunkPlace,
    attached: bool,
) -> Vec<Error> {
    let mut failures = Vec::new();
    // Any VLAN: which one was chosen is not in the record.
    let kind = SubLinkKind::Vlan { id: 0 };
    let removed = host.links.delete_sub_link(&plug.container, &place.link, kind, &plug.mark()).await;
    super::note(&mut failures, removed.on_link("remove", &plug.container));
    if failures.is_empty() && !attached {
        super::note(&mut failures, guest.trunks.detach(&place.trunk, &plug.port_id).await);
    }
    failures
}
