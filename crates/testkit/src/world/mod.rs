//! A host with an engine, a cloud and the plugin.

mod abandoned;
mod engine;
mod ground;
mod processes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use private_host::{Docker, DockerOptions, HostProcess, Place, Root};
use serde_json::{Value, json};

use crate::gluster::Gluster;
use crate::neighbours::Neighbour;
use crate::{Cloud, CloudKind, Machine};
use ground::Ground;

const CLOUD_PORT: u16 = 5000;

/// How to make a world.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// The `kuryr` binary.
    pub kuryr: PathBuf,
    /// Where the engine comes from. On real services it is the lab's own.
    pub root: Root,
    /// What it stands on.
    pub cloud: CloudKind,
}

/// All parts together. Dropping it ends them all.
#[derive(Debug)]
pub struct World {
    plugin: Option<HostProcess>,
    /// The development cloud, or the front before real services.
    front: Option<HostProcess>,
    /// The engine.
    pub docker: Docker,
    /// The cloud.
    pub cloud: Cloud,
    kind: CloudKind,
    /// Services behind the front that the lab itself does not have, and where they are.
    more_services: Vec<(String, String)>,
    /// Keys of what was in the cloud before us.
    found: BTreeSet<String>,
    pub(crate) neighbours: Mutex<Vec<Neighbour>>,
    pub(crate) machine: Option<Machine>,
    /// The storage of shares, once a case has needed it.
    pub(crate) gluster: Option<Gluster>,
    /// Whether the plugin serves shares.
    pub(crate) shares: bool,
    kuryr: String,
    ground: Ground,
}

impl World {
    /// Starts the engine, the plugin and the cloud, or the front before the cloud that runs.
    ///
    /// # Errors
    /// What did not get ready, and where its log is.
    pub fn start(options: &WorldOptions) -> Result<Self> {
        let ground = Ground::lay(options)?;
        let kuryr = ground.program(&options.kuryr)?;
        let docker = Docker::start(ground.place(), &DockerOptions::default())?;
        docker.import_busybox("busybox")?;
        let cloud = Cloud::new(netns_of(ground.pid(), 1), CLOUD_PORT, options.cloud);
        let mut world = Self {
            plugin: None,
            front: None,
            docker,
            cloud,
            kind: options.cloud,
            more_services: Vec::new(),
            found: BTreeSet::new(),
            neighbours: Mutex::default(),
            machine: None,
            gluster: None,
            shares: false,
            kuryr,
            ground,
        };
        world.start_cloud()?;
        if world.ground.is_shared() {
            world.sweep(world.ground.abandoned())?;
            world.found = world.inventory()?.into_keys().collect();
            world.note_found()?;
        }
        world.write_config("demo", "secret")?;
        world.start_plugin()?;
        Ok(world)
    }

    /// What it stands on.
    #[must_use]
    pub fn kind(&self) -> CloudKind {
        self.kind
    }

    /// A directory of this world, the same inside and outside.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.ground.place().dir()
    }

    /// The plugin's state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// Where volumes are mounted.
    #[must_use]
    pub fn volume_dir(&self) -> PathBuf {
        self.dir().join("volumes")
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Place {
        self.ground.place()
    }

    /// Pid of the host's first process.
    #[must_use]
    pub fn host_pid(&self) -> u32 {
        self.ground.pid()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.ground.is_shared() {
            self.clear_engine();
        }
        // The plugin first: what it still does must not meet a cloud that is gone.
        if let Some(plugin) = self.plugin.take() {
            plugin.kill();
        }
        if self.ground.is_shared() {
            self.drop_machine();
            self.clear_cloud(&self.found);
            self.docker.stop();
        }
        if let Some(front) = self.front.take() {
            front.stop(Duration::from_secs(5));
        }
        self.docker.kill();
        self.ground.clear();
    }
}

impl World {
    /// Containers do not end with an engine that ends, only with a host that does.
    fn clear_engine(&self) {
        let _ = self.docker.try_run(&["version"]);
        let list = |args: &[&str]| -> Vec<String> {
            self.docker(args).unwrap_or_default().lines().map(str::to_owned).collect()
        };
        for container in list(&["ps", "--all", "--quiet"]) {
            let _ = self.remove(&container);
        }
        for network in list(&["network", "ls", "--quiet", "--filter", "type=custom"]) {
            let _ = self.docker(&["network", "rm", &network]);
        }
    }

    /// Removes from a cloud that others use after us what was not there before: a case that failed leaves things.
    fn clear_cloud(&self, found: &BTreeSet<String>) {
        self.drop_neighbours();
        let _ = self.cloud.clear_faults();
        let now = self.inventory().unwrap_or_default();
        let new = |collection: &str| {
            let prefix = format!("{collection}/");
            now.keys()
                .filter(|key| key.starts_with(&prefix) && !found.contains(*key))
                .map(|key| key.trim_start_matches(&prefix).to_owned())
                .collect::<Vec<_>>()
        };
        for id in new("trunks") {
            let _ = self.unbind_parent(&id);
        }
        // Each may hold the next one.
        for (collection, path) in [
            ("trunks", "trunks"),
            ("ports", "ports"),
            ("networks", "networks"),
            ("subnets", "subnets"),
            ("subnetpools", "subnetpools"),
            ("security_groups", "security-groups"),
            ("policies", "qos/policies"),
        ] {
            for id in new(collection) {
                let _ = self.cloud.api_as("admin", "DELETE", &format!("/networking/v2.0/{path}/{id}"), None);
            }
        }
    }
}

impl World {
    /// Neutron does not delete a trunk whose parent port is bound.
    fn unbind_parent(&self, trunk: &str) -> Result<()> {
        let shown = self.cloud.api_as("admin", "GET", &format!("/networking/v2.0/trunks/{trunk}"), None)?;
        let port = shown.pointer("/trunk/port_id").and_then(Value::as_str).context("a trunk without port")?;
        let body = json!({"port": {"binding:host_id": ""}});
        self.cloud.api_as("admin", "PUT", &format!("/networking/v2.0/ports/{port}"), Some(body)).map(drop)
    }
}

fn netns_of(init: u32, pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{init}/root/proc/{pid}/ns/net"))
}

/// Waits until something holds, at most 20 s.
///
/// # Errors
/// It does not hold by then; `what` is in the message.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) -> Result<()> {
    wait_at_most(Duration::from_secs(20), what, holds)
}

/// Waits until something holds.
pub(crate) fn wait_at_most(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + patience;
    loop {
        if holds() {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("waited {} s in vain: {what}", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
