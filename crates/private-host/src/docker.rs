//! A Docker engine inside a private host.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::{Error, HostProcess, Place, Result, image};

const LIVE_RESTORE: &str = "--live-restore";

/// How to start the engine.
#[derive(Debug, Clone, Default)]
pub struct DockerOptions {
    /// Keep containers running while the daemon is away.
    pub live_restore: bool,
}

/// A running `dockerd` and the client to talk to it.
#[derive(Debug)]
pub struct Docker {
    place: Place,
    socket: String,
    cgroup: String,
    args: Vec<String>,
    log: PathBuf,
    daemon: Option<HostProcess>,
}

impl Docker {
    /// Starts an engine and waits until it answers. Its data lies in the host's directory, its plugins are those of
    /// the host's own `/run/docker/plugins`.
    ///
    /// # Errors
    /// When it does not answer within 60 s; the text names its log.
    pub fn start(place: &Place, options: &DockerOptions) -> Result<Self> {
        let socket = place.engine_socket();
        let cgroup = format!("/{}", place.name());
        let mut args: Vec<String> = [
            "--host",
            &socket,
            "--data-root",
            &place.dir().join("docker").to_string_lossy(),
            "--pidfile",
            "/run/dockerd.pid",
            "--exec-opt",
            "native.cgroupdriver=cgroupfs",
            "--cgroup-parent",
            &cgroup,
            // The tour and the tests use Neutron networks only; the engine needs no bridge and no rules of its own.
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--userland-proxy=false",
        ]
        .map(str::to_owned)
        .to_vec();
        if options.live_restore {
            args.push(LIVE_RESTORE.into());
        }
        let log = place.dir().join("dockerd.log");
        let mut docker = Self { place: place.clone(), socket, cgroup, args, log, daemon: None };
        docker.launch()?;
        Ok(docker)
    }

    /// An engine that runs already and is not ours to end.
    #[must_use]
    pub fn existing(place: &Place, socket: &str) -> Self {
        let (cgroup, log) = (String::new(), PathBuf::new());
        Self { place: place.clone(), socket: socket.to_owned(), cgroup, args: Vec::new(), log, daemon: None }
    }

    /// Where the engine listens, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// Starts the daemon again after [`Docker::kill`].
    ///
    /// # Errors
    /// As [`Docker::start`].
    pub fn launch(&mut self) -> Result<()> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let mut daemon = self.place.spawn("dockerd", &args, &self.log)?;
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.try_run(&["version", "--format", "{{.Server.Version}}"])?;
            if answer.status.success() {
                break;
            }
            if Instant::now() > end || !daemon.is_running() {
                let reason = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                return Err(Error::NotReady { program: "dockerd".into(), reason, log: self.log.clone() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Whether the daemon, the next time it is started, leaves the containers alone that run by then.
    pub fn set_live_restore(&mut self, on: bool) {
        self.args.retain(|arg| arg != LIVE_RESTORE);
        if on {
            self.args.push(LIVE_RESTORE.into());
        }
    }

    /// Ends the daemon as a crash would.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop(Duration::from_secs(30));
        }
    }

    /// Where the daemon writes its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// A client command, ready for more arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(client());
        command.args(["--host", &self.socket]).args(args);
        command
    }

    /// Runs a client command and returns all of what came back.
    ///
    /// # Errors
    /// When the client cannot be started.
    pub fn try_run(&self, args: &[&str]) -> Result<Output> {
        self.command(args).output().map_err(|e| Error::io("start", "docker", e))
    }

    /// Runs a client command that must succeed and returns what it printed, trimmed.
    ///
    /// # Errors
    /// [`Error::Command`] with what it printed on standard error.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.try_run(args)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Error::Command {
            command: format!("docker {}", args.join(" ")),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Makes a small image from this machine's static busybox; no registry is needed.
    ///
    /// # Errors
    /// When busybox is missing or the engine refuses the import.
    pub fn import_busybox(&self, tag: &str) -> Result<()> {
        image::import(self, self.place.dir(), tag)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.kill();
        if !self.cgroup.is_empty() {
            image::remove_cgroups(&self.cgroup);
        }
    }
}

/// The client that came with the engine's package; another one on the path may be too new for the engine.
fn client() -> &'static str {
    if Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" }
}
