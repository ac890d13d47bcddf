//! `cargo xtask lab swarm`.

use anyhow::Result;
use clap::Subcommand;

use crate::debian;
use crate::engine::{Engine, engine};
use crate::exec::{Cargo, program, say, target_dir};
use crate::package::plugin::{self, Kind};

/// What to do with the swarm.
#[derive(Debug, Subcommand)]
pub(crate) enum Swarm {
    /// Starts three managers and two workers. Does nothing when they run.
    Up {
        /// Of which Docker generation: `machine`, `20.10`, `26.1`, `28.5`.
        #[arg(long, default_value = ENGINE)]
        docker: String,
    },
    /// Ends them.
    Down,
    /// Runs a command on a node.
    Run {
        /// The node, such as `m1` or `w2`, and the command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Turns a node off at once, or on again.
    Power {
        /// The node.
        node: String,
        /// `on` or `off`.
        state: String,
    },
    /// Cuts a node off from the others, or connects it again.
    Wire {
        /// The node.
        node: String,
        /// `on` or `off`.
        state: String,
    },
    /// What users may expect of a swarm; in a swarm of its own.
    Test {
        /// Of which Docker generation: `machine`, `20.10`, `26.1`, `28.5`.
        #[arg(long, default_value = ENGINE)]
        docker: String,
        /// Only cases whose name contains this.
        filter: Option<String>,
    },
}

/// Debian 13's.
const ENGINE: &str = "26.1";

impl Swarm {
    pub(super) fn run(self) -> Result<()> {
        let tell = |args: &[&str]| {
            Cargo::new("build").args(["--quiet", "--locked", "--package", "swarm"]).run()?;
            program(target_dir().join("debug/swarm-lab")).args(args).run()
        };
        match self {
            Self::Up { docker } => {
                let root = prepare(&docker)?;
                Cargo::new("build").args(["--quiet", "--locked", "--package", "swarm"]).run()?;
                program(target_dir().join("debug/swarm-lab"))
                    .arg("up")
                    .env("KURYR_TEST_BINARY", target_dir().join("debug/kuryr"))
                    .env("KURYR_TEST_PLUGINS", target_dir().join("plugin"))
                    .env("KURYR_TEST_ROOT", root)
                    .run()
            }
            Self::Down => tell(&["down"]),
            Self::Power { node, state } => tell(&["power", &node, &state]),
            Self::Wire { node, state } => tell(&["wire", &node, &state]),
            Self::Run { command } => {
                Err(program(target_dir().join("debug/swarm-lab")).arg("run").args(command).replace())
            }
            Self::Test { docker, filter } => {
                let root = prepare(&docker)?;
                say(&format!("A swarm of Docker `{docker}`"));
                Cargo::new("test")
                    .args(["--locked", "--package", "swarm", "--test", "suite"])
                    .args(filter)
                    .env("KURYR_TEST_BINARY", target_dir().join("debug/kuryr"))
                    .env("KURYR_TEST_PLUGINS", target_dir().join("plugin"))
                    .env("KURYR_TEST_ROOT", root)
                    .run()
            }
        }
    }
}

/// What the nodes are made of; the engines' root, empty for this machine's own.
fn prepare(docker: &str) -> Result<std::path::PathBuf> {
    debian::install(debian::HOST)?;
    let root = match engine(docker)? {
        Engine::Machine => std::path::PathBuf::new(),
        Engine::Root(path) => path,
    };
    Cargo::new("build").args(["--locked", "--bin", "kuryr"]).run()?;
    plugin::package(&[Kind::Kuryr], true)?;
    Ok(root)
}
