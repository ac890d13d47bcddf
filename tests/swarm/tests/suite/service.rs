//! A service, its tasks and what the cloud knows of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use swarm::{Cluster, Node, SOON, wait_until};

/// The manager that is asked; no case takes it down for longer than it says.
pub(crate) const MANAGER: &str = "m1";

/// A task's container.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) node: String,
    pub(crate) container: String,
    pub(crate) address: String,
}

/// Runs the Docker client of a manager.
pub(crate) fn manage(cluster: &Cluster, args: &[&str]) -> Result<String> {
    cluster.node(MANAGER)?.docker(args)
}

/// Runs `kuryr swarm` with the engines of these nodes.
pub(crate) fn kuryr_swarm(cluster: &Cluster, nodes: &[&str], args: &[&str]) -> Result<String> {
    let kuryr = std::env::var_os("KURYR_TEST_BINARY").map(PathBuf::from).context("KURYR_TEST_BINARY")?;
    let mut command = Command::new(kuryr);
    command.arg("swarm");
    for node in nodes {
        let init = cluster.node(node)?.init()?;
        command.args(["--docker", &format!("unix:///proc/{init}/root/run/docker.sock")]);
    }
    let output = command.args(args).output()?;
    ensure!(output.status.success(), "kuryr swarm {}: {output:?}", args.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of all nodes.
pub(crate) fn everywhere(cluster: &Cluster) -> Vec<&str> {
    cluster.nodes().iter().map(Node::name).collect()
}

/// Makes a network of that name in Neutron with these subnets; the option that names it.
pub(crate) fn make(cluster: &Cluster, name: &str, subnets: &[&str]) -> Result<String> {
    let post =
        |path: &str, body| cluster.cloud().api("POST", &format!("/networking/v2.0/{path}"), Some(body));
    let made = post("networks", json!({"network": {"name": name}}))?;
    let id = made["network"]["id"].as_str().context("a network without id")?.to_owned();
    for cidr in subnets {
        let version = if cidr.contains(':') { 6 } else { 4 };
        post("subnets", json!({"subnet": {"network_id": id, "cidr": cidr, "ip_version": version}}))?;
    }
    Ok(format!("neutron.net.uuid={id}"))
}

/// Makes the network in Neutron and on all nodes.
pub(crate) fn create_network(cluster: &Cluster, name: &str, args: &[&str]) -> Result<()> {
    let subnets: Vec<&str> =
        args.windows(2).filter(|pair| pair[0] == "--subnet").map(|pair| pair[1]).collect();
    let option = make(cluster, name, &subnets)?;
    describe(cluster, &everywhere(cluster), name, &option, args).map(drop)
}

/// Tells these nodes of a network; what was said.
pub(crate) fn describe(
    cluster: &Cluster,
    nodes: &[&str],
    name: &str,
    option: &str,
    args: &[&str],
) -> Result<String> {
    kuryr_swarm(cluster, nodes, &[&["create", name, "-o", option][..], args].concat())
}

/// Removes it from Neutron, which takes no longer than the last port.
pub(crate) fn unmake(cluster: &Cluster, name: &str) -> Result<()> {
    let found = cluster.cloud().api("GET", &format!("/networking/v2.0/networks?name={name}"), None)?;
    for network in found["networks"].as_array().cloned().unwrap_or_default() {
        let id = network["id"].as_str().unwrap_or_default();
        wait_until(SOON, "Neutron's network has no port left", || {
            cluster.cloud().api("DELETE", &format!("/networking/v2.0/networks/{id}"), None).map(drop)
        })?;
    }
    Ok(())
}

/// Removes it; a network is in use until the last task's end is known.
pub(crate) fn remove_network(cluster: &Cluster, name: &str) -> Result<()> {
    wait_until(SOON, "the network can be removed", || {
        kuryr_swarm(cluster, &everywhere(cluster), &["rm", name]).map(drop)
    })?;
    unmake(cluster, name)
}

/// Starts a service of sleepers on workers.
pub(crate) fn create(cluster: &Cluster, name: &str, network: &str, replicas: usize) -> Result<()> {
    let replicas = replicas.to_string();
    let args = [
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--name",
        name,
        "--network",
        network,
        "--replicas",
        &replicas,
        "--constraint",
        "node.role==worker",
        "--stop-grace-period",
        "0s",
        "--restart-delay",
        "1s",
        "--endpoint-mode",
        "dnsrr",
        "busybox",
        "sleep",
        "1000",
    ];
    manage(cluster, &args).map(drop)
}

/// Changes the number of tasks.
pub(crate) fn scale(cluster: &Cluster, name: &str, replicas: usize) -> Result<()> {
    manage(cluster, &["service", "scale", "--detach", &format!("{name}={replicas}")]).map(drop)
}

/// The running containers of a service on the nodes that are on.
pub(crate) fn tasks(cluster: &Cluster, service: &str, network: &str) -> Result<Vec<Task>> {
    let filter = format!("label=com.docker.swarm.service.name={service}");
    let mut found = Vec::new();
    for node in cluster.nodes().iter().filter(|node| node.init().is_ok()) {
        let containers =
            node.docker(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"])?;
        for container in containers.lines() {
            let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
            let address = node.docker(&["inspect", "--format", &format, container])?;
            ensure!(!address.is_empty(), "{container} on {} has no address yet", node.name());
            found.push(Task { node: node.name().to_owned(), container: container.to_owned(), address });
        }
    }
    Ok(found)
}

/// Waits until exactly so many tasks run, with addresses that differ and ports of Neutron's that are bound where they run.
pub(crate) fn running(cluster: &Cluster, service: &str, network: &str, wanted: usize) -> Result<Vec<Task>> {
    wait_until(SOON, &format!("{wanted} tasks of {service} run"), || {
        let tasks = tasks(cluster, service, network)?;
        ensure!(tasks.len() == wanted, "{} run: {}", tasks.len(), said(cluster, service));
        let addresses: BTreeSet<_> = tasks.iter().map(|task| &task.address).collect();
        ensure!(addresses.len() == wanted, "an address twice: {tasks:?}");
        let bound = bound(cluster)?;
        for task in &tasks {
            let port = (task.node.clone(), task.address.clone());
            ensure!(bound.contains(&port), "no port for {task:?} in {bound:?}");
        }
        Ok(tasks)
    })
}

/// What the swarm says of a service's tasks.
fn said(cluster: &Cluster, service: &str) -> String {
    let format = "{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}";
    manage(cluster, &["service", "ps", "--no-trunc", "--format", format, service]).unwrap_or_default()
}

/// Host and address of each bound port.
pub(crate) fn bound(cluster: &Cluster) -> Result<BTreeSet<(String, String)>> {
    let answer = cluster.cloud().api("GET", "/networking/v2.0/ports", None)?;
    let ports = answer["ports"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(ports
        .iter()
        .filter(|port| !text(&port["binding:host_id"]).is_empty())
        .flat_map(|port| {
            let fixed = port["fixed_ips"].as_array().cloned().unwrap_or_default();
            fixed.into_iter().map(|ip| (text(&port["binding:host_id"]), text(&ip["ip_address"])))
        })
        .collect())
}

/// A command in a task's container.
pub(crate) fn exec(cluster: &Cluster, task: &Task, args: &[&str]) -> Result<String> {
    cluster.node(&task.node)?.docker(&[&["exec", &task.container][..], args].concat())
}

/// Waits until an address answers a task.
pub(crate) fn reaches(cluster: &Cluster, from: &Task, address: &str) -> Result<()> {
    wait_until(SOON, &format!("{address} answers {}", from.address), || {
        exec(cluster, from, &["ping", "-c", "1", "-W", "1", address]).map(drop)
    })
}
