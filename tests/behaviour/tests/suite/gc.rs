//! `kuryr gc`: what no record names is found; what is provably ours and nobody's goes; everything else is told and left.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Fault, World};

use crate::Case;
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("while_containers_run_there_are_no_orphans", none),
    ("after_a_journal_was_put_back_orphans_are_found_and_only_idle_ones_removed", old_journal),
    ("a_port_the_python_driver_left_is_told_and_never_removed", foreign),
    ("what_gc_cannot_remove_is_told_with_its_reason_and_exit_code_1", refused),
    ("a_network_half_made_before_the_journal_was_lost_goes_at_the_next_start", half_made),
];

pub(crate) fn gc(world: &World, more: &[&str]) -> Result<Output> {
    let config = world.dir().join("kuryr.conf").to_string_lossy().into_owned();
    let mut args = vec!["gc", "--config-file", &config];
    args.extend(more);
    world.kuryr(&args)
}

/// The report, and the exit code.
pub(crate) fn report(world: &World, more: &[&str]) -> Result<(Vec<Value>, Option<i32>)> {
    let output = gc(world, &[&["--json"], more].concat())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text).with_context(|| format!("{output:?}"))?;
    let orphans = report["orphans"].as_array().cloned().with_context(|| text.clone())?;
    Ok((orphans, output.status.code()))
}

pub(crate) fn told<'a>(orphans: &'a [Value], kind: &str) -> Vec<&'a Value> {
    orphans.iter().filter(|o| text(o, "kind") == kind).collect()
}

fn none(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--expose", "80/tcp"])?;
    let (orphans, code) = report(world, &[])?;
    ensure!(orphans.is_empty() && code == Some(0), "{orphans:?}");
    let table = gc(world, &["--dry-run"])?;
    ensure!(String::from_utf8_lossy(&table.stdout).trim() == "no orphans", "{table:?}");
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one"], &["foo"])
}

/// Puts back a journal as it was before the container was started.
pub(crate) fn forget_container(world: &mut World) -> Result<()> {
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    for collection in ["ports", "endpoints", "groups"] {
        for entry in std::fs::read_dir(world.state_dir().join(collection))? {
            std::fs::remove_file(entry?.path())?;
        }
    }
    Ok(())
}

fn old_journal(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--expose", "80/tcp"])?;
    forget_container(world)?;
    // Nobody serves: the command works by itself.
    let (orphans, code) = report(world, &["--dry-run"])?;
    world.start_plugin()?;
    ensure!(code == Some(0), "{orphans:?}");
    ensure!(orphans.iter().all(|o| text(o, "action") == "left"), "{orphans:?}");
    ensure!(
        told(&orphans, "port").len() == 1 && text(told(&orphans, "port")[0], "why").contains("container")
    );
    let (orphans, code) = report(world, &[])?;
    ensure!(code == Some(0) && orphans.iter().all(|o| text(o, "action") == "left"), "{orphans:?}");
    world.ping("one", "10.20.0.1").context("a running container lost its port")?;
    // Docker's own removal finds the port; the group, which Docker does not know of, stays.
    world.remove("one")?;
    let (orphans, _) = report(world, &["--dry-run"])?;
    ensure!(orphans.len() == 1 && text(&orphans[0], "action") == "would-remove", "{orphans:?}");
    let table = gc(world, &[])?;
    let lines = String::from_utf8_lossy(&table.stdout).into_owned();
    ensure!(table.status.code() == Some(0) && lines.contains(" removed "), "{table:?}");
    ensure!(lines.contains("security-group") && lines.contains(text(&orphans[0], "id")), "{lines}");
    let (orphans, code) = report(world, &[])?;
    ensure!(orphans.is_empty() && code == Some(0), "{orphans:?}");
    remove(world, &[], &["foo"])
}

fn foreign(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let ours = list(world, "ports", "device_owner=compute:kuryr")?;
    let ours = ours.first().context("the container has no port")?;
    let port = json!({"port": {
        "network_id": text(ours, "network_id"), "name": "kuryr-unbound-port", "device_owner": "compute:kuryr",
        "device_id": "ab".repeat(32), "binding:host_id": text(ours, "binding:host_id"),
    }});
    let made = world.cloud.api_as("admin", "POST", "/networking/v2.0/ports", Some(port))?;
    let id = text(&made["port"], "id").to_owned();
    let (orphans, code) = report(world, &[])?;
    let path = format!("/networking/v2.0/ports/{id}");
    world.cloud.api_as("admin", "GET", &path, None).context("somebody else's port was removed")?;
    ensure!(code == Some(0) && orphans.len() == 1 && text(&orphans[0], "id") == id, "{orphans:?}");
    ensure!(text(&orphans[0], "action") == "left", "{orphans:?}");
    world.cloud.api_as("admin", "DELETE", &path, None)?;
    remove(world, &["one"], &["foo"])
}

/// Kills the plugin when the cloud has acted on a call of the command, and forgets what the journal said about it.
fn forget_midway(world: &mut World, fault: &Fault, args: &[&str], collections: &[&str]) -> Result<()> {
    world.cloud.fault(fault)?;
    let mut command = world.docker.command(args).stderr(std::process::Stdio::null()).spawn()?;
    world.cloud.wait_for_hold()?;
    world.kill_plugin();
    world.cloud.clear_faults()?;
    // The user gives up before the plugin is back.
    let _ = command.kill();
    command.wait()?;
    for collection in collections {
        for entry in std::fs::read_dir(world.state_dir().join(collection))? {
            std::fs::remove_file(entry?.path())?;
        }
    }
    Ok(())
}

fn refused(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let fault = Fault::next("POST", "/networking/v2.0/ports", json!({"hold": "after"}));
    let args = ["run", "--detach", "--name", "one", "--network", "foo", "busybox", "sleep", "1000"];
    forget_midway(world, &fault, &args, &["ports"])?;
    // Nobody serves: the command works by itself.
    world.cloud.fault(&Fault::next("DELETE", "/networking/v2.0/ports/*", json!({"status": 403})))?;
    let output = gc(world, &[])?;
    world.cloud.clear_faults()?;
    let again = report(world, &[]);
    world.start_plugin()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(told.contains("failed") && told.contains("cannot delete port"), "{told}");
    ensure!(error.contains("1 orphan could not be removed"), "{error}");
    let (orphans, code) = again?;
    ensure!(code == Some(0) && orphans.len() == 1 && text(&orphans[0], "action") == "removed", "{orphans:?}");
    remove(world, &["one"], &["foo"])
}

fn half_made(world: &mut World) -> Result<()> {
    // Held when the network has been made, before its tags and its subnet.
    let fault = Fault::next("POST", "/networking/v2.0/networks", json!({"hold": "after"}));
    let args =
        ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.20.0.0/24", "foo"];
    forget_midway(world, &fault, &args, &["networks", "pools"])?;
    ensure!(list(world, "networks", "")?.iter().any(|n| text(n, "name").starts_with("kuryr-net-")));
    world.start_plugin()?;
    let mut left = Vec::new();
    for _ in 0..100 {
        left = list(world, "networks", "")?;
        left.retain(|n| text(n, "name").starts_with("kuryr-net-"));
        if left.is_empty() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    anyhow::bail!("still there: {left:?}")
}
