//! Developer tasks: `cargo xtask demo | test | lab | lint | bench | package`.

mod engine;
mod exec;
mod lab;
mod lint;
mod package;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use debian_root as debian;

use crate::exec::Cargo;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Demo, tests and checks; each installs what it needs and says so first"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Containers on Neutron networks and Cinder volumes, on the embedded development cloud.
    Demo {
        /// Passed on to `kuryr demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Every test; the behaviour suite runs against each Docker generation that can be had.
    Test(test::Test),
    /// Real services on this machine, for the tests.
    Lab {
        #[command(subcommand)]
        lab: lab::Lab,
    },
    /// What an administrator installs.
    Package {
        #[command(subcommand)]
        package: package::Package,
    },
    /// Formatting, clippy with warnings denied, documentation, dependency policy.
    Lint,
    /// Counts and measurements, printed as a table or, with `--json`, as one object.
    Bench {
        /// What to measure.
        #[arg(value_enum)]
        what: Bench,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Bench {
    /// Calls to the cloud for each Docker operation; memory and start of the plugin.
    Calls,
    /// Containers started at once, with a slow Neutron and with many ports; draws docs/network-performance.svg.
    Network,
    /// Calls and times of volumes, with a slow Cinder and with many volumes; draws docs/volume-performance.svg.
    Volume,
    /// Packets between two guests on real Neutron: on the bare link and between containers in each mode.
    DataPath,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            exec::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo { arguments } => {
            debian::install(debian::HOST)?;
            Cargo::new("build").args(["--release", "--locked", "--bin", "kuryr"]).run()?;
            exec::program(exec::target_dir().join("release/kuryr")).arg("demo").args(arguments).run()
        }
        Task::Test(test) => test.run(),
        Task::Lab { lab } => lab.run(),
        Task::Package { package } => package.run(),
        Task::Lint => lint::run(),
        Task::Bench { what, json } => what.run(json),
    }
}

impl Bench {
    fn run(self, json: bool) -> Result<()> {
        debian::install(debian::HOST)?;
        Cargo::new("build").args(["--release", "--locked", "--bin", "kuryr"]).run()?;
        let kuryr = exec::target_dir().join("release/kuryr");
        let (binary, plot) = match self {
            Self::Calls => ("bench-calls", None),
            Self::Network => ("bench-network", Some(["--plot", "docs/network-performance.svg"])),
            Self::Volume => ("bench-volume", Some(["--plot", "docs/volume-performance.svg"])),
            Self::DataPath => return lab::bench_data_path(&kuryr, json),
        };
        Cargo::new("run")
            .args(["--quiet", "--release", "--locked", "--package", "behaviour", "--bin", binary, "--"])
            .args(["--kuryr".to_owned(), kuryr.to_string_lossy().into_owned()])
            .args(plot.into_iter().flatten())
            .args(json.then_some("--json"))
            .run()
    }
}
