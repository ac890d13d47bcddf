//! The behaviour suite. Each case drives Docker's own client against a world of real parts and is followed by a look
//! for anything left behind, missing or changed. See `CONTRIBUTING.md` for how to run one case.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a case may panic, that fails it, and tell its time"
)]

mod addresses;
mod adopted;
mod attributes;
mod bad_input;
mod binding;
mod budgets;
mod crashes;
mod defects;
mod expose;
mod faults;
mod foreign_ipam;
mod gc;
mod lifecycle;
mod machine;
mod networks;
mod pools;
mod serving;
mod several_hosts;
mod shares;
mod shares_failing;
mod skips;
mod slides;
mod takeover;
mod tls;
mod turns;
mod volume_commands;
mod volume_faults;
mod volume_options;
mod volume_patience;
mod volumes;
mod volumes_in_server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use private_host::Root;
use testkit::{CloudKind, Skipped, World, WorldOptions};

/// A case: its name is a sentence, its body gets a world that is clean.
pub(crate) type Case = (&'static str, fn(&mut World) -> Result<()>);

/// Worlds at rest. One serves many cases, one after the other; after a failed one it is thrown away.
static WORLDS: Mutex<Vec<World>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    match turns::threads() {
        Ok(threads) => arguments.test_threads = Some(arguments.test_threads.unwrap_or(threads).min(threads)),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    }
    let cases = [
        // First, so that the others run meanwhile.
        volume_patience::CASES,
        networks::CASES,
        addresses::CASES,
        adopted::CASES,
        attributes::CASES,
        foreign_ipam::CASES,
        pools::CASES,
        several_hosts::CASES,
        takeover::CASES,
        expose::CASES,
        volumes::CASES,
        volume_commands::CASES,
        volume_options::CASES,
        volume_faults::CASES,
        volumes_in_server::CASES,
        shares::CASES,
        shares_failing::CASES,
        binding::CASES,
        budgets::CASES,
        bad_input::CASES,
        lifecycle::CASES,
        serving::CASES,
        tls::CASES,
        slides::CASES,
        crashes::CASES,
        faults::CASES,
        gc::CASES,
        machine::traffic::CASES,
        machine::pairs::CASES,
        machine::limits::CASES,
        machine::starting::CASES,
        machine::looking::CASES,
        machine::many::CASES,
        machine::kernel::CASES,
        machine::failing::CASES,
        defects::networks::CASES,
        defects::ports::CASES,
        defects::containers::CASES,
        defects::process::CASES,
    ];
    // An engine that has run the suite on real services needs only the rest here.
    let rest = std::env::var_os("KURYR_TEST_REST").is_some();
    let unpacked = std::env::var_os("KURYR_TEST_ROOT").is_some_and(|root| !root.is_empty());
    let trials = cases
        .concat()
        .into_iter()
        .filter(|(name, _)| !rest || skips::left_to_devcloud(name))
        .filter(|(name, _)| !unpacked || !skips::needs_the_machine(name))
        .map(|(name, case)| Trial::ignorable_test(name, move || run(name, case)))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    worlds().clear();
    conclusion.exit_code()
}

fn run(name: &str, case: fn(&mut World) -> Result<()>) -> Result<Completion, Failed> {
    let _turn = turns::take(name);
    let at_rest = worlds().pop();
    let mut world = match at_rest {
        Some(world) => world,
        None => World::start(&options()?).map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let started = std::time::Instant::now();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let before = world.inventory()?;
        case(&mut world)?;
        world.cloud.clear_faults()?;
        world.expect_clean(&before)
    }));
    if std::env::var_os("KURYR_TEST_TIMES").is_some() {
        eprintln!("{:>6.1} s {name}", started.elapsed().as_secs_f32());
    }
    let skipped = match &outcome {
        Ok(Err(error)) => error.downcast_ref::<Skipped>().map(|skipped| skipped.reason.clone()),
        _ => None,
    };
    if let (Ok(Ok(())), _) | (_, Some(_)) = (&outcome, &skipped) {
        let kind = world.kind();
        worlds().push(world);
        skips::check(kind, name, skipped.is_some())?;
        if let Some(reason) = skipped {
            eprintln!("skipped on {kind}: {name}: {reason}");
            return Ok(Completion::ignored_with(reason));
        }
        return Ok(Completion::Completed);
    }
    let failure = match outcome {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    if std::env::var_os("KURYR_TEST_TIMES").is_some() {
        eprintln!("{failure}");
    }
    let tail = |text: String| {
        text.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    Err(Failed::from(format!(
        "{name}: {failure}\n--- plugin ---\n{}\n--- cloud ---\n{}",
        tail(world.plugin_log()),
        tail(world.cloud_log())
    )))
}

fn worlds() -> MutexGuard<'static, Vec<World>> {
    WORLDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn options() -> Result<WorldOptions> {
    let kuryr = std::env::var_os("KURYR_TEST_BINARY").map(PathBuf::from);
    let kuryr = kuryr.context("KURYR_TEST_BINARY is not set; run `cargo xtask test`")?;
    let root = match std::env::var_os("KURYR_TEST_ROOT").filter(|r| !r.is_empty()) {
        Some(tree) => Root::Tree(tree.into()),
        None => Root::Machine,
    };
    Ok(WorldOptions { kuryr, root, cloud: CloudKind::from_environment()? })
}
