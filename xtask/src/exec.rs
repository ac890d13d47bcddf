//! Running other programs, visibly.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Prints a line on standard error, where it does not mix with results.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Fails unless we are root: namespaces, links, mounts and packages need it.
pub(crate) fn require_root() -> Result<()> {
    let owner = std::fs::metadata("/proc/self").context("cannot tell who we are")?.uid();
    if owner != 0 {
        bail!("this makes namespaces, links and mounts and may install packages: run it as root");
    }
    Ok(())
}

/// The workspace's root.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// Cargo's target directory.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A program with its arguments, run in the workspace's root.
#[derive(Debug)]
pub(crate) struct Program {
    name: OsString,
    command: Command,
}

impl Program {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name.as_ref());
        command.current_dir(workspace());
        Self { name: name.as_ref().to_owned(), command }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs it with our terminal; its failure is ours.
    pub(crate) fn run(mut self) -> Result<()> {
        let line: Vec<String> = self.command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let name = self.name.to_string_lossy().into_owned();
        say(&format!("$ {name} {}", line.join(" ")));
        let status = self.command.status().with_context(|| format!("cannot start {name}"))?;
        if !status.success() {
            bail!("{name} {} ended with {status}", line.join(" "));
        }
        Ok(())
    }

    /// Runs it quietly and returns what it prints.
    pub(crate) fn output(mut self) -> Result<String> {
        let name = self.name.to_string_lossy().into_owned();
        let output = self.command.output().with_context(|| format!("cannot start {name}"))?;
        if !output.status.success() {
            bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A cargo command of the toolchain that runs us.
#[derive(Debug)]
pub(crate) struct Cargo(Program);

impl Cargo {
    pub(crate) fn new(verb: &str) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self(Program::new(cargo).arg(verb))
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
}
