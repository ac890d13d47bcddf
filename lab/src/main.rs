//! `lab openstack image | up | down | status | check | run` and `lab vm image | run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lab::openstack::{self, UpOptions};
use lab::vm::{self, Kind, RunOptions, emulated};

#[derive(Debug, Parser)]
#[command(
    name = "lab",
    about = "Real services and guests on this machine, each lab in a private host without a way out"
)]
struct Arguments {
    #[command(subcommand)]
    lab: Lab,
}

#[derive(Debug, Subcommand)]
enum Lab {
    /// Keystone, Neutron and Open vSwitch.
    Openstack {
        #[command(subcommand)]
        action: Openstack,
    },
    /// Guests: machines with a kernel of their own.
    Vm {
        #[command(subcommand)]
        action: Vm,
    },
}

#[derive(Debug, Subcommand)]
enum Openstack {
    /// Prepares what `up` starts from: packages, databases, users. Does nothing when it is up to date.
    Image,
    /// Starts the lab and waits until ports can be bound. Does nothing when it runs.
    Up(UpOptions),
    /// Ends the lab; only logs and the image stay.
    Down,
    /// What runs, and how much memory it takes.
    Status {
        /// What users of the lab need, as one JSON object; fails when the lab is not up.
        #[arg(long)]
        json: bool,
    },
    /// Proves that packets flow between two ports, and that security groups stop them.
    Check,
    /// Runs a command inside.
    Run {
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Owns the running lab; started by `up`.
    #[command(hide = true)]
    Supervise(UpOptions),
    /// Installs the packages into a mounted layer; started by `image`.
    #[command(hide = true)]
    InstallPackages {
        /// The layer's directory.
        layer: PathBuf,
        /// What it lies over.
        below: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Vm {
    /// Prepares what guests boot from. Does nothing when it is up to date.
    Image {
        /// What the guests are made for; may be repeated.
        #[arg(value_enum, default_value = "host")]
        kinds: Vec<Kind>,
        /// Instead, for those that are emulated, which have layers of their own.
        #[arg(long)]
        emulated: bool,
    },
    /// Runs commands in a fresh guest.
    Run(RunOptions),
    /// Installs the packages into a mounted layer; started by `image`.
    #[command(hide = true)]
    InstallPackages {
        /// What the guests are made for.
        kind: Kind,
        /// The layer's directory.
        layer: PathBuf,
        /// What it lies over, the uppermost first.
        below: Vec<PathBuf>,
    },
    /// Makes the disk of the packages; started by `image`.
    #[command(hide = true)]
    MakeBoot {
        /// What the guests are made for.
        kind: Kind,
        /// The layer's directory.
        layer: PathBuf,
        /// What it lies over, the uppermost first.
        below: Vec<PathBuf>,
    },
    /// A part of `image --emulated` that is started by it.
    #[command(hide = true)]
    MakeEmulated {
        /// Which.
        step: emulated::Step,
        /// The layer's directory.
        layer: PathBuf,
        /// What it lies over, the uppermost first.
        below: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    vm::intercept();
    private_host::intercept();
    match run(Arguments::parse().lab) {
        Ok(code) => code,
        Err(error) => {
            debian_root::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(lab: Lab) -> Result<ExitCode> {
    match lab {
        Lab::Openstack { action } => run_openstack(action),
        Lab::Vm { action } => run_vm(action),
    }
}

fn run_openstack(action: Openstack) -> Result<ExitCode> {
    match action {
        Openstack::Image => openstack::image().map(drop)?,
        Openstack::Up(options) => openstack::up(&options)?,
        Openstack::Down => openstack::down()?,
        Openstack::Status { json } => openstack::status(json)?,
        Openstack::Check => openstack::check()?,
        Openstack::Run { command } => return openstack::run(&command),
        Openstack::Supervise(options) => openstack::supervise(&options)?,
        Openstack::InstallPackages { layer, below } => openstack::install_packages(&layer, &below)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_vm(action: Vm) -> Result<ExitCode> {
    match action {
        Vm::Image { emulated: true, .. } => emulated::image()?,
        Vm::Image { kinds, .. } => kinds.into_iter().try_for_each(|kind| vm::image(kind).map(drop))?,
        Vm::Run(options) => return vm::run(&options),
        Vm::InstallPackages { kind, layer, below } => vm::install_packages(kind, &layer, &below)?,
        Vm::MakeEmulated { step, layer, below } => emulated::make(step, &layer, &below)?,
        Vm::MakeBoot { kind, layer, below } => vm::make_boot(kind, &layer, &below)?,
    }
    Ok(ExitCode::SUCCESS)
}
