//! The plugin killed and Neutron failing at every call a machine's container makes: as in `crashes.rs` and `faults.rs`.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{Fault, World};

use super::{await_pairs, on_macvlan, pair_of, port_of};
use crate::Case;
use crate::crashes::{NEUTRON, at_every_call};
use crate::defects::configured;
use crate::faults::{Operation, expire_late};
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("a_crash_during_run_in_a_machine_leaks_nothing", crash_run),
    ("a_crash_during_stop_in_a_machine_leaks_nothing", crash_stop),
    ("neutron_failing_during_run_in_a_machine", faults_run),
    ("neutron_failing_during_stop_in_a_machine", faults_stop),
    ("neutron_answering_too_late_in_a_machine", too_late),
];

const RUN: [&str; 11] = [
    "run",
    "--detach",
    "--name",
    "one",
    "--stop-timeout",
    "0",
    "--network",
    "foo",
    "busybox",
    "sleep",
    "1000",
];
const STOP: [&str; 4] = ["stop", "--time", "0", "one"];

/// What failed leaves a pair at most for a moment; that of the container that runs is there.
fn has_its_pair(world: &World) -> Result<()> {
    let (pairs, port) = (world.machines_pairs()?, port_of(world, "one")?);
    ensure!(pairs.contains(&pair_of(&port)), "{pairs:?} for {port}");
    Ok(())
}

fn after_run(world: &World) -> Result<()> {
    has_its_pair(world)?;
    world.remove("one")
}

fn after_stop(world: &World) -> Result<()> {
    world.docker(&["start", "one"])?;
    has_its_pair(world)
}

/// Nobody's pair is left, before the next crash.
fn after_crashed_run(world: &World) -> Result<()> {
    after_run(world)?;
    await_pairs(world, 0)
}

fn after_crashed_stop(world: &World) -> Result<()> {
    await_pairs(world, 0)?;
    after_stop(world)
}

fn crash_run(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| at_every_call(world, NEUTRON, &RUN, after_crashed_run))
}

fn crash_stop(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.docker(&RUN)?;
        at_every_call(world, NEUTRON, &STOP, after_crashed_stop)?;
        world.remove("one")
    })
}

fn faults_run(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        Operation { args: &RUN, reset: &after_run, removes: false, complete: true }.check(world)
    })
}

fn faults_stop(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.docker(&RUN)?;
        Operation { args: &STOP, reset: &after_stop, removes: true, complete: false }.check(world)?;
        world.remove("one")
    })
}

/// Each request is held for longer than the plugin waits, and then takes effect all the same.
fn too_late(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        configured(world, &[("neutron", "timeout = 1")], |world| {
            let late = |world: &World, method: &'static str, args: &[&str]| -> Result<()> {
                let path = "/networking/v2.0/ports*";
                let action = json!({"hold": "before"});
                world.cloud.fault(&Fault { method, path, nth: 1, count: 1, action })?;
                let output = world.docker.try_run(args)?;
                ensure!(!world.cloud.holds()?.is_empty(), "no {method} was held");
                world.cloud.clear_faults()?;
                if !output.status.success() {
                    let error = String::from_utf8_lossy(&output.stderr).into_owned();
                    ensure!(error.contains("no answer within 1 s"), "{error}");
                    if args.first() == Some(&"run") {
                        world.remove("one")?;
                    }
                    world.docker(args).context("the user's repetition")?;
                }
                Ok(())
            };
            for method in ["POST", "PUT"] {
                late(world, method, &RUN).and_then(|()| after_run(world)).context(method)?;
            }
            world.docker(&RUN)?;
            for method in ["PUT", "DELETE"] {
                late(world, method, &STOP).and_then(|()| after_stop(world)).context(method)?;
            }
            world.remove("one")
        })?;
        expire_late(world)
    })
}
