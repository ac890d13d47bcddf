//! `cargo xtask test`.

use anyhow::Result;
use clap::Args;

use crate::debian;
use crate::engine::{Engine, engine};
use crate::exec::{Cargo, say, target_dir};

/// The generations that are tested when none is named: the machine's own and Debian 13's.
const DEFAULT_ENGINES: [&str; 2] = ["machine", "26.1"];

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Docker generations for the behaviour suite: `machine`, `20.10`, `26.1`, `28.5`.
    #[arg(long = "docker", value_name = "GENERATION")]
    engines: Vec<String>,
    /// Only the behaviour suite.
    #[arg(long)]
    behaviour: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        debian::install(debian::HOST)?;
        Cargo::new("build").args(["--locked", "--bin", "kuryr"]).run()?;
        if !self.behaviour {
            Cargo::new("test")
                .args(["--locked", "--workspace", "--exclude", "behaviour"])
                .args(self.filter.iter())
                .run()?;
        }
        let engines =
            if self.engines.is_empty() { DEFAULT_ENGINES.map(str::to_owned).to_vec() } else { self.engines };
        for word in engines {
            let (root, only) = match engine(&word)? {
                Engine::Machine => (String::new(), None),
                // The demo always uses the machine's engine.
                Engine::Root(path) => (path.to_string_lossy().into_owned(), Some(["--test", "suite"])),
            };
            say(&format!("Behaviour suite against Docker `{word}`"));
            Cargo::new("test")
                .args(["--locked", "--package", "behaviour"])
                .args(only.iter().flatten())
                .args(self.filter.iter())
                .env("KURYR_TEST_BINARY", target_dir().join("debug/kuryr"))
                .env("KURYR_TEST_ROOT", root)
                .run()?;
        }
        Ok(())
    }
}
