//! The measurements themselves.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::World;

use crate::log::Times;

/// Containers started at once, and how often that is done.
const CROWDS: [(usize, usize); 3] = [(1, 8), (8, 3), (32, 1)];
/// Ports in the project for the last measurement, and how many go into one request.
const MANY: usize = 10_000;
const BULK: usize = 500;

/// One line of the result.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// `kuryr` or `bridge`.
    pub(crate) driver: &'static str,
    /// Added to each call of Neutron, in milliseconds.
    pub(crate) latency: u64,
    /// Ports in the project before.
    pub(crate) ports: usize,
    /// Containers started at once.
    pub(crate) at_once: usize,
    /// `docker run`, each container, in milliseconds, sorted.
    pub(crate) runs: Vec<f64>,
    /// Calls of Neutron, all containers together.
    pub(crate) calls: usize,
    /// What the plugin's log says.
    pub(crate) times: Times,
    /// Resident memory of the plugin afterwards, in KiB.
    pub(crate) memory: u64,
}

/// Everything, some minutes.
pub(crate) fn all(world: &mut World) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    world.docker(&["network", "create", "-d", "bridge", "plain"])?;
    world.create_network("cloud", &["--subnet", "10.60.0.0/16"])?;
    // What is done once in the life of engine and plugin is not measured.
    for network in ["plain", "cloud"] {
        world.run("warm", &["--network", network])?;
        world.remove("warm")?;
    }
    for (at_once, rounds) in CROWDS {
        rows.push(crowd(world, "bridge", 0, 0, at_once, rounds)?);
    }
    for latency in [0, 50] {
        for (at_once, rounds) in CROWDS {
            rows.push(crowd(world, "kuryr", latency, 0, at_once, rounds)?);
        }
    }
    fill_project(world)?;
    for (at_once, rounds) in [(1, 8), (8, 3)] {
        rows.push(crowd(world, "kuryr", 0, MANY, at_once, rounds)?);
    }
    for network in ["plain", "cloud"] {
        world.docker(&["network", "rm", network])?;
    }
    Ok(rows)
}

fn crowd(
    world: &World,
    driver: &'static str,
    latency: u64,
    ports: usize,
    at_once: usize,
    rounds: usize,
) -> Result<Row> {
    let network = if driver == "bridge" { "plain" } else { "cloud" };
    let _ = world.cloud.admin("POST", "options", Some(json!({"latency_ms": latency})))?;
    let (mut runs, mut calls, mut log) = (Vec::new(), 0, String::new());
    for _ in 0..rounds {
        let names: Vec<String> = (0..at_once).map(|n| format!("c{n}")).collect();
        let seen = world.plugin_log().len();
        world.cloud.clear_log()?;
        runs.extend(start(world, network, &names)?);
        // What it writes after its answer counts, too.
        std::thread::sleep(Duration::from_millis(1000 + 3 * latency));
        calls += world.cloud.calls()?.len();
        log.push_str(world.plugin_log().get(seen..).unwrap_or_default());
        let mut remove = vec!["rm", "--force"];
        remove.extend(names.iter().map(String::as_str));
        world.docker(&remove)?;
    }
    let _ = world.cloud.admin("POST", "options", Some(json!({"latency_ms": 0})))?;
    runs.sort_by(f64::total_cmp);
    let memory = resident(world)?;
    Ok(Row { driver, latency, ports, at_once, runs, calls, times: Times::read(&log), memory })
}

/// Starts them all at once; how long each took, in milliseconds.
fn start(world: &World, network: &str, names: &[String]) -> Result<Vec<f64>> {
    std::thread::scope(|scope| {
        let one = |name: &str| {
            let begun = Instant::now();
            let args = ["run", "--detach", "--name", name, "--stop-timeout", "0", "--network", network];
            world.docker(&[&args[..], &["busybox", "sleep", "1000"]].concat())?;
            Ok::<f64, anyhow::Error>(begun.elapsed().as_secs_f64() * 1000.0)
        };
        let started: Vec<_> = names.iter().map(|name| scope.spawn(move || one(name))).collect();
        started.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a thread panicked"))).collect()
    })
}

fn resident(world: &World) -> Result<u64> {
    let pid = world.plugin_pid().context("the plugin does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.context("no resident size in /proc")
}

/// Puts ports of others into the plugin's own project.
fn fill_project(world: &World) -> Result<()> {
    let project = world.cloud.project("demo")?;
    let quota = json!({"quota": {"port": -1}});
    world.cloud.api_as("admin", "PUT", &format!("/networking/v2.0/quotas/{project}"), Some(quota))?;
    let post =
        |path: &str, body: Value| world.cloud.api("POST", &format!("/networking/v2.0/{path}"), Some(body));
    let id = |answer: &Value, key: &str| {
        answer.get(key).and_then(|o| o.get("id")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let network = id(&post("networks", json!({"network": {"name": "crowded"}}))?, "network");
    let subnet =
        json!({"network_id": network, "ip_version": 4, "cidr": "10.128.0.0/16", "enable_dhcp": false});
    let subnet = id(&post("subnets", json!({"subnet": subnet}))?, "subnet");
    let port = |n: usize| {
        let address = format!("10.128.{}.{}", 1 + n / 250, 1 + n % 250);
        // In no group: members of a group are in the filters of all others, on every cloud.
        json!({"network_id": network, "name": format!("other-{n}"), "security_groups": [],
               "fixed_ips": [{"subnet_id": subnet, "ip_address": address}]})
    };
    for first in (0..MANY).step_by(BULK) {
        let ports: Vec<Value> = (first..first + BULK).map(port).collect();
        post("ports", json!({"ports": ports}))?;
    }
    // The cloud's state file is written meanwhile.
    std::thread::sleep(Duration::from_secs(3));
    Ok(())
}
