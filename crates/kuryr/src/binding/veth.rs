//! A veth pair: one end on this host, under Neutron's bridge where it has one, the other for the container.
//!
//! No address is put on either end: Docker sets address, MAC and routes once the link is in the container.

use openstack::network::Port;

use crate::error::LinkContext;
use crate::names;
use crate::state::Plug;
use crate::{Error, HostLinks, Result};

/// Longest name the kernel takes for a link, in bytes.
const NAME_MAX: usize = 15;

pub(super) fn validate(port: &Port, mtu: u32) -> Result<Plug> {
    let bridge = match port.vif_type.as_deref() {
        Some("bridge") => {
            let named = port.vif_details.get("bridge_name").and_then(|name| name.as_str());
            let name = named.map_or_else(|| names::bridge(&port.network_id), str::to_owned);
            let fits = !name.is_empty()
                && name.len() <= NAME_MAX
                && name != "."
                && name != ".."
                && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
            if !fits {
                let reason = format!("Neutron names the bridge `{name}`, which the kernel does not take");
                return Err(Error::Conflict { what: "port", resource: port.id.clone(), reason });
            }
            Some(name)
        }
        _ => None,
    };
    Ok(Plug {
        host: names::host_link(&port.id),
        container: names::container_link(&port.id),
        port_id: port.id.clone(),
        bridge,
        mac: port.mac_address,
        mtu,
    })
}

pub(super) async fn setup(links: &dyn HostLinks, plug: &Plug) -> Result<()> {
    let Plug { host, container, bridge, mac, mtu, .. } = plug;
    links.ensure_veth(host, container, *mac, *mtu).await.on_link("make veth", host)?;
    if let Some(bridge) = bridge {
        links.ensure_bridge(bridge, *mtu).await.on_link("make bridge", bridge)?;
        links.set_up(bridge, true).await.on_link("bring up", bridge)?;
        links.set_master(host, Some(bridge)).await.on_link("put under its bridge", host)?;
    }
    links.set_up(host, true).await.on_link("bring up", host)
}

/// Removes both ends; a failure on one does not keep the other.
pub(super) async fn teardown(links: &dyn HostLinks, plug: &Plug) -> Vec<Error> {
    let mut failures = Vec::new();
    for link in [&plug.host, &plug.container] {
        if let Err(error) = links.delete_link(link).await.on_link("remove", link) {
            failures.push(error);
        }
    }
    failures
}
