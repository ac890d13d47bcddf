//! What Docker's operations cost in calls of Neutron, counted by whoever stands before it: the same on either cloud.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Call, World};

use crate::Case;
use crate::addresses::{delete_port, make_port};
use crate::adopted::{delete_network, make_network};
use crate::networks::{remove, text};

pub(crate) const CASES: &[Case] = &[
    ("a_network_of_ours_costs_four_calls_and_its_containers_two_and_one", own),
    ("a_network_of_both_families_costs_five_calls_and_its_containers_three_and_one", both_families),
    ("an_existing_network_costs_three_calls_and_its_containers_two_and_one", existing_network),
    ("an_existing_port_costs_three_calls_and_going_back_four_with_its_own_mac", existing_port),
];

/// After this long without a call nothing more is on its way: what is left for after the answer follows at once.
const QUIET: Duration = Duration::from_millis(800);

/// Neutron's calls once there are no more.
pub(crate) fn settled(world: &World) -> Result<Vec<Call>> {
    let (mut seen, mut since) = (world.cloud.calls()?, Instant::now());
    while since.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(100));
        let calls = world.cloud.calls()?;
        if calls.len() != seen.len() {
            (seen, since) = (calls, Instant::now());
        }
    }
    Ok(seen)
}

/// Neutron's calls of an operation and of what it leaves for later.
fn costs(world: &World, budget: usize, operation: impl FnOnce() -> Result<()>) -> Result<()> {
    // What the plugin asks when it starts is not the operation's.
    settled(world)?;
    world.cloud.clear_log()?;
    operation()?;
    let mut seen = settled(world)?;
    // An agent that reports a port between our look and our change of it costs another look and change.
    while let Some(met) = seen.iter().position(|c| c.status == 412) {
        seen.remove(met);
        if let Some(look) = seen.iter().skip(met).position(|c| c.method == "GET") {
            seen.remove(met + look);
        }
    }
    let shown: Vec<String> = seen.iter().map(|c| format!("{} {} {}", c.method, c.path, c.status)).collect();
    ensure!(seen.len() == budget, "{} calls instead of {budget}: {shown:#?}", seen.len());
    Ok(())
}

fn create(world: &World, name: &str, args: &[&str], budget: usize) -> Result<()> {
    costs(world, budget, || world.create_network(name, args).map(drop))
}

fn run(world: &World, name: &str, args: &[&str], budget: usize) -> Result<()> {
    costs(world, budget, || world.run(name, args).map(drop))
}

fn stop(world: &World, name: &str, budget: usize) -> Result<()> {
    costs(world, budget, || world.remove(name))
}

fn rm(world: &World, name: &str, budget: usize) -> Result<()> {
    costs(world, budget, || remove(world, &[], &[name]))
}

fn own(world: &mut World) -> Result<()> {
    create(world, "foo", &["--subnet", "10.24.0.0/24"], 4)?;
    run(world, "one", &["--network", "foo"], 2)?;
    run(world, "two", &["--network", "foo", "--ip", "10.24.0.9"], 2)?;
    stop(world, "one", 1)?;
    stop(world, "two", 1)?;
    rm(world, "foo", 2)
}

fn both_families(world: &mut World) -> Result<()> {
    let ranges = ["--subnet", "10.24.0.0/24", "--ipv6", "--subnet", "fd24::/64", "--gateway", "fd24::1"];
    create(world, "both", &ranges, 5)?;
    run(world, "one", &["--network", "both"], 3)?;
    stop(world, "one", 1)?;
    rm(world, "both", 3)
}

fn existing_network(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    create(world, "reused", &["--subnet", "10.30.0.0/24", "-o", &option], 3)?;
    run(world, "one", &["--network", "reused"], 2)?;
    stop(world, "one", 1)?;
    rm(world, "reused", 3)?;
    delete_network(world, &id)
}

fn existing_port(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let port = make_port(world, &id, "10.30.0.77", json!({}))?;
    let option = format!("neutron.net.uuid={id}");
    world.create_network("reused", &["--subnet", "10.30.0.0/24", "-o", &option])?;
    let mac = text(&port, "mac_address");
    run(world, "one", &["--network", "reused", "--ip", "10.30.0.77", "--mac-address", mac], 3)?;
    stop(world, "one", 3)?;
    // Docker invents a MAC, and a bound port's cannot be changed back.
    run(world, "two", &["--network", "reused", "--ip", "10.30.0.77"], 3)?;
    stop(world, "two", 4)?;
    remove(world, &[], &["reused"])?;
    delete_port(world, text(&port, "id"))?;
    delete_network(world, &id)
}
