//! All hosts together.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use private_host::Root;
use serde_json::Value;
use testkit::Cloud;

use crate::cloud_host::CloudHost;
use crate::{Node, SOON, plugin, wait_until, wire};

/// Of the names of clusters' directories.
const PREFIX: &str = "kuryr-swarm-";
/// Not `/tmp`: on some machines that is memory.
const HOME: &str = "/var/tmp";

/// How to make a cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `kuryr` binary, for the cloud.
    pub kuryr: PathBuf,
    /// Directory of packaged plugins.
    pub plugins: PathBuf,
    /// Where the engines come from.
    pub root: Root,
    /// How many managers.
    pub managers: usize,
    /// How many workers.
    pub workers: usize,
    /// More settings of the plugin, as `docker plugin set` takes them.
    pub set: Vec<String>,
}

/// Managers, workers and the cloud, on one wire. Dropping it ends them all.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    cloud_host: CloudHost,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts everything and waits until all nodes are ready with the plugin.
    ///
    /// # Errors
    /// What did not get ready, and where its log is.
    pub fn start(options: &Options) -> Result<Self> {
        private_host::remove_leftovers(Path::new(HOME), PREFIX, |_| ());
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(HOME)?;
        let cloud_host = CloudHost::start(&options.kuryr, dir.path())?;
        let names = (1..=options.managers).map(|n| format!("m{n}"));
        let names = names.chain((1..=options.workers).map(|n| format!("w{n}")));
        let label = dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let nodes = names
            .enumerate()
            .map(|(at, name)| {
                // Control groups are named by the directory.
                let home = dir.path().join(format!("{label}-{name}"));
                Node::new(&name, format!("10.99.0.{}", 11 + at), home, options.root.clone())
            })
            .collect();
        let mut cluster = Self { nodes, cloud_host, dir };
        cluster.boot(options)?;
        cluster.join(options.managers)?;
        Ok(cluster)
    }

    /// All nodes at once: most of their time is waiting.
    fn boot(&mut self, options: &Options) -> Result<()> {
        let cloud = self.cloud_host.host.pid();
        let start = |node: &mut Node| -> Result<()> {
            node.boot(cloud)?;
            node.engine()?.import_busybox("busybox")?;
            plugin::install(node, &options.plugins, &options.set)
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = self.nodes.iter_mut().map(|node| scope.spawn(move || start(node))).collect();
            all.into_iter().try_for_each(|one| {
                one.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the start of a node panicked")))
            })
        })
    }

    fn join(&self, managers: usize) -> Result<()> {
        let first = self.nodes.first().context("a swarm without nodes")?;
        let address = first.address();
        first.docker(&["swarm", "init", "--advertise-addr", address, "--listen-addr", address])?;
        for (at, node) in self.nodes.iter().enumerate().skip(1) {
            let role = if at < managers { "manager" } else { "worker" };
            let token = first.docker(&["swarm", "join-token", "--quiet", role])?;
            let own = node.address();
            let listen = ["--advertise-addr", own, "--listen-addr", own];
            node.docker(
                &[&["swarm", "join", "--token", &token][..], &listen, &[&format!("{address}:2377")]].concat(),
            )?;
        }
        wait_until(SOON, "all nodes are ready and known to have the plugin", || {
            for node in &self.nodes {
                let format = "{{.Status.State}} {{json .Description.Engine.Plugins}}";
                let shown = first.docker(&["node", "inspect", "--format", format, node.name()])?;
                ensure!(shown.starts_with("ready") && shown.contains("kuryr"), "{}: {shown}", node.name());
            }
            Ok(())
        })
    }

    /// All nodes, managers first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).with_context(|| format!("no node {name}"))
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// There is none.
    pub fn node_mut(&mut self, name: &str) -> Result<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name() == name).with_context(|| format!("no node {name}"))
    }

    /// Boots a node that lost its power.
    ///
    /// # Errors
    /// What did not get ready.
    pub fn boot_again(&mut self, name: &str) -> Result<()> {
        let cloud = self.cloud_host.host.pid();
        self.node_mut(name)?.boot(cloud)
    }

    /// Cuts a node off from all others, or connects it again.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn set_connected(&self, name: &str, connected: bool) -> Result<()> {
        wire::set_connected(self.cloud_host.host.pid(), name, connected)
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud_host.cloud
    }

    /// Ends the cloud's services.
    pub fn stop_cloud(&mut self) {
        self.cloud_host.end();
    }

    /// Starts them again.
    ///
    /// # Errors
    /// They do not get ready.
    pub fn start_cloud(&mut self) -> Result<()> {
        self.cloud_host.serve()
    }

    /// A directory of the cluster.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What of Neutron's there is, by kind and id.
    ///
    /// # Errors
    /// The cloud does not answer.
    pub fn inventory(&self) -> Result<Vec<String>> {
        let state = self.cloud().state()?;
        let mut found = Vec::new();
        for kind in ["networks", "subnets", "subnetpools", "ports", "security_groups"] {
            let objects: Vec<&Value> = match state.get(kind) {
                Some(Value::Array(list)) => list.iter().collect(),
                Some(Value::Object(map)) => map.values().collect(),
                _ => Vec::new(),
            };
            let text = |object: &Value, key: &str| {
                object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            found.extend(
                objects
                    .into_iter()
                    // Each project's own comes at its first use.
                    .filter(|object| text(object, "name") != "default")
                    .map(|object| format!("{kind} {} {}", text(object, "id"), text(object, "name"))),
            );
        }
        found.sort();
        Ok(found)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.lose_power();
            let _ = private_host::remove_directory(node.dir());
        }
        private_host::remove_cgroups("/plugins.moby");
    }
}
