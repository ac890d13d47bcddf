//! Addresses of a machine's containers, and the pairs they need of the machine's port.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use super::{on_macvlan, pair_of, port_of};
use crate::Case;
use crate::addresses::{delete_port, make_port, show_port};
use crate::defects::run_fails;
use crate::networks::{list, text};
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("somebodys_pairs_on_a_machines_port_stay_through_run_stop_and_network_rm", strangers),
    ("a_container_of_a_machine_has_the_address_it_asks_for_unless_it_is_the_machines", fixed),
    ("an_unbound_port_lends_its_address_in_a_machine_and_is_given_back_as_found", unbound_port),
    ("neutrons_limit_of_pairs_is_named_in_a_machine_and_nothing_leaks", limit),
    ("a_machines_port_without_port_security_needs_no_pairs", unsecured),
    ("containers_of_a_machine_keep_their_pairs_through_a_crash_of_the_plugin", crash),
];

/// Sets attributes of the machine's port as its owner does.
pub(super) fn set_port(world: &World, attributes: Value) -> Result<()> {
    let path = format!("/networking/v2.0/ports/{}", world.machine()?.port);
    world.cloud.api("PUT", &path, Some(json!({"port": attributes}))).map(drop)
}

fn pair(address: &str, mac: &str) -> Value {
    json!({"ip_address": address, "mac_address": mac})
}

fn strangers(world: &mut World) -> Result<()> {
    on_macvlan(world, |world| {
        let theirs = pair("10.70.0.200", "fa:16:3e:99:99:01");
        // Without a MAC it is for the port's own.
        let range = json!({"ip_address": "10.70.0.208/28"});
        set_port(world, json!({"allowed_address_pairs": [theirs, range]}))?;
        let before = world.machines_pairs()?;
        world.run("one", &["--network", "foo"])?;
        // One more while the plugin believes to know them all.
        let late = pair("10.70.0.201", "fa:16:3e:99:99:02");
        let path = format!("/networking/v2.0/ports/{}", world.machine()?.port);
        let shown = world.cloud.api("GET", &path, None)?;
        let mut now = shown["port"]["allowed_address_pairs"].as_array().cloned().unwrap_or_default();
        now.push(late);
        set_port(world, json!({"allowed_address_pairs": now}))?;
        world.run("two", &["--network", "foo"])?;
        let (one, two) = (pair_of(&port_of(world, "one")?), pair_of(&port_of(world, "two")?));
        let pairs = world.machines_pairs()?;
        ensure!(pairs.len() == before.len() + 3 && pairs.contains(&one) && pairs.contains(&two), "{pairs:?}");
        world.remove("one")?;
        ensure!(!world.machines_pairs()?.contains(&one) && world.machines_pairs()?.contains(&two));
        world.remove("two")?;
        world.remove_network("foo")?;
        let mut left = world.machines_pairs()?;
        ensure!(left.len() == 3 && before.iter().all(|theirs| left.contains(theirs)), "{left:?}");
        left.retain(|(address, _)| address == "10.70.0.201");
        ensure!(left.len() == 1, "the pair that came meanwhile was lost");
        set_port(world, json!({"allowed_address_pairs": []}))?;
        world.create_network("foo", &super::FOO).map(drop)
    })
}

fn fixed(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.run("one", &["--network", "foo", "--ip", "10.70.0.55"])?;
        let port = port_of(world, "one")?;
        ensure!(text(&port["fixed_ips"][0], "ip_address") == "10.70.0.55", "{port}");
        ensure!(world.machines_pairs()? == [pair_of(&port)], "{:?}", world.machines_pairs()?);
        let machine = show_port(world, &world.machine()?.port)?;
        let own = text(&machine["fixed_ips"][0], "ip_address");
        let error = run_fails(world, "two", &["--network", "foo", "--ip", own])?;
        ensure!(error.contains(own) && error.contains(&world.machine()?.port), "{error}");
        ensure!(machine == show_port(world, &world.machine()?.port)?, "the machine's port was changed");
        world.remove("two")?;
        world.remove("one")
    })
}

fn unbound_port(world: &mut World) -> Result<()> {
    on_macvlan(world, |world| {
        let network = world.machine()?.network.clone();
        let port = make_port(world, &network, "10.70.0.77", json!({}))?;
        let id = text(&port, "id").to_owned();
        let before = show_port(world, &id)?;
        let neighbour = world.machines_neighbour()?;
        world.run("one", &["--network", "foo", "--ip", "10.70.0.77"])?;
        let during = port_of(world, "one")?;
        ensure!(text(&during, "id") == id && text(&during, "device_owner") == "compute:kuryr", "{during}");
        ensure!(world.machines_pairs()? == [pair_of(&during)], "{:?}", world.machines_pairs()?);
        world.ping("one", &neighbour.addresses[0].to_string())?;
        world.remove("one")?;
        let after = show_port(world, &id)?;
        ensure!(before == after, "not given back as found:\n{before}\n{after}");
        delete_port(world, &id)
    })
}

fn limit(world: &mut World) -> Result<()> {
    world.only_on_devcloud("the lab's Neutron takes thousands of pairs, and is not asked to change that")?;
    let most = |world: &World, most: u32| {
        world.cloud.admin("POST", "options", Some(json!({"max_allowed_address_pair": most}))).map(drop)
    };
    on_macvlan(world, |world| {
        most(world, 2)?;
        world.run("one", &["--network", "foo"])?;
        world.run("two", &["--network", "foo"])?;
        let before = world.inventory()?;
        let error = run_fails(world, "three", &["--network", "foo"])?;
        ensure!(error.contains("max_allowed_address_pair") && error.contains("vlan"), "{error}");
        ensure!(before == world.inventory()?, "the refusal left something in the cloud");
        world.remove("three")?;
        // There is room again when one goes.
        world.remove("one")?;
        world.run("three", &["--network", "foo"])?;
        world.ping("three", &world.address("two", "foo")?.to_string())?;
        world.remove("three")?;
        world.remove("two")?;
        most(world, 10)
    })
}

fn unsecured(world: &mut World) -> Result<()> {
    on_macvlan(world, |world| {
        let groups = show_port(world, &world.machine()?.port)?["security_groups"].take();
        set_port(world, json!({"security_groups": [], "port_security_enabled": false}))?;
        let neighbour = world.machines_neighbour()?;
        world.run("one", &["--network", "foo"])?;
        ensure!(world.machines_pairs()?.is_empty(), "{:?}", world.machines_pairs()?);
        world.ping("one", &neighbour.addresses[0].to_string())?;
        world.remove("one")?;
        set_port(world, json!({"port_security_enabled": true, "security_groups": groups}))
    })
}

fn crash(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let neighbour = world.machines_neighbour()?.addresses[0].to_string();
        world.run("one", &["--network", "foo"])?;
        let one = pair_of(&port_of(world, "one")?);
        world.crash_plugin()?;
        world.run("two", &["--network", "foo"])?;
        let two = pair_of(&port_of(world, "two")?);
        ensure!(world.machines_pairs()?.contains(&one), "{:?}", world.machines_pairs()?);
        world.remove("one")?;
        ensure!(world.machines_pairs()? == [two], "{:?}", world.machines_pairs()?);
        world.ping("two", &neighbour)?;
        world.remove("two")?;
        ensure!(list(world, "ports", "device_owner=compute:kuryr")?.is_empty());
        Ok(())
    })
}
