//! A private container host: its own mounts, network, processes and host name on this machine, with **no default
//! route**, so that nothing a demo or a test does can leave the machine or disturb it.
//!
//! The host is a process tree whose pid 1 is this very executable, started again: a program that uses
//! [`PrivateHost`] calls [`intercept`] as the first thing in `main`. The tree ends when its owner ends, however the
//! owner ends, because pid 1 exits when the pipe to the owner closes; with it go its mounts, links and containers.

mod directory;
mod docker;
mod error;
mod image;
mod init;
mod leftovers;
mod place;
mod process;
mod root;

pub use directory::remove_directory;
pub use docker::{Docker, DockerOptions};
pub use error::Error;
pub use image::remove_cgroups;
pub use init::intercept;
pub use leftovers::remove_leftovers;
pub use place::Place;
pub use process::HostProcess;
pub use root::{Root, Settings};

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Result of a private host operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A running private host. Dropping it ends everything inside.
#[derive(Debug)]
pub struct PrivateHost {
    init: Child,
    pid: u32,
    dir: PathBuf,
}

impl PrivateHost {
    /// Starts a host and waits until it is ready.
    ///
    /// # Errors
    /// When the namespaces or mounts cannot be made (this needs root), with the step that failed.
    pub fn start(settings: &Settings) -> Result<Self> {
        for sub in ["", "root", "upper", "work", "docker"] {
            let path = settings.dir.join(sub);
            std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))?;
        }
        let text = serde_json::to_string(settings).map_err(|e| Error::Init { reason: e.to_string() })?;
        let mut init = Command::new("/proc/self/exe")
            .args([init::OUTER, &text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Error::io("start", "/proc/self/exe", e))?;
        let pid = read_ready(&mut init);
        match pid {
            Ok(pid) => Ok(Self { init, pid, dir: settings.dir.clone() }),
            Err(error) => {
                drop(init.stdin.take());
                let _ = init.wait();
                Err(error)
            }
        }
    }

    /// Pid of the host's first process, in our own pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory of this host on the machine.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The host as a place to run things in.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::inside(self.pid, &self.dir)
    }

    /// A command that will run inside the host.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.place().command(program)
    }

    /// Starts a long-running process inside the host, its output appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: &str, args: &[&str], log: &Path) -> Result<HostProcess> {
        self.place().spawn(program, args, log)
    }

    /// Ends the host and waits until it is gone.
    pub fn stop(&mut self) {
        drop(self.init.stdin.take());
        let _ = self.init.wait();
    }
}

impl Drop for PrivateHost {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read_ready(init: &mut Child) -> Result<u32> {
    let gone = || Error::Init { reason: "the first process ended before it was ready".into() };
    let mut line = String::new();
    let stdout = init.stdout.take().ok_or_else(gone)?;
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|e| Error::io("read from", "the first process", e))?;
    match line.trim_end().split_once(' ') {
        Some(("ready", pid)) => pid.parse().map_err(|_| gone()),
        Some(("failed", reason)) => Err(Error::Init { reason: reason.to_owned() }),
        _ => Err(gone()),
    }
}
