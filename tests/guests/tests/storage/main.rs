//! Volumes and shares in guests, on real Cinder and real Manila. Each case gets the storage guest and two instances, and
//! is followed by a look for anything left behind in them or in the cloud. See `docs/lab.md` for how to run one case.

#![allow(clippy::print_stderr, reason = "a case may tell its time")]

mod containers;
mod services;
mod shares;
mod volumes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use guests::storage::{Catalogue, Cinder, Manila, Storage};
use guests::{Pair, PairOptions, Wiring, both, expect_inventory, expect_lines};
use lab::vm::Segment;
use libtest_mimic::{Arguments, Failed, Trial};
use private_host::Root;
use testkit::{CloudKind, World, WorldOptions};

/// A case: its name is a sentence.
pub(crate) type Case = (&'static str, fn(&mut Stage) -> Result<()>);

/// One stage serves all cases; after a failed one it is thrown away.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

/// What cases play on. The parts end in this order.
pub(crate) struct Stage {
    /// Two instances on the network for storage.
    pub(crate) pair: Pair,
    _catalogue: Catalogue,
    /// Cinder and Manila.
    pub(crate) storage: Storage,
    _segment: Segment,
    /// Everything around.
    pub(crate) world: World,
}

fn main() -> ExitCode {
    lab::vm::intercept();
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = [services::CASES, volumes::CASES, shares::CASES, containers::CASES];
    let trials =
        cases.concat().into_iter().map(|(name, case)| Trial::test(name, move || run(name, case))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(STAGE.lock().map(|mut stage| stage.take()));
    conclusion.exit_code()
}

fn run(name: &str, case: fn(&mut Stage) -> Result<()>) -> Result<(), Failed> {
    let mut slot = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut stage = match slot.take() {
        Some(stage) => stage,
        None => Stage::set().map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let ready = started.elapsed();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (cloud, held) = (stage.world.inventory()?, stage.held()?);
        case(&mut stage)?;
        expect_lines(&held, || stage.held())?;
        expect_inventory(&stage.world, &cloud)
    }));
    let failure = match outcome {
        Ok(Ok(())) => {
            let (all, ready) = (started.elapsed().as_secs_f32(), ready.as_secs_f32());
            tell(&format!("{all:>6.1} s, {ready:.1} s of it for guests: {name}"));
            *slot = Some(stage);
            return Ok(());
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    let failure = format!("{name}: {failure}\n{}\n{}", stage.pair.logs(), stage.storage.logs());
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
        let mut world = World::start(&options)?;
        let segment = Segment::make(world.host())?;
        let pair = PairOptions { wiring: Wiring::Plain, storage: Some(&segment), kuryr: &kuryr };
        let (mut storage, pair) = both(
            || Storage::start(&world, &segment),
            || {
                let pair = Pair::start(&world, &pair)?;
                pair.one.ready_for_storage()?;
                pair.two.ready_for_storage()?;
                Ok(pair)
            },
        )?;
        let catalogue = storage.open(&mut world)?;
        Ok(Self { pair, _catalogue: catalogue, storage, _segment: segment, world })
    }

    /// Cinder as the tenant sees it.
    pub(crate) fn cinder(&self) -> Result<Cinder> {
        Cinder::of(&self.world, "demo")
    }

    /// Engines and plugins of both instances.
    pub(crate) fn serve_volumes(&mut self) -> Result<()> {
        let (one, two) = (&mut self.pair.one, &mut self.pair.two);
        both(|| one.serve_volumes(), || two.serve_volumes()).map(drop)
    }

    /// Manila as the tenant sees it.
    pub(crate) fn manila(&self) -> Manila {
        Manila::of(&self.world, "demo")
    }

    fn held(&self) -> Result<Vec<String>> {
        let mut all = self.pair.held()?;
        for instance in [&self.pair.one, &self.pair.two] {
            all.extend(instance.held_storage()?);
        }
        all.extend(self.storage.held()?);
        all.extend(Cinder::of(&self.world, "admin")?.held()?);
        all.extend(Manila::of(&self.world, "admin").held()?);
        Ok(all)
    }
}
