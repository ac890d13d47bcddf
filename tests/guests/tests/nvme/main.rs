//! Volumes over NVMe/TCP: an emulated guest, whose kernel can do that, is target, real Cinder and container host in one.
//! See `docs/lab.md`.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a case may panic, that fails it, and tell its time"
)]

mod cinder;
mod kernel;
mod machine;
mod volumes;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use machine::Machine;

/// A case: its name is a sentence.
pub(crate) type Case = (&'static str, fn(&mut Machine) -> Result<()>);

/// One machine serves all cases, in their order; after a failed one it is thrown away.
static STAGE: Mutex<Option<Machine>> = Mutex::new(None);

fn main() -> ExitCode {
    lab::vm::intercept();
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = [kernel::CASES, cinder::CASES, volumes::CASES]
        .concat()
        .into_iter()
        .map(|(name, case)| Trial::test(name, move || run(name, case)))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(STAGE.lock().map(|mut stage| stage.take()));
    conclusion.exit_code()
}

fn run(name: &str, case: fn(&mut Machine) -> Result<()>) -> Result<(), Failed> {
    let mut slot = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut machine = match slot.take() {
        Some(machine) => machine,
        None => Machine::start().map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let ready = started.elapsed();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        case(&mut machine)?;
        machine.expect_nothing_held()
    }));
    let failure = match outcome {
        Ok(Ok(())) => {
            *slot = Some(machine);
            let (all, boot) = (started.elapsed().as_secs_f32(), ready.as_secs_f32());
            tell(&format!("{all:>6.1} s, {boot:.1} s of it for the machine: {name}"));
            return Ok(());
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    let failure = format!("{name}: {failure}\n{}", machine.logs());
    tell(&failure);
    Err(Failed::from(failure))
}

fn tell(line: &str) {
    if std::env::var_os("KURYR_TEST_TIMES").is_some() {
        eprintln!("{line}");
    }
}
