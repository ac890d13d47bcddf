//! The engine, driven as its users drive it, and its containers looked at from outside.

use anyhow::{Context, Result, bail};

use super::netns_of;
use crate::{Inside, World};

const CREATE_NETWORK: [&str; 6] = ["network", "create", "--driver", "kuryr", "--ipam-driver", "kuryr"];

impl World {
    /// Starts the engine again after it was killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn relaunch_docker(&mut self) -> Result<()> {
        Ok(self.docker.launch()?)
    }

    /// Runs the Docker client; what it prints.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        Ok(self.docker.run(args)?)
    }

    /// Runs the Docker client, which must fail; its error text.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn docker_fails(&self, args: &[&str]) -> Result<String> {
        let output = self.docker.try_run(args)?;
        if output.status.success() {
            bail!("`docker {}` was expected to fail, but succeeded", args.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Creates a network of ours with our addresses; `args` go before the name. Its id.
    ///
    /// # Errors
    /// What Docker says.
    pub fn create_network(&self, name: &str, args: &[&str]) -> Result<String> {
        self.docker(&[&CREATE_NETWORK[..], args, &[name]].concat())
    }

    /// As [`World::create_network`], which must fail; its error text.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn create_network_fails(&self, name: &str, args: &[&str]) -> Result<String> {
        self.docker_fails(&[&CREATE_NETWORK[..], args, &[name]].concat())
    }

    /// Removes a network, and first whoever we put on it beside the containers.
    ///
    /// # Errors
    /// What Docker says.
    pub fn remove_network(&self, name: &str) -> Result<()> {
        self.drop_neighbours();
        self.docker(&["network", "rm", name]).map(drop)
    }

    /// Starts a detached container with that name that sleeps; `args` go before the image.
    ///
    /// # Errors
    /// What Docker says.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<Inside> {
        let mut all = vec!["run", "--detach", "--name", name, "--stop-timeout", "0"];
        all.extend(args);
        all.extend(["busybox", "sleep", "1000"]);
        self.docker(&all)?;
        self.inside(name)
    }

    /// The network namespace of a running container.
    ///
    /// # Errors
    /// When it does not run.
    pub fn inside(&self, container: &str) -> Result<Inside> {
        let pid: u32 = self.docker(&["inspect", "--format", "{{.State.Pid}}", container])?.parse()?;
        Ok(Inside { netns: netns_of(self.host_pid(), pid) })
    }

    /// The host's own network namespace.
    #[must_use]
    pub fn outside(&self) -> Inside {
        Inside { netns: netns_of(self.host_pid(), 1) }
    }

    /// A container's address on a network.
    ///
    /// # Errors
    /// When it has none.
    pub fn address(&self, container: &str, network: &str) -> Result<std::net::IpAddr> {
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        let text = self.docker(&["inspect", "--format", &format, container])?;
        text.parse().with_context(|| format!("address of {container} on {network}: `{text}`"))
    }

    /// Stops and removes a container.
    ///
    /// # Errors
    /// What Docker says.
    pub fn remove(&self, container: &str) -> Result<()> {
        self.docker(&["rm", "--force", container]).map(drop)
    }
}
