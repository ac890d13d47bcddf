//! `ovs`: the pair's host end is a port of an Open vSwitch bridge, known to Neutron's agent by its external ids.

use std::collections::BTreeMap;

use openstack::network::Port;

use super::bridge::named_bridge;
use super::{note, veth};
use crate::error::{LinkContext, SwitchContext};
use crate::host::{IFACE_ID, KURYR, MARK, OWNER, SwitchPort};
use crate::state::Plug;
use crate::{Error, Host, Result};

/// Name of the bridge: Neutron's, else the operator's.
pub(super) fn validate(port: &Port, integration_bridge: &str) -> Result<String> {
    Ok(named_bridge(port)?.unwrap_or_else(|| integration_bridge.to_owned()))
}

pub(super) async fn setup(host: &Host, plug: &Plug, endpoint: &str) -> Result<()> {
    let bridge = bridge_of(plug);
    // Asked first: with Open vSwitch down or the bridge missing nothing is made.
    let userspace = host.switch.is_userspace(bridge).await.on_switch("look up bridge", bridge)?;
    veth::setup(host, plug).await?;
    spare_checksums(host, plug, userspace).await?;
    add(host, plug, &plug.host, endpoint).await
}

/// In user space nobody completes a checksum that the kernel left to hardware.
pub(super) async fn spare_checksums(host: &Host, plug: &Plug, userspace: bool) -> Result<()> {
    if !userspace {
        return Ok(());
    }
    let link = &plug.container;
    host.links.set_tx_checksum_offload(link, false).await.on_link("switch checksum offload off on", link)
}

/// Adds `link` to the bridge as the plug's port.
pub(super) async fn add(host: &Host, plug: &Plug, link: &str, endpoint: &str) -> Result<()> {
    let port = SwitchPort {
        bridge: bridge_of(plug).to_owned(),
        name: link.to_owned(),
        external_ids: external_ids(plug, endpoint),
    };
    host.switch.ensure_port(&port).await.on_switch("add port", link)
}

fn external_ids(plug: &Plug, endpoint: &str) -> BTreeMap<String, String> {
    let ids = [
        (IFACE_ID, plug.port_id.clone()),
        ("iface-status", "active".to_owned()),
        ("attached-mac", plug.mac.to_string()),
        ("vm-uuid", endpoint.to_owned()),
        (OWNER, KURYR.to_owned()),
        (MARK, plug.mark()),
    ];
    ids.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) fn bridge_of(plug: &Plug) -> &str {
    plug.bridge.as_deref().unwrap_or_default()
}

pub(super) async fn teardown(host: &Host, plug: &Plug) -> Vec<Error> {
    let mut failures = Vec::new();
    note(&mut failures, remove(host, plug, &plug.host).await);
    note(&mut failures, veth::teardown(host, plug).await);
    failures
}

/// Removes `link` from the switch.
pub(super) async fn remove(host: &Host, plug: &Plug, link: &str) -> Result<()> {
    host.switch.delete_port(link, &plug.port_id).await.on_switch("remove port", link)
}
