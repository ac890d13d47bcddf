//! Counts the calls of Cinder in the life of a volume, times mounts through the plugin's socket with a cloud that answers
//! at once and a slow one, and answers about volumes when there are many. Prints tables, or with `--json` one object,
//! writes a plot, and fails when a budget is exceeded.

mod budgets;
mod calls;
mod known;
mod log;
mod mounts;
mod plot;
mod report;
mod socket;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use private_host::Root;
use testkit::{CloudKind, World, WorldOptions};

/// Everything that was measured.
#[derive(Debug)]
struct Measured {
    calls: Vec<calls::Counted>,
    mounts: Vec<mounts::Timed>,
    known: known::Known,
}

fn main() -> ExitCode {
    private_host::intercept();
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut kuryr, mut plot, mut as_json) = (None, None, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--kuryr" => kuryr = rest.next().map(PathBuf::from),
            "--plot" => plot = rest.next().map(PathBuf::from),
            "--json" => as_json = true,
            other => bail!("unknown argument {other}; use --kuryr FILE [--plot FILE] [--json]"),
        }
    }
    let kuryr = kuryr.context("--kuryr FILE is needed")?;
    let options = WorldOptions { kuryr, root: Root::Machine, cloud: CloudKind::DevCloud };
    let mut world = World::start(&options)?;
    let measured = Measured {
        calls: calls::count(&world)?,
        mounts: mounts::measure(&world)?,
        known: known::measure(&mut world)?,
    };
    let lines = budgets::lines(&measured);
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", report::json(&measured, &lines))?;
    } else {
        write!(out, "{}", report::tables(&measured, &lines))?;
    }
    if let Some(file) = plot {
        std::fs::write(&file, plot::draw(&measured.mounts))
            .with_context(|| format!("write {}", file.display()))?;
        writeln!(std::io::stderr(), "the plot is in {}", file.display())?;
    }
    Ok(lines.iter().all(budgets::Line::holds))
}
