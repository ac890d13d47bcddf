//! The other kinds of links: served where the kernel has them, and refused without a trace where it has not.

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::{MachineOptions, NIC, World};

use super::{FOO, in_machine};
use crate::Case;
use crate::defects::run_fails;
use crate::networks::create;
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("a_container_of_a_machine_on_vlan_starts_or_names_the_module_the_kernel_lacks", vlan),
    ("a_container_of_a_machine_on_ipvlan_starts_or_names_the_module_the_kernel_lacks", ipvlan),
];

/// Whether this kernel makes such links.
fn has(world: &World, kind: &[&str]) -> bool {
    let add = ["link", "add", "probe0", "link", NIC, "type"];
    let made = world.inside_host("ip", &[&add[..], kind].concat()).is_ok();
    let _ = world.inside_host("ip", &["link", "delete", "probe0"]);
    made
}

fn served_or_refused(world: &mut World, network: &[&str], kind: &[&str], module: &str) -> Result<()> {
    world.create_network("foo", network)?;
    let before = world.inventory()?;
    if has(world, kind) {
        world.run("one", &["--network", "foo"])?;
        let shown = world.docker(&["exec", "one", "ip", "address", "show", "eth0"])?;
        ensure!(shown.contains(&world.address("one", "foo")?.to_string()), "{shown}");
    } else {
        let error = run_fails(world, "one", &["--network", "foo"])?;
        ensure!(error.contains(module) && error.contains(NIC), "{error}");
        let line = error.lines().find(|line| line.contains(module)).unwrap_or_default();
        ensure!(line.contains("cannot make"), "{line}");
        ensure!(before == world.inventory()?, "the refusal left something in the cloud");
    }
    world.remove("one")?;
    world.remove_network("foo")
}

/// Neutron's side of a trunk is as with a kernel that has VLANs.
fn vlan(world: &mut World) -> Result<()> {
    world.only_on_devcloud(
        "a trunk's parent hangs on a bridge that the agent makes, not on the integration bridge",
    )?;
    let options = MachineOptions { trunk: true, ..MachineOptions::new("vlan") };
    in_machine(world, &options, |world| {
        let path = format!("/networking/v2.0/trunks/{}", world.machine()?.trunk.clone().unwrap_or_default());
        world.cloud.clear_log()?;
        served_or_refused(world, &["--subnet", "10.20.0.0/24"], &["vlan", "id", "7"], "8021q")?;
        let calls = world.cloud.calls()?;
        let asked = |end: &str| calls.iter().any(|c| c.path.ends_with(end) && c.status == 200);
        ensure!(asked("/add_subports") && asked("/remove_subports"), "{calls:?}");
        let trunk = world.cloud.api("GET", &path, None)?;
        let left = trunk.pointer("/trunk/sub_ports").and_then(Value::as_array).map(Vec::len);
        ensure!(left == Some(0), "{trunk}");
        Ok(())
    })
}

fn ipvlan(world: &mut World) -> Result<()> {
    once(world)?;
    // From now on this engine knows the driver as one whose containers have MACs of their own.
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.remove_network("foo")?;
    in_machine(world, &MachineOptions::new("ipvlan"), |world| {
        world.create_network("foo", &FOO)?;
        let error = run_fails(world, "one", &["--network", "foo"])?;
        ensure!(error.contains("MAC address") && error.contains("restart Docker"), "{error}");
        world.remove("one")?;
        world.remove_network("foo")?;
        restart_engine(world)?;
        served_or_refused(world, &FOO, &["ipvlan"], "ipvlan")
    })?;
    restart_engine(world)
}

fn restart_engine(world: &mut World) -> Result<()> {
    world.docker.kill();
    world.relaunch_docker()
}
