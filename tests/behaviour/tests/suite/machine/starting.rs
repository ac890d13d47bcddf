//! A machine's plugin looks for the machine's own port: what if there is none, not yet, or not any more.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::{MachineOptions, NIC, World};

use super::{FOO, on_macvlan, pair_of, port_of};
use crate::Case;
use crate::defects::run_fails;
use crate::lifecycle::crash_engine;
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("a_machines_plugin_with_a_wrong_interface_ends_with_advice", wrong_interface),
    ("a_machines_plugin_whose_interface_is_no_port_ends_with_advice", no_port),
    ("a_machines_plugin_that_has_containers_serves_them_without_its_interface", no_interface_in_use),
    ("a_second_plugin_on_a_machines_interface_is_refused", second_plugin),
    ("containers_of_a_machine_end_without_its_port_and_start_with_the_next_one", port_deleted),
    ("a_machines_plugin_starts_without_the_cloud_and_finds_itself_later", cloud_away),
    ("a_crash_of_the_engine_in_a_machine_leaves_nothing_behind", engine_crash),
];

/// Rewrites `kuryr.conf` for as long as it takes.
fn with_config(
    world: &mut World,
    changed: impl FnOnce(&str) -> String,
    case: impl FnOnce(&mut World) -> Result<()>,
) -> Result<()> {
    let file = world.dir().join("kuryr.conf");
    let usual = fs::read_to_string(&file)?;
    fs::write(&file, changed(&usual))?;
    let outcome = case(world);
    fs::write(&file, usual)?;
    outcome
}

/// `kuryr serve` that must end by itself: its exit code and what it said.
fn ends(world: &World, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let config = world.dir().join("kuryr.conf").to_string_lossy().into_owned();
    let before = world.plugin_log().len();
    let args = [&["serve", "--only", "kuryr", "--config-file", &config][..], arguments].concat();
    let mut process = world.spawn_kuryr(&args)?;
    let status = process.wait(Duration::from_secs(20)).context("it serves")?;
    Ok((status.code(), world.plugin_log().get(before..).unwrap_or_default().to_owned()))
}

/// Ends with exit code 1 and advice while its interface is this one.
fn refuses(world: &mut World, link: &str, advice: &[&str]) -> Result<()> {
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    let changed =
        |usual: &str| usual.replace(&format!("link_iface = {NIC}"), &format!("link_iface = {link}"));
    with_config(world, changed, |world| {
        let (code, said) = ends(world, &[])?;
        let line = said.lines().last().unwrap_or_default();
        ensure!(code == Some(1), "{code:?} {said}");
        for word in advice {
            ensure!(line.contains(word), "`{word}` is not in the text: {line}");
        }
        Ok(())
    })?;
    world.start_plugin()
}

fn wrong_interface(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| refuses(world, "vm7", &["vm7", "[binding] link_iface", "ip link"]))
}

fn no_port(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let mac = "02:00:00:00:70:07";
        world.inside_host("ip", &["link", "add", "vm7", "address", mac, "type", "bridge"])?;
        let refused = refuses(world, "vm7", &["vm7", mac, "link_iface", "project"]);
        world.inside_host("ip", &["link", "delete", "vm7"])?;
        refused
    })
}

fn no_interface_in_use(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let neighbour = world.machines_neighbour()?.addresses[0].to_string();
        world.run("one", &["--network", "foo"])?;
        ensure!(world.stop_plugin(), "the plugin did not stop in order");
        let wrong = |usual: &str| usual.replace(&format!("link_iface = {NIC}"), "link_iface = vm7");
        with_config(world, wrong, |world| {
            world.start_plugin()?;
            // It looks, in vain, and serves all the same.
            let end = Instant::now() + Duration::from_secs(20);
            while !world.plugin_log().contains("trying again later") {
                ensure!(Instant::now() < end, "{}", world.plugin_log());
                std::thread::sleep(Duration::from_millis(50));
            }
            let error = run_fails(world, "two", &["--network", "foo"])?;
            ensure!(error.contains("vm7") && error.contains("link_iface"), "{error}");
            world.remove("two")?;
            world.ping("one", &neighbour)?;
            world.remove("one")?;
            ensure!(world.machines_pairs()?.is_empty(), "{:?}", world.machines_pairs()?);
            // It may have ended by now, since no container needs it.
            world.kill_plugin();
            Ok(())
        })?;
        world.start_plugin()
    })
}

fn second_plugin(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let (state, plugins) = (world.dir().join("state2"), world.dir().join("plugins2"));
        let first = format!("state_dir = {}", world.state_dir().display());
        let own = |usual: &str| usual.replacen(&first, &format!("state_dir = {}", state.display()), 1);
        with_config(world, own, |world| {
            let (code, said) = ends(world, &["--plugin-dir", &plugins.to_string_lossy()])?;
            let line = said.lines().last().unwrap_or_default();
            ensure!(code == Some(1), "{code:?} {said}");
            ensure!(line.contains("link_iface = vm0") && line.contains("in use by another"), "{line}");
            Ok(())
        })?;
        // The first one has nothing to complain about.
        world.run("one", &["--network", "foo"])?;
        world.remove("one")
    })
}

fn port_deleted(world: &mut World) -> Result<()> {
    once(world)?;
    world.become_machine(&MachineOptions::new("macvlan"))?;
    world.create_network("foo", &FOO)?;
    for name in ["one", "two"] {
        world.run(name, &["--network", "foo"])?;
    }
    world.delete_machines_port()?;
    let gone = world.machine()?.port.clone();
    let error = run_fails(world, "three", &["--network", "foo"])?;
    ensure!(error.contains(&gone), "{error}");
    world.remove("three")?;
    let error = run_fails(world, "three", &["--network", "foo"])?;
    let mac = world.machine()?.mac.clone();
    ensure!(error.contains("this virtual machine's port") && error.contains(&mac), "{error}");
    world.remove("three")?;
    world.remove("one")?;
    // What hangs on the interface goes with it.
    world.renew_machines_port()?;
    world.remove("two")?;
    let neighbour = world.machines_neighbour()?;
    world.run("three", &["--network", "foo"])?;
    ensure!(world.machines_pairs()? == [pair_of(&port_of(world, "three")?)]);
    world.ping("three", &neighbour.addresses[0].to_string())?;
    world.remove("three")?;
    ensure!(world.machines_pairs()?.is_empty(), "{:?}", world.machines_pairs()?);
    world.remove_network("foo")?;
    world.end_machine()
}

fn cloud_away(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        ensure!(world.stop_plugin(), "the plugin did not stop in order");
        world.stop_cloud();
        world.start_plugin()?;
        let status = super::looking::status(world)?;
        let begun = Instant::now();
        let refused = run_fails(world, "one", &["--network", "foo"]);
        let (took, alive) = (begun.elapsed(), world.plugin_pid().is_some());
        world.start_cloud()?;
        ensure!(status.contains("virtual machine: macvlan on vm0, port -"), "{status}");
        let error = refused?;
        ensure!(error.contains("cannot ") && error.contains("127.0.0.1:5000"), "{error}");
        ensure!(alive && took < Duration::from_secs(30), "{took:?}: {error}");
        world.remove("one")?;
        let end = Instant::now() + Duration::from_secs(60);
        let port = format!("port {}", world.machine()?.port);
        while !super::looking::status(world)?.contains(&port) {
            ensure!(Instant::now() < end, "it does not find itself: {}", world.plugin_log());
            std::thread::sleep(Duration::from_millis(100));
        }
        world.run("one", &["--network", "foo"])?;
        world.remove("one")
    })
}

fn engine_crash(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let neighbour = world.machines_neighbour()?.addresses[0].to_string();
        world.run("one", &["--network", "foo", "--restart", "always"])?;
        crash_engine(world)?;
        world.ping("one", &neighbour)?;
        ensure!(world.machines_pairs()? == [pair_of(&port_of(world, "one")?)]);
        world.remove("one")
    })
}
