//! `kill -9` of the plugin while the cloud is at work, before and after each call has taken effect; then a restart. The
//! user repeats what failed, and at the end nothing is leaked and nothing lost.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use testkit::{Fault, World};

use crate::Case;
use crate::addresses::{delete_port, make_port, network_of};
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("a_crash_during_network_create_leaks_nothing", network_create),
    ("a_crash_during_run_leaks_nothing", run),
    ("a_crash_during_run_with_exposed_ports_leaks_nothing", run_exposed),
    ("a_crash_during_stop_leaks_nothing", stop),
    ("a_crash_during_network_rm_leaks_nothing", network_rm),
    ("a_crash_during_adoption_of_a_network_leaks_nothing", adoption),
    ("a_crash_during_a_dual_stack_network_create_leaks_nothing", dual_stack_create),
    ("a_crash_during_run_with_both_families_leaks_nothing", run_dual),
    ("a_crash_during_run_on_an_existing_port_leaves_it_as_found", run_on_port),
    ("a_crash_during_stop_on_an_existing_port_leaves_it_as_found", stop_on_port),
    ("a_crash_during_removal_of_an_adopted_network_leaves_it_as_found", adopted_rm),
    ("a_crash_during_volume_create_leaks_nothing", volume_create),
    ("a_crash_during_volume_mount_loses_nothing", volume_mount),
    ("a_crash_during_volume_unmount_loses_nothing", volume_unmount),
];

const NETWORK_CREATE: [&str; 9] =
    ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.20.0.0/24", "foo"];

/// Runs the command with the plugin killed while the n-th cloud call is held, for every n and on both sides of its
/// effect. `reset` brings the world back to where the command can run again.
pub(crate) fn at_every_call(
    world: &mut World,
    path: &'static str,
    args: &[&str],
    reset: impl Fn(&World) -> Result<()>,
) -> Result<()> {
    let mut hits = 0;
    for side in ["before", "after"] {
        for nth in 1..=12 {
            let fault = Fault { method: "", path, nth, count: 1, action: json!({"hold": side}) };
            let hit =
                crash_at(world, &fault, args).with_context(|| format!("call {nth}, {side} its effect"))?;
            reset(world).with_context(|| format!("after a crash at call {nth}, {side} its effect"))?;
            if !hit {
                break;
            }
            hits += 1;
        }
    }
    ensure!(hits > 0, "the command made no call, so nothing was tested");
    Ok(())
}

/// `true` if the fault was hit. The command, or its repeat, has succeeded when this returns.
fn crash_at(world: &mut World, fault: &Fault, args: &[&str]) -> Result<bool> {
    world.cloud.fault(fault)?;
    let mut command = world.docker.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let hit = loop {
        if !world.cloud.holds()?.is_empty() {
            break true;
        }
        if command.try_wait()?.is_some() {
            break false;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    if hit {
        world.kill_plugin();
        world.cloud.clear_faults()?;
        world.start_plugin()?;
    }
    let output = command.wait_with_output()?;
    world.cloud.clear_faults()?;
    if !output.status.success() {
        if !hit {
            bail!("failed without a crash: {}", String::from_utf8_lossy(&output.stderr));
        }
        if args.first() == Some(&"run") {
            // A failed `run` leaves the created container, as Docker always does.
            let _ = world.remove("one");
        }
        world.docker(args).context("the user's repeat")?;
    }
    Ok(hit)
}

pub(crate) const NEUTRON: &str = "/networking/v2.0/*";
const CINDER: &str = "/volume/v3/*";

fn network_create(world: &mut World) -> Result<()> {
    at_every_call(world, NEUTRON, &NETWORK_CREATE, |w| remove(w, &[], &["foo"]))
}

fn run(world: &mut World) -> Result<()> {
    run_with(world, &[])
}

fn run_exposed(world: &mut World) -> Result<()> {
    run_with(world, &["--expose", "1234-1238/udp"])
}

fn run_with(world: &mut World, extra: &[&str]) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let mut args = vec!["run", "--detach", "--name", "one", "--stop-timeout", "0", "--network", "foo"];
    args.extend(extra);
    args.extend(["busybox", "sleep", "1000"]);
    at_every_call(world, NEUTRON, &args, |w| {
        w.ping("one", "10.20.0.1")?;
        w.remove("one")
    })?;
    remove(world, &[], &["foo"])
}

fn stop(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--expose", "1234/udp"])?;
    at_every_call(world, NEUTRON, &["stop", "--time", "0", "one"], |w| {
        w.docker(&["start", "one"]).map(drop)
    })?;
    remove(world, &["one"], &["foo"])
}

fn network_rm(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    at_every_call(world, NEUTRON, &["network", "rm", "foo"], |w| {
        create(w, "foo", "10.20.0.0/24", "10.20.0.1").map(drop)
    })?;
    remove(world, &[], &["foo"])
}

const DUAL: [&str; 5] = ["--ipv6", "--subnet", "10.20.0.0/24", "--subnet", "fd20::/64"];
const RUN: [&str; 8] = ["run", "--detach", "--name", "one", "--stop-timeout", "0", "--network", "foo"];

/// Works with a network of somebody else's, with a port on it, and looks whether both are as they were.
fn on_an_adopted_network(world: &mut World, work: impl Fn(&mut World, &[&str]) -> Result<()>) -> Result<()> {
    let network = make_network(world, "theirs", Some("10.20.0.0/24"))?;
    let port = make_port(world, &network_of(world, "10.20.0.0/24")?, "10.20.0.77", json!({}))?;
    let before = world.inventory()?;
    let option = format!("neutron.net.uuid={network}");
    work(world, &["--subnet", "10.20.0.0/24", "-o", &option])?;
    world.expect_clean(&before)?;
    delete_port(world, text(&port, "id"))?;
    delete_network(world, &network)
}

fn adoption(world: &mut World) -> Result<()> {
    on_an_adopted_network(world, |world, options| {
        let args = [&NETWORK_CREATE[..6], options, &["foo"]].concat();
        at_every_call(world, NEUTRON, &args, |w| remove(w, &[], &["foo"]))
    })
}

fn adopted_rm(world: &mut World) -> Result<()> {
    on_an_adopted_network(world, |world, options| {
        world.create_network("foo", options)?;
        let again = |w: &World| w.create_network("foo", options).map(drop);
        at_every_call(world, NEUTRON, &["network", "rm", "foo"], again)?;
        remove(world, &[], &["foo"])
    })
}

fn dual_stack_create(world: &mut World) -> Result<()> {
    let args = [&NETWORK_CREATE[..6], &DUAL, &["foo"]].concat();
    at_every_call(world, NEUTRON, &args, |w| remove(w, &[], &["foo"]))
}

fn run_dual(world: &mut World) -> Result<()> {
    world.create_network("foo", &DUAL)?;
    let args = [&RUN[..], &["busybox", "sleep", "1000"]].concat();
    at_every_call(world, NEUTRON, &args, |w| w.remove("one"))?;
    remove(world, &[], &["foo"])
}

fn run_on_port(world: &mut World) -> Result<()> {
    on_an_adopted_network(world, |world, options| {
        world.create_network("foo", options)?;
        let args = [&RUN[..], &["--ip", "10.20.0.77", "busybox", "sleep", "1000"]].concat();
        at_every_call(world, NEUTRON, &args, |w| {
            w.ping("one", "10.20.0.1")?;
            w.remove("one")
        })?;
        remove(world, &[], &["foo"])
    })
}

fn stop_on_port(world: &mut World) -> Result<()> {
    on_an_adopted_network(world, |world, options| {
        world.create_network("foo", options)?;
        world.run("one", &["--network", "foo", "--ip", "10.20.0.77"])?;
        at_every_call(world, NEUTRON, &["stop", "--time", "0", "one"], |w| {
            w.docker(&["start", "one"]).map(drop)
        })?;
        remove(world, &["one"], &["foo"])
    })
}

fn volume_create(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let args = ["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"];
    at_every_call(world, CINDER, &args, |w| w.docker(&["volume", "rm", "my_vol"]).map(drop))
}

fn volume_mount(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"])?;
    let args = [
        "run",
        "--detach",
        "--name",
        "one",
        "--stop-timeout",
        "0",
        "--network",
        "none",
        "-v",
        "my_vol:/data",
        "busybox",
        "sleep",
        "1000",
    ];
    at_every_call(world, CINDER, &args, |w| {
        // Whatever was written before must still be there: a crash never formats again.
        w.docker(&["exec", "one", "sh", "-c", "touch /data/first; echo x >> /data/rounds; sync"])?;
        w.remove("one")
    })?;
    let rounds = world.docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "my_vol:/data",
        "busybox",
        "grep",
        "-c",
        "x",
        "/data/rounds",
    ])?;
    ensure!(rounds.parse::<u32>().unwrap_or_default() >= 2, "data was lost: {rounds} rounds left");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn volume_unmount(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file; sync"])?;
    at_every_call(world, CINDER, &["stop", "--time", "0", "one"], |w| {
        w.docker(&["start", "one"])?;
        let kept = w.docker(&["exec", "one", "cat", "/data/file"])?;
        ensure!(kept == "kept", "{kept}");
        Ok(())
    })?;
    world.remove("one")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}
