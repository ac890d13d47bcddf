//! `lab openstack image | up | down | status | check | run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lab::openstack::{self, UpOptions};

#[derive(Debug, Parser)]
#[command(
    name = "lab",
    about = "Real services on this machine, each lab in a private host without a way out"
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
        /// The unpacked Debian below.
        base: PathBuf,
        /// The layer's directory.
        layer: PathBuf,
    },
}

fn main() -> ExitCode {
    private_host::intercept();
    match run(Arguments::parse().lab) {
        Ok(code) => code,
        Err(error) => {
            debian_root::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(Lab::Openstack { action }: Lab) -> Result<ExitCode> {
    match action {
        Openstack::Image => openstack::image().map(drop)?,
        Openstack::Up(options) => openstack::up(&options)?,
        Openstack::Down => openstack::down()?,
        Openstack::Status { json } => openstack::status(json)?,
        Openstack::Check => openstack::check()?,
        Openstack::Run { command } => return openstack::run(&command),
        Openstack::Supervise(options) => openstack::supervise(&options)?,
        Openstack::InstallPackages { base, layer } => openstack::install_packages(&base, &layer)?,
    }
    Ok(ExitCode::SUCCESS)
}
