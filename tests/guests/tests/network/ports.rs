//! Ports of guests on the real Neutron.

use anyhow::{Context, Result, ensure};
use guests::{Network, Neutron, Pair, Port, Wiring, ping, ping_stops, tcp_opens, udp_opens};
use serde_json::json;
use testkit::World;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    (
        "two_guests_reach_each_other_through_their_neutron_ports",
        Wiring::Plain,
        two_guests_reach_each_other_through_their_neutron_ports,
    ),
    (
        "a_trunk_subport_reaches_the_network_of_its_vlan",
        Wiring::Trunk,
        a_trunk_subport_reaches_the_network_of_its_vlan,
    ),
];

fn two_guests_reach_each_other_through_their_neutron_ports(world: &World, pair: &mut Pair) -> Result<()> {
    let (one, two) = (&pair.one, &pair.two);
    ping(&one.spot(), two.address())?;
    ping(&two.spot(), one.address())?;
    ensure!(tcp_opens(&one.spot(), &two.spot(), two.address(), 7777)?, "TCP does not pass");
    ensure!(udp_opens(&two.spot(), &one.spot(), one.address(), 7777)?, "UDP does not pass");
    // It is Neutron that lets them: without the group nobody comes in any more.
    let (neutron, port) = (Neutron::of(world), &two.cards[0].port.id);
    let groups = neutron.show("port", "ports", port)?["security_groups"].clone();
    neutron.update("port", "ports", port, &json!({"security_groups": []}))?;
    let closed = ping_stops(&one.spot(), two.address());
    neutron.update("port", "ports", port, &json!({"security_groups": groups}))?;
    ensure!(closed?, "a port in no group still answers");
    ping(&one.spot(), two.address())
}

fn a_trunk_subport_reaches_the_network_of_its_vlan(world: &World, pair: &mut Pair) -> Result<()> {
    let neutron = Neutron::of(world);
    ping(&pair.one.spot(), pair.two.address()).context("untagged, as the parent")?;
    let network = Network::make(&neutron, "subports", "10.89.0.0/24")?;
    let mut ends = Vec::new();
    // The numbers mean something to the trunk only.
    for (instance, vlan) in [(&pair.one, 101), (&pair.two, 102)] {
        let port = Port::make(&neutron, &network, instance.name())?;
        let trunk = instance.cards[0].trunk.as_deref().context("a card without a trunk")?;
        let added = json!([{"port_id": port.id, "segmentation_type": "vlan", "segmentation_id": vlan}]);
        neutron.act(&format!("trunks/{trunk}/add_subports"), json!({"sub_ports": added}))?;
        let (link, id) = (format!("eth0.{vlan}"), vlan.to_string());
        for command in [
            &["ip", "link", "add", "link", "eth0", "name", &link, "type", "vlan", "id", &id][..],
            &["ip", "link", "set", &link, "address", &port.mac, "up"],
            &["ip", "address", "add", &port.interface(), "dev", &link],
        ] {
            instance.guest.must(command)?;
        }
        neutron.await_active("port", "ports", &port.id)?;
        ends.push((instance, trunk.to_owned(), link, port));
    }
    let (here, there) = (&ends[0].3, &ends[1].3);
    ping(&pair.one.spot(), &there.address).context("through the trunk")?;
    ping(&pair.two.spot(), &here.address).context("through the trunk and back")?;
    let (one, two) = (pair.one.spot(), pair.two.spot());
    ensure!(tcp_opens(&one, &two, &there.address, 7778)?, "TCP does not pass");
    ensure!(udp_opens(&two, &one, &here.address, 7778)?, "UDP does not pass");
    // Without the subport the link is one to nowhere.
    let removed = json!({"sub_ports": [{"port_id": there.id}]});
    neutron.act(&format!("trunks/{}/remove_subports", ends[1].1), removed)?;
    ensure!(ping_stops(&one, &there.address)?, "a removed subport still answers");
    let removed = json!({"sub_ports": [{"port_id": here.id}]});
    neutron.act(&format!("trunks/{}/remove_subports", ends[0].1), removed)?;
    // Neutron leaves them bound and `trunk:subport`; deleting them is all that is due here.
    for (instance, _, link, _) in &ends {
        instance.guest.must(&["ip", "link", "delete", link])?;
    }
    drop(ends);
    Ok(())
}
