//! Starts 1, 8 and 32 containers at once, with 0 and 50 ms added to each call of Neutron, beside Docker's own bridge
//! driver, and a few more with ten thousand ports in the project. Prints a table, or with `--json` one object, and
//! writes a plot.

mod log;
mod measure;
mod plot;
mod report;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use private_host::Root;
use testkit::{CloudKind, World, WorldOptions};

fn main() -> ExitCode {
    private_host::intercept();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
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
    let rows = measure::all(&mut World::start(&options)?)?;
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", report::json(&rows))?;
    } else {
        write!(out, "{}", report::table(&rows))?;
    }
    if let Some(file) = plot {
        std::fs::write(&file, plot::draw(&rows)).with_context(|| format!("write {}", file.display()))?;
        writeln!(std::io::stderr(), "the plot is in {}", file.display())?;
    }
    Ok(())
}
