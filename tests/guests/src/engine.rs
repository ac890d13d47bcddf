//! The engine inside an instance.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::vm::{Guest, GuestProcess};

use crate::Instance;
use crate::probe::Spot;

/// Arguments of the engine. The kernel of guests has no rules of its own for addresses of the internet protocol, and the
/// engine needs no bridge.
pub const ENGINE: [&str; 5] =
    ["dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"];
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the image of containers is made.
const IMAGE: &str = "/root/image";

/// A container in an instance.
#[derive(Debug)]
pub struct Container<'a> {
    /// Where it is, to send packets from and to.
    pub spot: Spot<'a>,
    /// Its pid in the guest.
    pub pid: String,
}

impl Instance {
    /// Starts the engine unless it runs, waits until it answers, and makes the image `busybox` if it is not there.
    ///
    /// # Errors
    /// When it does not get ready, with its log.
    pub fn start_engine(&mut self) -> Result<()> {
        if !self.engine.as_ref().is_some_and(GuestProcess::is_running) {
            self.engine = Some(self.guest.spawn(&ENGINE, &self.log_file("dockerd"))?);
        }
        let end = Instant::now() + PATIENCE;
        while !self.guest.run(&["docker", "version"])?.status.success() {
            let running = self.engine.as_ref().is_some_and(GuestProcess::is_running);
            if !running || Instant::now() > end {
                bail!("the engine in {} does not get ready:\n{}", self.name(), self.log("dockerd"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if self.docker(&["images", "--quiet", "busybox"])?.is_empty() {
            make_image(&self.guest)?;
        }
        Ok(())
    }

    /// Ends the engine in order; containers end with it.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop_engine(&mut self) -> Result<()> {
        let Some(mut engine) = self.engine.take() else { return Ok(()) };
        self.guest.must(&["kill", "-TERM", &engine.pid().to_string()])?;
        engine.wait(PATIENCE).context("the engine does not end").map(drop)
    }

    /// Ends the engine at once, as a crash would.
    pub fn kill_engine(&mut self) {
        drop(self.engine.take());
    }

    /// Runs the Docker client; what it prints, trimmed.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        self.guest.must(&[&["docker"][..], args].concat())
    }

    /// Runs the Docker client, which must fail; its error text.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn docker_fails(&self, args: &[&str]) -> Result<String> {
        let output = self.guest.run(&[&["docker"][..], args].concat())?;
        if output.status.success() {
            bail!("`docker {}` was expected to fail in {}, but succeeded", args.join(" "), self.name());
        }
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Creates a network of ours with our addresses; `args` go before the name. Its id.
    ///
    /// # Errors
    /// What Docker says.
    pub fn create_network(&self, name: &str, args: &[&str]) -> Result<String> {
        let create = ["network", "create", "--driver", "kuryr", "--ipam-driver", "kuryr"];
        self.docker(&[&create[..], args, &[name]].concat())
    }

    /// Removes a network.
    ///
    /// # Errors
    /// What Docker says.
    pub fn remove_network(&self, name: &str) -> Result<()> {
        self.docker(&["network", "rm", name]).map(drop)
    }

    /// Starts a detached container with that name that sleeps; `args` go before the image.
    ///
    /// # Errors
    /// What Docker says.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<Container<'_>> {
        let mut all = vec!["run", "--detach", "--name", name, "--stop-timeout", "0"];
        all.extend(args);
        all.extend(["busybox", "sleep", "1000"]);
        self.docker(&all)?;
        self.container(name)
    }

    /// A running container.
    ///
    /// # Errors
    /// When it does not run.
    pub fn container(&self, name: &str) -> Result<Container<'_>> {
        let pid = self.docker(&["inspect", "--format", "{{.State.Pid}}", name])?;
        if pid == "0" {
            bail!("container {name} in {} does not run", self.name());
        }
        Ok(Container { spot: Spot::process(&self.guest, &pid), pid })
    }

    /// The guest itself, to send packets from and to.
    #[must_use]
    pub fn spot(&self) -> Spot<'_> {
        Spot::guest(&self.guest)
    }

    /// A container's address on a network.
    ///
    /// # Errors
    /// What Docker says.
    pub fn container_address(&self, container: &str, network: &str) -> Result<String> {
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        self.docker(&["inspect", "--format", &format, container])
    }

    /// Stops and removes a container.
    ///
    /// # Errors
    /// What Docker says.
    pub fn remove(&self, container: &str) -> Result<()> {
        self.docker(&["rm", "--force", container]).map(drop)
    }
}

/// Makes the image `busybox` in a guest whose engine answers, of the guest's own static one; no registry is needed.
///
/// # Errors
/// The command that failed.
pub fn make_image(guest: &Guest) -> Result<()> {
    let (bin, tar) = (format!("{IMAGE}/bin"), format!("{IMAGE}.tar"));
    for dir in [&bin, &format!("{IMAGE}/tmp"), &format!("{IMAGE}/etc")] {
        guest.must(&["mkdir", "--parents", dir])?;
    }
    guest.must(&["cp", "/bin/busybox", &bin])?;
    guest.must(&["chroot", IMAGE, "/bin/busybox", "--install", "-s", "/bin"])?;
    guest.must(&["tar", "--create", "--file", &tar, "--directory", IMAGE, "."])?;
    guest.must(&["docker", "import", &tar, "busybox"]).map(drop)
}
