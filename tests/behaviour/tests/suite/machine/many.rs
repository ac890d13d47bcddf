//! What many containers at once cost in a machine, counted by the cloud.

use std::thread;

use anyhow::{Result, bail, ensure};
use serde_json::json;
use testkit::World;

use super::on_macvlan;
use crate::Case;
use crate::budgets::settled;
use crate::networks::list;

pub(crate) const CASES: &[Case] =
    &[("sixteen_containers_at_once_in_a_machine_cost_two_calls_each_and_two_to_stop", sixteen)];

const COUNT: usize = 16;

/// At most two calls of Neutron for each container.
fn cheap(world: &World, posts: usize) -> Result<()> {
    let calls = world.cloud.calls()?;
    let count = |method: &str| calls.iter().filter(|c| c.method == method).count();
    let shown: Vec<String> = calls.iter().map(|c| format!("{} {} {}", c.method, c.path, c.status)).collect();
    ensure!(calls.len() <= 2 * COUNT, "{} calls: {shown:#?}", calls.len());
    ensure!(count("POST") == posts && calls.len() > COUNT, "{shown:#?}");
    Ok(())
}

fn sixteen(world: &mut World) -> Result<()> {
    world.only_on_devcloud("agents of real services change the machine's port at the same time")?;
    on_macvlan(world, |world| {
        world.cloud.admin("POST", "options", Some(json!({"max_allowed_address_pair": COUNT})))?;
        // What the plugin asks when it starts, or once per process, is no container's.
        world.run("first", &["--network", "foo"])?;
        world.remove("first")?;
        settled(world)?;
        let names: Vec<String> = (0..COUNT).map(|n| format!("c{n}")).collect();
        world.cloud.clear_log()?;
        thread::scope(|scope| {
            let started: Vec<_> =
                names.iter().map(|name| scope.spawn(|| world.run(name, &["--network", "foo"]))).collect();
            started
                .into_iter()
                .try_for_each(|run| run.join().map_or_else(|_| bail!("panic"), |r| r.map(drop)))
        })?;
        cheap(world, COUNT)?;
        ensure!(world.machines_pairs()?.len() == COUNT, "{:?}", world.machines_pairs()?);
        world.ping("c0", &world.address("c15", "foo")?.to_string())?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        world.cloud.clear_log()?;
        world.docker(&[&["rm", "--force"][..], &names].concat())?;
        cheap(world, 0)?;
        ensure!(world.machines_pairs()?.is_empty(), "{:?}", world.machines_pairs()?);
        ensure!(list(world, "ports", "device_owner=compute:kuryr")?.is_empty());
        world.cloud.admin("POST", "options", Some(json!({"max_allowed_address_pair": 10}))).map(drop)
    })
}
