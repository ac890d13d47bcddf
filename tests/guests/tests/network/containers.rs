//! Containers inside guests, each with its own Neutron port.

use anyhow::{Context, Result, ensure};
use guests::{
    Binding, Container, Instance, Network, Neutron, Pair, Wiring, ping, tcp_opens, text, udp_opens,
};
use serde_json::Value;
use testkit::World;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    (
        "containers_on_subports_of_two_guests_reach_each_other",
        Wiring::Trunk,
        containers_on_subports_of_two_guests_reach_each_other,
    ),
    (
        "containers_on_macvlan_links_of_two_guests_reach_each_other",
        Wiring::Plain,
        containers_on_macvlan_links_of_two_guests_reach_each_other,
    ),
    (
        "containers_on_ipvlan_links_of_two_guests_reach_each_other",
        Wiring::Plain,
        containers_on_ipvlan_links_of_two_guests_reach_each_other,
    ),
    ("a_crash_of_the_plugin_costs_no_container_its_subport", Wiring::Trunk, a_crash_of_the_plugin),
    ("a_container_starts_again_after_its_guest_was_killed", Wiring::Trunk, a_guest_is_killed),
];

/// Of the Docker network in each guest.
const NAME: &str = "shared";

fn containers_on_subports_of_two_guests_reach_each_other(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let neutron = Neutron::of(world);
    // Two networks: the same machine carries both, and they stay apart.
    let (red, blue) =
        (Network::make(&neutron, "red", "10.93.0.0/24")?, Network::make(&neutron, "blue", "10.94.0.0/24")?);
    let (one, two) = (&pair.one, &pair.two);
    for instance in [one, two] {
        join(instance, "red", &red, "10.93.0.0/24")?;
        join(instance, "blue", &blue, "10.94.0.0/24")?;
    }
    let a = one.run("ca", &["--network", "red"])?;
    let b = two.run("cb", &["--network", "red"])?;
    let c = two.run("cc", &["--network", "blue"])?;
    let (to_a, to_b) = (one.container_address("ca", "red")?, two.container_address("cb", "red")?);
    reach((&a, &to_a), (&b, &to_b))?;
    for (instance, address, network) in [(one, &to_a, &red), (two, &to_b, &red)] {
        let port = port_of(&neutron, network, address)?;
        ensure!(text(&port, "/status") == "ACTIVE", "{port}");
        let trunk = instance.cards[0].trunk.as_deref().context("a card without a trunk")?;
        let subports = neutron.show("trunk", "trunks", trunk)?["sub_ports"].clone();
        let ids: Vec<&str> = subports.as_array().into_iter().flatten().map(|s| text(s, "/port_id")).collect();
        ensure!(ids.contains(&text(&port, "/id")), "{} is no subport: {subports}", text(&port, "/id"));
    }
    ensure!(!c.spot.run(&["ping", "-c2", "-i0.2", "-W1", &to_a])?.0, "another network's container answers");
    for (instance, name) in [(one, "ca"), (two, "cb"), (two, "cc")] {
        instance.remove(name)?;
    }
    for instance in [one, two] {
        instance.remove_network("red")?;
        instance.remove_network("blue")?;
    }
    Ok(())
}

fn containers_on_macvlan_links_of_two_guests_reach_each_other(world: &World, pair: &mut Pair) -> Result<()> {
    on_shared_links(world, pair, Binding::Macvlan)
}

fn containers_on_ipvlan_links_of_two_guests_reach_each_other(world: &World, pair: &mut Pair) -> Result<()> {
    on_shared_links(world, pair, Binding::Ipvlan)
}

/// The containers share the machine's port, so they are on its network.
fn on_shared_links(world: &World, pair: &mut Pair, binding: Binding) -> Result<()> {
    pair.serve(Some(binding))?;
    let neutron = Neutron::of(world);
    let (one, two, network) = (&pair.one, &pair.two, &pair.network);
    for instance in [one, two] {
        join(instance, NAME, network, guests::RANGE)?;
    }
    let a = one.run("ca", &["--network", NAME])?;
    let b = two.run("cb", &["--network", NAME])?;
    let c = one.run("cc", &["--network", NAME])?;
    let to_a = one.container_address("ca", NAME)?;
    let (to_b, to_c) = (two.container_address("cb", NAME)?, one.container_address("cc", NAME)?);
    reach((&a, &to_a), (&b, &to_b))?;
    reach((&a, &to_a), (&c, &to_c)).context("in the same guest")?;
    ping(&b.spot, one.address()).context("a container and the other guest itself")?;
    let machine = neutron.show("port", "ports", &one.cards[0].port.id)?;
    let pairs = machine["allowed_address_pairs"].to_string();
    ensure!(pairs.contains(&to_a) && pairs.contains(&to_c), "{pairs}");
    for (instance, name) in [(one, "ca"), (two, "cb"), (one, "cc")] {
        instance.remove(name)?;
    }
    one.remove_network(NAME)?;
    two.remove_network(NAME)
}

fn a_crash_of_the_plugin(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let network = Network::make(&Neutron::of(world), NAME, "10.95.0.0/24")?;
    for instance in [&pair.one, &pair.two] {
        join(instance, NAME, &network, "10.95.0.0/24")?;
    }
    pair.one.run("ca", &["--network", NAME])?;
    pair.one.kill_plugin();
    pair.two.kill_plugin();
    pair.one.start_plugin()?;
    pair.two.start_plugin()?;
    pair.two.run("cb", &["--network", NAME])?;
    let (a, b) = (pair.one.container("ca")?, pair.two.container("cb")?);
    let to_a = pair.one.container_address("ca", NAME)?;
    reach((&a, &to_a), (&b, &pair.two.container_address("cb", NAME)?))?;
    for (instance, name) in [(&pair.one, "ca"), (&pair.two, "cb")] {
        instance.remove(name)?;
        instance.remove_network(NAME)?;
    }
    Ok(())
}

fn a_guest_is_killed(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let network = Network::make(&Neutron::of(world), NAME, "10.96.0.0/24")?;
    for instance in [&pair.one, &pair.two] {
        join(instance, NAME, &network, "10.96.0.0/24")?;
    }
    pair.one.run("ca", &["--network", NAME])?;
    pair.two.run("cb", &["--network", NAME])?;
    pair.one.guest.must(&["sync"])?;
    pair.one.guest.kill();
    pair.one.guest.boot()?;
    pair.one.serve(Some(Binding::Vlan))?;
    pair.one.docker(&["start", "ca"])?;
    let (a, b) = (pair.one.container("ca")?, pair.two.container("cb")?);
    let to_a = pair.one.container_address("ca", NAME)?;
    reach((&a, &to_a), (&b, &pair.two.container_address("cb", NAME)?))?;
    for (instance, name) in [(&pair.one, "ca"), (&pair.two, "cb")] {
        instance.remove(name)?;
        instance.remove_network(NAME)?;
    }
    Ok(())
}

/// Makes a Docker network of an existing Neutron network.
pub(crate) fn join(instance: &Instance, name: &str, network: &Network, range: &str) -> Result<()> {
    let id = format!("neutron.net.uuid={}", network.id);
    instance.create_network(name, &["--subnet", range, "--opt", &id]).map(drop)
}

/// Fails unless two containers reach each other's addresses by ping, TCP and UDP, in both directions.
fn reach(one: (&Container<'_>, &str), two: (&Container<'_>, &str)) -> Result<()> {
    for ((from, _), (to, address)) in [(one, two), (two, one)] {
        ping(&from.spot, address)?;
        ensure!(tcp_opens(&from.spot, &to.spot, address, 7777)?, "TCP to {address} does not pass");
        ensure!(udp_opens(&from.spot, &to.spot, address, 7777)?, "UDP to {address} does not pass");
    }
    Ok(())
}

/// The port with that address.
fn port_of(neutron: &Neutron, network: &Network, address: &str) -> Result<Value> {
    let filter = format!("network_id={}&fixed_ips=ip_address%3D{address}", network.id);
    let ports = neutron.list("ports", &filter)?;
    ports.into_iter().next().with_context(|| format!("there is no port with {address}"))
}
