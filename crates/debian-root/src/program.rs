//! Running other programs, visibly.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Error, Result, bail};

/// Prints a line on standard error, where it does not mix with results.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Fails unless we are root: namespaces, links, mounts and packages need it.
///
/// # Errors
/// When we are not.
pub fn require_root() -> Result<()> {
    let owner = std::fs::metadata("/proc/self").context("cannot tell who we are")?.uid();
    if owner != 0 {
        bail!("this makes namespaces, links and mounts and may install packages: run it as root");
    }
    Ok(())
}

/// A program with its arguments.
#[derive(Debug)]
pub struct Program {
    name: OsString,
    command: Command,
}

impl Program {
    /// A program found on the path.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self { name: name.as_ref().to_owned(), command: Command::new(name.as_ref()) }
    }

    /// A program that makes mounts and starts others: all of it is seen by nobody else and ends with it, and it with us,
    /// however we end.
    pub fn contained(name: impl AsRef<OsStr>) -> Self {
        let unshare =
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"];
        Self::new("setpriv").args(["--pdeathsig", "KILL"]).args(unshare).arg(name)
    }

    /// Where it runs; else where we do.
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs it with our terminal; its failure is ours.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(mut self) -> Result<()> {
        let line: Vec<String> = self.command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let name = self.name.to_string_lossy().into_owned();
        say(&format!("$ {name} {}", line.join(" ")));
        let status = self.command.status().with_context(|| format!("cannot start {name}"))?;
        if !status.success() {
            bail!("{name} {} ended with {status}", line.join(" "));
        }
        Ok(())
    }

    /// Becomes it: its terminal is ours and its exit status, too. Comes back only when it cannot be started.
    #[must_use]
    pub fn replace(mut self) -> Error {
        let name = self.name.to_string_lossy().into_owned();
        Error::from(self.command.exec()).context(format!("cannot start {name}"))
    }

    /// Runs it quietly and returns what it prints.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it prints on standard error.
    pub fn output(mut self) -> Result<String> {
        let name = self.name.to_string_lossy().into_owned();
        let output = self.command.output().with_context(|| format!("cannot start {name}"))?;
        if !output.status.success() {
            bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
