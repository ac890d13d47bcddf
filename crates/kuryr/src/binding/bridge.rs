//! `bridge`: the pair's host end under the network's Linux bridge, which agent and containers share.

use openstack::network::Port;

use super::{note, veth};
use crate::error::LinkContext;
use crate::state::Plug;
use crate::{Error, Host, Result, names};

/// Name of the bridge: Neutron's, else the one its agent would choose.
pub(super) fn validate(port: &Port) -> Result<String> {
    Ok(named_bridge(port)?.unwrap_or_else(|| names::bridge(&port.network_id)))
}

/// What `vif_details` calls the bridge, if it does.
pub(super) fn named_bridge(port: &Port) -> Result<Option<String>> {
    let Some(name) = port.vif_details.get("bridge_name").and_then(|name| name.as_str()) else {
        return Ok(None);
    };
    if name.is_empty() {
        return Ok(None);
    }
    if names::is_link_name(name) {
        return Ok(Some(name.to_owned()));
    }
    let name: String = name.chars().take(40).collect();
    let reason = format!("Neutron names the bridge `{name}`, which the kernel does not take");
    Err(Error::Conflict { what: "port", resource: port.id.clone(), reason })
}

pub(super) async fn setup(host: &Host, plug: &Plug, bridge: &str) -> Result<()> {
    veth::setup(host, plug).await?;
    host.links.ensure_bridge(bridge, plug.mtu, None).await.on_link("make bridge", bridge)?;
    host.links.set_master(&plug.host, Some(bridge)).await.on_link("put under its bridge", &plug.host)
}

/// The bridge stays: it is the agent's to remove.
pub(super) async fn teardown(host: &Host, plug: &Plug) -> Vec<Error> {
    let mut failures = Vec::new();
    note(&mut failures, veth::teardown(host, plug).await);
    failures
}
