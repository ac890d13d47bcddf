//! Running other programs in the workspace.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use debian_root::Program;

pub(crate) use debian_root::say;

/// A program, to be run in the workspace's root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Program {
    Program::new(name).directory(workspace())
}

/// The workspace's root.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// Cargo's target directory.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A cargo command of the toolchain that runs us.
#[derive(Debug)]
pub(crate) struct Cargo(Program);

impl Cargo {
    pub(crate) fn new(verb: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self(program(cargo).arg(verb))
    }

    pub(crate) fn args(self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self(self.0.args(args))
    }

    pub(crate) fn env(self, key: &str, value: impl AsRef<OsStr>) -> Self {
        Self(self.0.env(key, value))
    }

    pub(crate) fn run(self) -> Result<()> {
        self.0.run()
    }

    /// What it prints.
    pub(crate) fn output(self) -> Result<String> {
        self.0.output()
    }
}
