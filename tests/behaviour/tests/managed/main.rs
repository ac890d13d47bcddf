//! Docker's managed plugins, as `cargo xtask package plugin` makes them, in a real engine that has none of them before and none
//! after each case.

#![allow(clippy::indexing_slicing, reason = "a case may panic, that fails it")]

mod networks;
mod plugin;
mod together;
mod volumes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use private_host::Root;
use testkit::{CloudKind, World, WorldOptions};

/// A case: its name is a sentence.
type Case = (&'static str, fn(&mut World) -> Result<()>);

static WORLD: Mutex<Option<World>> = Mutex::new(None);

fn main() -> ExitCode {
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = [networks::CASES, volumes::CASES, together::CASES].concat();
    let trials = cases.into_iter().map(|(name, case)| Trial::test(name, move || run(name, case))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(WORLD.lock().map(|mut world| world.take()));
    // What a killed engine's plugins were in outlives them, empty.
    private_host::remove_cgroups("/plugins.moby");
    conclusion.exit_code()
}

fn run(name: &str, case: fn(&mut World) -> Result<()>) -> Result<(), Failed> {
    let mut slot = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = match slot.take() {
        Some(world) => world,
        None => start().map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let before = world.inventory()?;
        case(&mut world)?;
        world.expect_clean(&before)?;
        let left = world.docker(&["plugin", "ls", "--quiet"])?;
        ensure!(left.is_empty(), "plugins are left: {left}");
        plugin::nobody_serves(&world)
    }));
    let failure = match outcome {
        Ok(Ok(())) => {
            *slot = Some(world);
            return Ok(());
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    let tail = |text: String| {
        text.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    let engine = std::fs::read_to_string(world.docker.log()).unwrap_or_default();
    Err(Failed::from(format!(
        "{name}: {failure}\n--- engine and plugins ---\n{}\n--- cloud ---\n{}",
        tail(engine),
        tail(world.cloud_log())
    )))
}

/// A world whose own plugin has gone before Docker ever asked for it.
fn start() -> Result<World> {
    let kuryr = std::env::var_os("KURYR_TEST_BINARY").map(PathBuf::from);
    let kuryr = kuryr.context("KURYR_TEST_BINARY is not set; run `cargo xtask test --managed`")?;
    let root = match std::env::var_os("KURYR_TEST_ROOT").filter(|r| !r.is_empty()) {
        Some(tree) => Root::Tree(tree.into()),
        None => Root::Machine,
    };
    let mut world = World::start(&WorldOptions { kuryr, root, cloud: CloudKind::DevCloud })?;
    ensure!(world.stop_plugin(), "the usual plugin did not end in order");
    Ok(world)
}
