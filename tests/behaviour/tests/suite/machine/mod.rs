//! A host that is a virtual machine: its containers are links of kind macvlan on its own interface, with a real data path.

pub(crate) mod failing;
pub(crate) mod kernel;
pub(crate) mod limits;
pub(crate) mod looking;
pub(crate) mod many;
pub(crate) mod pairs;
pub(crate) mod starting;
pub(crate) mod traffic;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{MachineOptions, World};

use crate::networks::{list, text};

/// The machine's network.
const RANGE: &str = "10.70.0.0/24";
/// Docker's network on it.
const FOO: [&str; 2] = ["--subnet", RANGE];

/// Serves as a virtual machine during a case and looks for what it left there: with the pairs of the machine's port and
/// with every link on its interface.
fn in_machine(
    world: &mut World,
    options: &MachineOptions<'_>,
    case: impl FnOnce(&mut World) -> Result<()>,
) -> Result<()> {
    world.become_machine(options)?;
    let before = world.inventory()?;
    case(world)?;
    world.cloud.clear_faults()?;
    world.expect_clean(&before).context("in the machine")?;
    world.end_machine()
}

/// In a machine whose containers are on macvlan, with the Docker network `foo` on its own.
fn on_macvlan(world: &mut World, case: impl FnOnce(&mut World) -> Result<()>) -> Result<()> {
    in_machine(world, &MachineOptions::new("macvlan"), |world| {
        world.create_network("foo", &FOO)?;
        case(world)?;
        world.remove_network("foo")
    })
}

/// The Neutron port of a container of network `foo`.
fn port_of(world: &World, container: &str) -> Result<Value> {
    let address = world.address(container, "foo")?;
    let network = &world.machine()?.network;
    let mut ports = list(world, "ports", &format!("network_id={network}&fixed_ips=ip_address={address}"))?;
    ensure!(ports.len() == 1, "ports of {container} at {address}: {ports:?}");
    Ok(ports.remove(0))
}

/// Waits until the machine's port has as many pairs: what Docker was not told has failed is finished later.
fn await_pairs(world: &World, count: usize) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let pairs = world.machines_pairs()?;
        if pairs.len() == count {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{count} pairs were expected: {pairs:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The pair that lets a port's first address pass.
fn pair_of(port: &Value) -> (String, String) {
    (text(&port["fixed_ips"][0], "ip_address").to_owned(), text(port, "mac_address").to_owned())
}
