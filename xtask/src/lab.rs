//! `cargo xtask lab`.

mod swarm;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Subcommand, ValueEnum};
use debian_root::Program;
use serde::Deserialize;

use crate::debian;
use crate::exec::{Cargo, program, target_dir};

/// Which lab.
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Real Keystone, Neutron and Open vSwitch in a private host; see `docs/lab.md`.
    Openstack {
        /// What to do.
        #[command(subcommand)]
        action: Action,
    },
    /// Several engines joined as a swarm on one wire, with the managed plugin; see `docs/lab.md`.
    Swarm {
        /// What to do.
        #[command(subcommand)]
        action: swarm::Swarm,
    },
    /// Guests with a kernel of their own, for containers inside instances; see `docs/lab.md`.
    Vm {
        /// What to do.
        #[command(subcommand)]
        action: Vm,
    },
}

/// What to do with guests.
#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    /// Prepares what guests boot from. Does nothing when it is up to date.
    Image {
        /// What the guests are made for: `host`, which is meant without it, `storage`; or several.
        kinds: Vec<String>,
        /// Instead, for those that are emulated, which have layers of their own.
        #[arg(long)]
        emulated: bool,
    },
    /// Runs commands in a fresh guest.
    Run {
        /// `--kind storage`, `--emulated`, `--share DIRECTORY`, `--memory MIB`, `--limit SECONDS`, and the commands.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// `openstack up` and `image` if needed, then containers inside guests on it.
    Test {
        /// Which part; without it, all.
        #[arg(value_enum)]
        part: Option<Part>,
        /// Only cases whose name contains this.
        filter: Option<String>,
        /// Without what runs in an emulated guest, which takes many minutes.
        #[arg(long)]
        no_emulated: bool,
    },
}

/// A part of the tests with guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Containers' ports inside instances.
    Network,
    /// Volumes and shares in instances, with real Cinder and real Manila.
    Storage,
    /// Volumes over NVMe/TCP, in an emulated guest.
    Nvme,
    /// What connects volumes to a host, alone in a guest: iSCSI, and in an emulated one NFS and NVMe/TCP.
    Connectors,
}

/// What to do with the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Prepares what `up` starts from: packages, databases, users. Does nothing when it is up to date.
    Image,
    /// Starts the lab and waits until ports can be bound. Does nothing when it runs.
    Up {
        /// Also Neutron's DHCP agent.
        #[arg(long)]
        dhcp: bool,
    },
    /// Ends the lab; only logs and the image stay.
    Down,
    /// What runs, and how much memory it takes.
    Status,
    /// Proves that packets flow between two ports, and that security groups stop them; `up` first.
    Check,
    /// `up` if needed, the check, then the behaviour suite on it.
    Test {
        /// Only cases whose name contains this.
        filter: Option<String>,
    },
    /// Runs a command inside.
    Run {
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

impl Lab {
    pub(crate) fn run(self) -> Result<()> {
        if let Self::Swarm { action } = self {
            return action.run();
        }
        debian::install(debian::LAB)?;
        Cargo::new("build").args(["--quiet", "--locked", "--package", "lab"]).run()?;
        match self {
            Self::Openstack { action } => action.run(),
            Self::Vm { action } => action.run(),
            Self::Swarm { action } => action.run(),
        }
    }
}

impl Vm {
    fn run(self) -> Result<()> {
        match self {
            Self::Image { emulated: true, .. } => emulated_image(),
            Self::Image { kinds, .. } => binary().args(["vm", "image"]).args(kinds).run(),
            Self::Run { arguments } => Err(binary().args(["vm", "run"]).args(arguments).replace()),
            Self::Test { part, filter, no_emulated } => test(part, filter.as_deref(), !no_emulated),
        }
    }
}

/// The tests with guests; without a part, all of them.
fn test(part: Option<Part>, filter: Option<&str>, emulated: bool) -> Result<()> {
    ensure!(emulated || part != Some(Part::Nvme), "all of `nvme` runs in an emulated guest");
    let all = part.as_ref().map_or(Part::value_variants(), std::slice::from_ref);
    let parts: Vec<Part> = all.iter().copied().filter(|part| emulated || *part != Part::Nvme).collect();
    // The world around the guests has an engine, too.
    debian::install(debian::HOST)?;
    // Others have their services inside.
    if parts.iter().any(|part| matches!(part, Part::Network | Part::Storage)) {
        openstack(["up"])?;
    }
    let kinds: BTreeSet<&str> = parts.iter().flat_map(|part| part.kinds()).copied().collect();
    if !kinds.is_empty() {
        binary().args(["vm", "image"]).args(kinds).run()?;
    }
    if emulated && parts.iter().any(|part| matches!(part, Part::Nvme | Part::Connectors)) {
        emulated_image()?;
    }
    parts.into_iter().try_for_each(|part| crate::test::in_guests(part, filter, emulated))
}

impl Part {
    /// Of which guests, those that are emulated apart, it needs images.
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Network => &["host"],
            Self::Storage => &["host", "storage"],
            Self::Nvme => &[],
            // A target and an initiator in one guest.
            Self::Connectors => &["storage"],
        }
    }
}

impl Action {
    fn run(self) -> Result<()> {
        match self {
            Self::Image => openstack(["image"]),
            Self::Up { dhcp: false } => openstack(["up"]),
            Self::Up { dhcp: true } => openstack(["up", "--dhcp"]),
            Self::Down => openstack(["down"]),
            Self::Status => openstack(["status"]),
            Self::Check => openstack(["check"]),
            Self::Test { filter } => {
                // The suite's own needs.
                debian::install(debian::HOST)?;
                openstack(["up"])?;
                openstack(["check"])?;
                crate::test::on_openstack(filter.as_deref())
            }
            Self::Run { command } => openstack(["run", "--"].map(str::to_owned).into_iter().chain(command)),
        }
    }
}

/// Starts the lab unless it runs.
pub(crate) fn up() -> Result<()> {
    Lab::Openstack { action: Action::Up { dhcp: false } }.run()
}

/// Brings the lab up and has two guests measure what is between them.
pub(crate) fn bench_data_path(kuryr: &Path, json: bool) -> Result<()> {
    up()?;
    binary().args(["vm", "image"]).run()?;
    Cargo::new("run")
        .args(["--quiet", "--locked", "--package", "guests", "--bin", "bench-data-path", "--", "--kuryr"])
        .args([kuryr])
        .args(json.then_some("--json"))
        .run()
}

/// Where the lab that is up is.
#[derive(Debug, Deserialize)]
pub(crate) struct Running {
    /// First process of its host.
    pub(crate) pid: u32,
    /// A directory with the same path inside and outside.
    pub(crate) share: PathBuf,
    /// Keystone's address inside.
    pub(crate) identity: String,
    /// Neutron's address inside.
    pub(crate) networking: String,
}

/// The lab that is up.
pub(crate) fn running() -> Result<Running> {
    let told = binary().args(["openstack", "status", "--json"]).output()?;
    serde_json::from_str(&told).context("the lab's own description")
}

/// What emulated guests boot from.
fn emulated_image() -> Result<()> {
    binary().args(["vm", "image", "--emulated"]).run()
}

fn openstack(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    binary().arg("openstack").args(args).run()
}

fn binary() -> Program {
    program(target_dir().join("debug/lab"))
}
