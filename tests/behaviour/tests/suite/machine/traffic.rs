//! What passes between a machine's containers and others on its network.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Inside, MachineOptions, NIC, Neighbour, World, tcp_closes, tcp_opens, udp_closes, udp_opens};

use super::{FOO, in_machine, on_macvlan, pair_of, port_of};
use crate::Case;
use crate::networks::{list, text};
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("a_container_of_a_machine_is_on_the_network_by_a_pair_of_the_machines_port", neighbour),
    ("containers_of_a_machine_reach_each_other", bridge),
    ("containers_of_a_machine_in_private_mode_reach_others_and_not_each_other", private),
    ("a_container_of_a_machine_has_both_families_by_two_pairs", both_families),
];

/// Both ways, all protocols. The first answer waits until the switch knows both.
fn talks(world: &World, container: &str, neighbour: &Neighbour) -> Result<()> {
    let inside = world.inside(container)?;
    for address in &neighbour.addresses {
        world.ping(container, &address.to_string())?;
        ensure!(tcp_opens(&inside, &neighbour.inside, *address, 8080)?, "no TCP to {address}");
        ensure!(udp_opens(&inside, &neighbour.inside, *address, 8080)?, "no UDP to {address}");
    }
    let own = world.address(container, "foo")?;
    ensure!(tcp_opens(&neighbour.inside, &inside, own, 8080)?, "no TCP from the neighbour");
    ensure!(udp_opens(&neighbour.inside, &inside, own, 8080)?, "no UDP from the neighbour");
    Ok(())
}

fn neighbour(world: &mut World) -> Result<()> {
    on_macvlan(world, |world| {
        let neighbour = world.machines_neighbour()?;
        let one = world.run("one", &["--network", "foo"])?;
        let port = port_of(world, "one")?;
        // No agent knows the machine, so nobody binds it; it keeps the address.
        ensure!(text(&port, "device_owner") == "compute:kuryr", "{port}");
        ensure!(text(&port, "binding:host_id").is_empty() && text(&port, "id") != world.machine()?.port);
        ensure!(world.machines_pairs()? == [pair_of(&port)], "{:?}", world.machines_pairs()?);
        let link = world.docker(&["exec", "one", "ip", "link", "show", "eth0"])?;
        ensure!(link.contains(text(&port, "mac_address")) && link.contains(&mtu(world)?), "{link}");
        talks(world, "one", &neighbour)?;

        // It is the pair that lets it.
        let path = format!("/networking/v2.0/ports/{}", world.machine()?.port);
        let set =
            |pairs| world.cloud.api("PUT", &path, Some(json!({"port": {"allowed_address_pairs": pairs}})));
        let kept = world.cloud.api("GET", &path, None)?["port"]["allowed_address_pairs"].take();
        set(json!([]))?;
        let there = neighbour.addresses[0];
        ensure!(tcp_closes(&one, &neighbour.inside, there, 8080)?, "TCP passes without the pair");
        ensure!(udp_closes(&one, &neighbour.inside, there, 8080)?, "UDP passes without the pair");
        set(kept)?;
        talks(world, "one", &neighbour)?;

        let id = text(&port, "id");
        world.docker(&["stop", "--time", "0", "one"])?;
        ensure!(world.machines_pairs()?.is_empty(), "{:?}", world.machines_pairs()?);
        ensure!(list(world, "ports", &format!("id={id}"))?.is_empty(), "the port outlived its container");
        let links = world.inside_host("ip", &["-brief", "link"])?;
        ensure!(links.contains(NIC) && !links.contains("t_c"), "{links}");
        world.docker(&["start", "one"])?;
        talks(world, "one", &neighbour)?;
        world.remove("one")
    })
}

/// As `ip link` shows what the machine's network carries.
fn mtu(world: &World) -> Result<String> {
    let networks = list(world, "networks", &format!("id={}", world.machine()?.network))?;
    Ok(format!("mtu {} ", networks[0]["mtu"]))
}

fn two(world: &World) -> Result<(Inside, Inside)> {
    Ok((world.run("one", &["--network", "foo"])?, world.run("two", &["--network", "foo"])?))
}

fn bridge(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let (one, two) = two(world)?;
        let there = world.address("two", "foo")?;
        world.ping("one", &there.to_string())?;
        ensure!(tcp_opens(&one, &two, there, 8080)? && udp_opens(&one, &two, there, 8080)?);
        for container in ["one", "two"] {
            world.remove(container)?;
        }
        Ok(())
    })
}

fn private(world: &mut World) -> Result<()> {
    once(world)?;
    let options = MachineOptions { binding: "macvlan_mode = private", ..MachineOptions::new("macvlan") };
    in_machine(world, &options, |world| {
        world.create_network("foo", &FOO)?;
        let neighbour = world.machines_neighbour()?;
        let (one, two) = two(world)?;
        // Both are on the network, so that nothing else keeps them apart.
        talks(world, "one", &neighbour)?;
        talks(world, "two", &neighbour)?;
        let there = world.address("two", "foo")?;
        ensure!(tcp_closes(&one, &two, there, 8080)? && udp_closes(&one, &two, there, 8080)?);
        for container in ["one", "two"] {
            world.remove(container)?;
        }
        world.remove_network("foo")
    })
}

fn both_families(world: &mut World) -> Result<()> {
    let options = MachineOptions { ranges: &["10.70.0.0/24", "fd70::/64"], ..MachineOptions::new("macvlan") };
    in_machine(world, &options, |world| {
        world.create_network("foo", &["--ipv6", "--subnet", "10.70.0.0/24", "--subnet", "fd70::/64"])?;
        let neighbour = world.machines_neighbour()?;
        ensure!(neighbour.addresses.len() == 2, "{neighbour:?}");
        world.run("one", &["--network", "foo"])?;
        let port = port_of(world, "one")?;
        let mac = text(&port, "mac_address").to_owned();
        let addresses = port["fixed_ips"].as_array().cloned().unwrap_or_default();
        let mut wanted: Vec<_> =
            addresses.iter().map(|ip| (text(ip, "ip_address").to_owned(), mac.clone())).collect();
        let mut pairs = world.machines_pairs()?;
        wanted.sort();
        pairs.sort();
        ensure!(wanted.len() == 2 && pairs == wanted, "{wanted:?} {pairs:?}");
        talks(world, "one", &neighbour)?;
        world.remove("one")?;
        ensure!(world.machines_pairs()?.is_empty());
        world.remove_network("foo")
    })
}
