//! Containers inside instances, on real services. Each case gets two instances and is followed by a look for anything
//! left behind in them or in Neutron. See `docs/lab.md` for how to run one case.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a case may panic, that fails it, and tell its time"
)]

mod containers;
mod machines;
mod ports;
mod security;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};
use guests::{Pair, PairOptions, Wiring, expect_inventory};
use libtest_mimic::{Arguments, Failed, Trial};
use private_host::Root;
use testkit::{CloudKind, World, WorldOptions};

/// A case: its name is a sentence, its body gets two instances whose first cards are wired like that.
pub(crate) type Case = (&'static str, Wiring, fn(&World, &mut Pair) -> Result<()>);

/// One world serves all cases, and so do the instances of each wiring; after a failed case they are thrown away.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

/// The instances end before the world they are in.
struct Stage {
    pairs: BTreeMap<&'static str, Pair>,
    world: World,
    kuryr: PathBuf,
}

fn main() -> ExitCode {
    lab::vm::intercept();
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = [machines::CASES, ports::CASES, containers::CASES, security::CASES];
    let trials = cases
        .concat()
        .into_iter()
        .map(|(name, wiring, case)| Trial::test(name, move || run(name, wiring, case)))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(STAGE.lock().map(|mut stage| stage.take()));
    conclusion.exit_code()
}

fn run(name: &str, wiring: Wiring, case: fn(&World, &mut Pair) -> Result<()>) -> Result<(), Failed> {
    let mut slot = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut stage = match slot.take() {
        Some(stage) => stage,
        None => Stage::set().map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let started = Instant::now();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (world, pair) = stage.pair(wiring)?;
        let ready = started.elapsed();
        let (cloud, held) = (world.inventory()?, pair.held()?);
        case(world, pair)?;
        pair.expect_held(&held)?;
        let ended = expect_inventory(world, &cloud);
        tell(&format!(
            "{:>6.1} s, {:.1} s of it for instances: {name}",
            started.elapsed().as_secs_f32(),
            ready.as_secs_f32()
        ));
        ended
    }));
    let failure = match outcome {
        Ok(Ok(())) => {
            *slot = Some(stage);
            return Ok(());
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    let logs: Vec<String> = stage.pairs.values().map(Pair::logs).collect();
    let failure = format!("{name}: {failure}\n{}", logs.join("\n"));
    tell(&failure);
    Err(Failed::from(failure))
}

fn tell(line: &str) {
    if std::env::var_os("KURYR_TEST_TIMES").is_some() {
        eprintln!("{line}");
    }
}

impl Stage {
    fn set() -> Result<Self> {
        let kuryr = std::env::var_os("KURYR_TEST_BINARY").map(PathBuf::from);
        let kuryr = kuryr.context("KURYR_TEST_BINARY is not set; run `cargo xtask lab vm test`")?;
        let options = WorldOptions { kuryr: kuryr.clone(), root: Root::Machine, cloud: CloudKind::OpenStack };
        Ok(Self { pairs: BTreeMap::new(), world: World::start(&options)?, kuryr })
    }

    fn pair(&mut self, wiring: Wiring) -> Result<(&World, &mut Pair)> {
        let name = match wiring {
            Wiring::Plain => "plain",
            Wiring::Trunk => "trunk",
        };
        if !self.pairs.contains_key(name) {
            let pair = Pair::start(&self.world, &PairOptions { wiring, storage: None, kuryr: &self.kuryr })?;
            self.pairs.insert(name, pair);
        }
        Ok((&self.world, self.pairs.get_mut(name).context("a pair that was not made")?))
    }
}
