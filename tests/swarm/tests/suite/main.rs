//! What users of a swarm may expect: three managers, two workers, the managed plugin on each. Every case ends with a look for what
//! is left in Neutron and on the nodes.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a case may panic, that fails it, and tell its time"
)]

mod failing;
mod networks;
mod service;
mod services;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use private_host::Root;
use swarm::{Cluster, Options, wait_until};

/// A case: its name is a sentence.
type Case = (&'static str, fn(&mut Cluster) -> Result<()>);

/// One cluster serves all cases; after a failed one it is thrown away.
static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

fn main() -> ExitCode {
    private_host::intercept();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = [networks::CASES, services::CASES, failing::CASES].concat();
    // Docker forgets a swarm's network with a crash, and with it asks for the end of none of its endpoints: their ports and
    // records stay. The driver has no proof yet that they are nobody's.
    let known = failing::KNOWN
        .iter()
        .map(|(name, case)| Trial::test(*name, move || run(name, *case)).with_ignored_flag(true));
    let trials = cases
        .into_iter()
        .map(|(name, case)| Trial::test(name, move || run(name, case)))
        .chain(known)
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(CLUSTER.lock().map(|mut cluster| cluster.take()));
    conclusion.exit_code()
}

fn run(name: &str, case: fn(&mut Cluster) -> Result<()>) -> Result<(), Failed> {
    let mut slot = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let mut cluster = match slot.take() {
        Some(cluster) => cluster,
        None => options().and_then(|o| Cluster::start(&o)).map_err(|e| Failed::from(format!("{e:#}")))?,
    };
    let ready = started.elapsed();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let before = cluster.inventory()?;
        case(&mut cluster)?;
        expect_clean(&cluster, &before)
    }));
    let whole = started.elapsed();
    eprintln!("{:>6.1} s (start {:.1} s) {name}", whole.as_secs_f32(), ready.as_secs_f32());
    let failure = match outcome {
        Ok(Ok(())) => {
            *slot = Some(cluster);
            return Ok(());
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the case panicked, see above".to_owned(),
    };
    let logs: Vec<String> =
        cluster.nodes().iter().map(|node| format!("--- {} ---\n{}", node.name(), node.log(25))).collect();
    Err(Failed::from(format!("{name}: {failure}\n{}", logs.join("\n"))))
}

/// Neutron and the nodes hold what they held before, within a minute.
fn expect_clean(cluster: &Cluster, before: &[String]) -> Result<()> {
    wait_until(Duration::from_secs(60), "everything is given back", || {
        let now = cluster.inventory()?;
        ensure!(now == before, "in Neutron {now:#?}, before {before:#?}");
        for node in cluster.nodes() {
            let custom = node.docker(&["network", "ls", "--format", "{{.Driver}} {{.Name}}"])?;
            let left: Vec<&str> = custom.lines().filter(|line| line.contains("kuryr")).collect();
            ensure!(left.is_empty(), "networks on {}: {left:?}", node.name());
            let state = node.dir().join("plugin/state");
            for dir in std::fs::read_dir(&state)?.flatten().filter(|dir| dir.path().is_dir()) {
                let left: Vec<_> = std::fs::read_dir(dir.path())?.flatten().map(|e| e.path()).collect();
                ensure!(left.is_empty(), "journal on {}: {left:?}", node.name());
            }
        }
        Ok(())
    })
}

fn options() -> Result<Options> {
    let given = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        value.with_context(|| format!("{name} is not set; run `cargo xtask lab swarm test`"))
    };
    Ok(Options {
        kuryr: given("KURYR_TEST_BINARY")?,
        plugins: given("KURYR_TEST_PLUGINS")?,
        root: given("KURYR_TEST_ROOT").map_or(Root::Machine, Root::Tree),
        managers: 3,
        workers: 2,
        set: Vec::new(),
    })
}
