//! A veth pair: one end stays on this host, the other is for the container. Most drivers begin with it.
//!
//! No address is put on either end: Docker sets address and routes once the link is in the container.

use crate::error::LinkContext;
use crate::host::VethPair;
use crate::state::Plug;
use crate::{Host, Result};

/// The port's MAC on the container's end, the network's MTU on both.
pub(super) async fn setup(host: &Host, plug: &Plug) -> Result<()> {
    let pair = VethPair {
        host: plug.host.clone(),
        peer: plug.container.clone(),
        mac: Some(plug.mac),
        mtu: plug.mtu,
        mark: plug.mark(),
    };
    host.links.ensure_veth(&pair).await.on_link("make veth", &plug.host)?;
    host.links.set_up(&plug.host, true).await.on_link("bring up", &plug.host)
}

/// Removes both ends.
pub(super) async fn teardown(host: &Host, plug: &Plug) -> Result<()> {
    let removed = host.links.delete_veth(&plug.host, &plug.container, &plug.mark()).await;
    removed.on_link("remove", &plug.host)
}
