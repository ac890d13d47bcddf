//! Where programs run: here, or inside a private host.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::init::INNER;
use crate::{Error, HostProcess, Result};

/// A place to run programs in, with a directory for what they leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    init: Option<u32>,
    dir: PathBuf,
}

impl Place {
    /// The place where this process itself runs.
    #[must_use]
    pub fn here(dir: &Path) -> Self {
        Self { init: None, dir: dir.to_owned() }
    }

    /// A place inside a host that another process of this machine owns, with a directory that both see at the same
    /// path. `init` is what [`crate::PrivateHost::pid`] said.
    ///
    /// # Errors
    /// When no private host has this first process (any more).
    pub fn join(init: u32, dir: &Path) -> Result<Self> {
        let path = format!("/proc/{init}/cmdline");
        let line = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
        // A pid may be somebody else's by now.
        if line.split(|b| *b == 0).nth(1) != Some(INNER.as_bytes()) {
            return Err(Error::Init { reason: format!("process {init} is not the first one of a host") });
        }
        Ok(Self::inside(init, dir))
    }

    pub(crate) fn inside(init: u32, dir: &Path) -> Self {
        Self { init: Some(init), dir: dir.to_owned() }
    }

    /// Pid of the host's first process, in our own pid namespace; none where this process itself runs.
    #[must_use]
    pub fn init(&self) -> Option<u32> {
        self.init
    }

    /// The place's directory on the machine.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A name for what is made outside the place on its behalf, such as control groups: its directory's.
    #[must_use]
    pub fn name(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where an engine in this place listens. Inside a host that is a path nobody outside sees; here it lies in the
    /// place's directory, reachable from the whole machine.
    pub(crate) fn engine_socket(&self) -> String {
        match self.init {
            Some(_) => "unix:///run/docker.sock".to_owned(),
            None => format!("unix://{}", self.dir.join("docker.sock").display()),
        }
    }

    /// A command that will run there.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let Some(init) = self.init else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(init.to_string());
        command.args(["--mount", "--net", "--pid", "--uts", "--ipc", "--", program]);
        command
    }

    /// Starts a long-running process there, its output appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: &str, args: &[&str], log: &Path) -> Result<HostProcess> {
        let mut command = self.command(program);
        command.args(args);
        HostProcess::spawn(command, self.init.is_some(), log)
    }
}
