//! How ports are plugged: a site's own scripts, and Open vSwitch when something happens to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use testkit::World;

use crate::Case;
use crate::defects::{configured, run_fails};
use crate::networks::{create, remove};

pub(crate) const CASES: &[Case] = &[
    ("a_sites_script_plugs_in_place_of_the_built_in_driver_and_is_told_all", script),
    ("a_script_that_fails_is_quoted_and_leaves_nothing", broken_script),
    ("a_script_left_by_the_predecessor_is_not_run", old_script),
    ("containers_reach_each_other_after_a_restart_of_open_vswitch", switch_restart),
    ("a_container_whose_switch_port_was_deleted_by_hand_has_it_again_after_a_restart", deleted_by_hand),
];

const A_SWITCH: &str = "the development cloud forwards without Open vSwitch";
const BOUND_AS_TOLD: &str = "the script is for a vif type that only the development cloud binds";

/// Runs `case` with an executable `tap` in a `bindir` of its own; the cloud binds ports as `tap`.
fn with_script(
    world: &mut World,
    asked_for: bool,
    script: &str,
    case: impl FnOnce(&mut World, &Path) -> Result<()>,
) -> Result<()> {
    world.only_on_devcloud(BOUND_AS_TOLD)?;
    let bindir: PathBuf = world.dir().join("bindir");
    fs::create_dir_all(&bindir)?;
    let (file, seen) = (bindir.join("tap"), bindir.join("seen"));
    fs::write(&file, format!("#!/bin/sh\necho \"$# $*\" >> {}\n{script}\n", seen.display()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    let default = format!("bindir = {}", bindir.display());
    let mut sections = vec![("DEFAULT", default.as_str())];
    if asked_for {
        sections.push(("binding", "script_vif_types = tap"));
    }
    let outcome = configured(world, &sections, |world| {
        crate::networks::bound_as(world, "tap", |world| {
            create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
            case(world, &seen)
        })
    });
    fs::remove_dir_all(&bindir)?;
    outcome
}

fn script(world: &mut World) -> Result<()> {
    with_script(world, true, "exit 0", |world, seen| {
        world.run("one", &["--network", "foo"])?;
        world.ping("one", "10.20.0.1")?;
        remove(world, &["one"], &["foo"])?;
        let seen = fs::read_to_string(seen)?;
        let lines: Vec<Vec<&str>> = seen.lines().map(|line| line.split(' ').collect()).collect();
        let [bind, unbind] = lines.as_slice() else { anyhow::bail!("called otherwise: {seen}") };
        ensure!(bind[1] == "bind" && bind[0] == "8" && unbind[1] == "unbind" && unbind[0] == "7", "{seen}");
        ensure!(bind[2..6] == unbind[2..6] && bind[3] == format!("tap{}", &bind[2][..11]), "{seen}");
        ensure!(bind[6] == unbind[unbind.len() - 1], "the network's id is not where it was: {seen}");
        Ok(())
    })
}

fn broken_script(world: &mut World) -> Result<()> {
    with_script(world, true, "[ $1 = unbind ] || { echo no such switch >&2; exit 3; }", |world, _| {
        let error = run_fails(world, "one", &["--network", "foo"])?;
        ensure!(error.contains("no such switch") && error.contains("exit code 3"), "{error}");
        remove(world, &["one"], &["foo"])
    })
}

fn old_script(world: &mut World) -> Result<()> {
    with_script(world, false, "exit 3", |world, seen| {
        world.run("one", &["--network", "foo"])?;
        world.ping("one", "10.20.0.1")?;
        remove(world, &["one"], &["foo"])?;
        ensure!(!seen.exists(), "it was run");
        Ok(())
    })
}

/// Two containers that reach each other, and the switch port of the first.
fn two_on_the_switch(world: &World) -> Result<(String, String)> {
    world.only_on_openstack(A_SWITCH)?;
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let [port] = world.marked_ovs_interfaces()?.try_into().map_err(|ports| anyhow!("ports: {ports:?}"))?;
    world.run("two", &["--network", "foo"])?;
    let two = world.address("two", "foo")?.to_string();
    world.ping("one", &two)?;
    Ok((port, two))
}

fn switch_restart(world: &mut World) -> Result<()> {
    let (_, two) = two_on_the_switch(world)?;
    world.inside_host("ovs-appctl", &["exit"])?;
    let database = "unix:/run/openvswitch/db.sock";
    let daemon = [database, "--pidfile", "--detach", "--log-file=/dev/null", "-vconsole:off"];
    world.inside_host("ovs-vswitchd", &daemon)?;
    world.ping("one", &two)?;
    // The ports of both are still told apart from those of others.
    world.docker(&["restart", "--time", "0", "two"])?;
    world.ping("one", &world.address("two", "foo")?.to_string())?;
    remove(world, &["one", "two"], &["foo"])
}

fn deleted_by_hand(world: &mut World) -> Result<()> {
    let (port, two) = two_on_the_switch(world)?;
    world.ovs_vsctl(&["del-port", &port])?;
    let ping = world.docker(&["exec", "one", "ping", "-c", "1", "-w", "2", &two]);
    ensure!(ping.is_err(), "it goes another way");
    world.docker(&["stop", "--time", "0", "one"])?;
    world.docker(&["start", "one"])?;
    world.ping("one", &two)?;
    ensure!(world.marked_ovs_interfaces()?.len() == 2, "a port of the switch too many or too few");
    remove(world, &["one", "two"], &["foo"])
}
