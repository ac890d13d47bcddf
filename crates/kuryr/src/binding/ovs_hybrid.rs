//! `ovs` with a Linux bridge in between, on which an iptables firewall driver filters:
//! container - `tap` - bridge `qbr` - `qvb`=`qvo` - Open vSwitch.

use super::{note, ovs, veth};
use crate::error::{LinkContext, SwitchContext};
use crate::host::VethPair;
use crate::state::Plug;
use crate::{Error, Host, Result, names};

/// Names of the links between.
struct Between {
    bridge: String,
    bridge_end: String,
    switch_end: String,
    mark: String,
}

fn between(plug: &Plug) -> Between {
    Between {
        bridge: names::hybrid_link("qbr", &plug.port_id),
        bridge_end: names::hybrid_link("qvb", &plug.port_id),
        switch_end: names::hybrid_link("qvo", &plug.port_id),
        mark: plug.mark(),
    }
}

pub(super) async fn setup(host: &Host, plug: &Plug, endpoint: &str) -> Result<()> {
    let Between { bridge, bridge_end, switch_end, mark } = between(plug);
    let links = &host.links;
    let switch_bridge = ovs::bridge_of(plug);
    let userspace =
        host.switch.is_userspace(switch_bridge).await.on_switch("look up bridge", switch_bridge)?;
    veth::setup(host, plug).await?;
    ovs::spare_checksums(host, plug, userspace).await?;
    links.ensure_bridge(&bridge, plug.mtu, Some(&mark)).await.on_link("make bridge", &bridge)?;
    links.set_master(&plug.host, Some(&bridge)).await.on_link("put under its bridge", &plug.host)?;
    let pair = VethPair { host: switch_end, peer: bridge_end, mac: None, mtu: plug.mtu, mark };
    links.ensure_veth(&pair).await.on_link("make veth", &pair.host)?;
    links.set_master(&pair.peer, Some(&bridge)).await.on_link("put under its bridge", &pair.peer)?;
    ovs::add(host, plug, &pair.host, endpoint).await?;
    for end in [&pair.peer, &pair.host] {
        links.set_up(end, true).await.on_link("bring up", end)?;
    }
    Ok(())
}

pub(super) async fn teardown(host: &Host, plug: &Plug) -> Vec<Error> {
    let Between { bridge, bridge_end, switch_end, mark } = between(plug);
    let mut failures = Vec::new();
    note(&mut failures, ovs::remove(host, plug, &switch_end).await);
    let removed = host.links.delete_veth(&switch_end, &bridge_end, &mark).await;
    note(&mut failures, removed.on_link("remove", &switch_end));
    note(&mut failures, veth::teardown(host, plug).await);
    // Last: what is in it now is not ours.
    note(&mut failures, host.links.delete_bridge(&bridge, &mark).await.on_link("remove", &bridge));
    failures
}
