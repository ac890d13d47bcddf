//! A container host of the swarm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use private_host::{Docker, DockerOptions, PrivateHost, Root, Settings};

use crate::uplink::Uplinks;
use crate::wire;

/// A host with an engine of its own.
#[derive(Debug)]
pub struct Node {
    name: String,
    address: String,
    dir: PathBuf,
    root: Root,
    docker: Option<Docker>,
    uplinks: Option<Uplinks>,
    host: Option<PrivateHost>,
}

impl Node {
    pub(crate) fn new(name: &str, address: String, dir: PathBuf, root: Root) -> Self {
        Self { name: name.to_owned(), address, dir, root, docker: None, uplinks: None, host: None }
    }

    /// Boots the host, connects it to the wire of the cloud's host and starts its engine with the data it had.
    pub(crate) fn boot(&mut self, cloud: u32) -> Result<()> {
        let settings = Settings {
            name: self.name.clone(),
            dir: self.dir.clone(),
            root: self.root.clone(),
            share: vec![self.dir.clone()],
        };
        let host = PrivateHost::start(&settings)?;
        wire::connect(cloud, &self.name, host.pid(), &self.address)?;
        self.uplinks = Some(Uplinks::start(host.pid()));
        self.docker = Some(Docker::start(&host.place(), &DockerOptions::default())?);
        self.host = Some(host);
        Ok(())
    }

    /// As a power failure would: the whole host at once. Its disk stays.
    pub fn lose_power(&mut self) {
        self.docker = None;
        self.uplinks = None;
        self.host = None;
    }

    /// Its host name, and its name in the swarm.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the wire.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its directory, the same inside and outside.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its first process.
    ///
    /// # Errors
    /// It is off.
    pub fn init(&self) -> Result<u32> {
        self.host.as_ref().map(PrivateHost::pid).with_context(|| format!("{} is off", self.name))
    }

    /// Its engine.
    ///
    /// # Errors
    /// It is off.
    pub fn engine(&mut self) -> Result<&mut Docker> {
        self.docker.as_mut().with_context(|| format!("{} is off", self.name))
    }

    /// Runs its Docker client; what it prints.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        let docker = self.docker.as_ref().with_context(|| format!("{} is off", self.name))?;
        docker.run(args).with_context(|| format!("on {}", self.name))
    }

    /// Runs its Docker client, which must fail; its error text.
    ///
    /// # Errors
    /// It succeeded.
    pub fn docker_fails(&self, args: &[&str]) -> Result<String> {
        let docker = self.docker.as_ref().with_context(|| format!("{} is off", self.name))?;
        let output = docker.try_run(args)?;
        if output.status.success() {
            bail!("`docker {}` on {} was expected to fail, but succeeded", args.join(" "), self.name);
        }
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The end of the engine's log, with the plugin's lines in it.
    #[must_use]
    pub fn log(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(self.dir.join("dockerd.log")).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}
