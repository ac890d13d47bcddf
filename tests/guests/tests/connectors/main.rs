//! The tests of the connectors that want a machine of their own, run in guests: those of the crate `host-storage` that are
//! ignored elsewhere. Each has a real target or server and a real initiator or client. See `docs/lab.md`.

#![allow(clippy::print_stderr, reason = "a case may tell its time")]

mod programs;
mod stage;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use programs::Case;
use stage::Stage;

/// One guest serves all cases that want the same; after a failed one it is thrown away.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

fn main() -> ExitCode {
    lab::vm::intercept();
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = match programs::cases() {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = cases.into_iter().map(|case| Trial::test(case.title(), move || run(&case))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(STAGE.lock().map(|mut stage| stage.take()));
    conclusion.exit_code()
}

fn run(case: &Case) -> Result<(), Failed> {
    let mut slot = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let failed = |error: anyhow::Error| Failed::from(format!("{}: {error:#}", case.title()));
    let stage = match slot.take().filter(|stage| stage.is_for(case)) {
        Some(stage) => stage,
        None => Stage::set(case).map_err(failed)?,
    };
    let ready = started.elapsed();
    if let Err(error) = stage.play(case) {
        let failure = failed(error.context(stage.console()));
        tell(failure.message().unwrap_or_default());
        return Err(failure);
    }
    *slot = Some(stage);
    let (all, ready) = (started.elapsed().as_secs_f32(), ready.as_secs_f32());
    tell(&format!("{all:>6.1} s, {ready:.1} s of it for the guest: {}", case.title()));
    Ok(())
}

fn tell(line: &str) {
    if std::env::var_os("KURYR_TEST_TIMES").is_some() {
        eprintln!("{line}");
    }
}
