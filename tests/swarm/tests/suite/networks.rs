//! Networks of a swarm, and containers that are no service's.

use anyhow::{Result, ensure};
use swarm::{Cluster, SOON, wait_until};

use crate::Case;
use crate::service::{
    create, create_network, describe, everywhere, kuryr_swarm, make, manage, remove_network, running, scale,
    tasks,
};

pub(crate) const CASES: &[Case] = &[
    ("a_network_is_described_on_each_node_once", described),
    ("a_network_without_tasks_needs_nothing_of_neutron", idle),
    ("attached_containers_on_two_nodes_reach_each_other", attached),
    ("a_node_without_the_description_runs_no_task_of_it", undescribed),
    ("a_removed_network_leaves_nothing_however_it_ended", removed),
];

pub(crate) const SUBNET: [&str; 2] = ["--subnet", "10.80.0.0/24"];

fn described(cluster: &mut Cluster) -> Result<()> {
    let nodes = everywhere(cluster);
    let option = make(cluster, "net", &[SUBNET[1]])?;
    let said = describe(cluster, &nodes, "net", &option, &SUBNET)?;
    ensure!(said.matches("made").count() == nodes.len() + 1, "{said}");
    let said = describe(cluster, &nodes, "net", &option, &SUBNET)?;
    ensure!(said.matches("kept").count() == nodes.len() + 1, "{said}");
    let other = describe(cluster, &nodes, "net", &option, &["--subnet", "10.81.0.0/24"]);
    let error = other.err().map(|e| e.to_string()).unwrap_or_default();
    ensure!(error.contains("another description"), "{error}");
    // Nodes that know a range only would make a network each.
    let nameless = kuryr_swarm(cluster, &nodes, &[&["create", "more"][..], &SUBNET].concat());
    let error = nameless.err().map(|e| e.to_string()).unwrap_or_default();
    ensure!(error.contains("must exist in Neutron"), "{error}");
    let shown = manage(cluster, &["network", "inspect", "--format", "{{.Scope}} {{.Driver}}", "net"])?;
    ensure!(shown == "swarm kuryr:latest", "{shown}");
    remove_network(cluster, "net")?;
    let said = kuryr_swarm(cluster, &nodes, &["rm", "net"])?;
    ensure!(said.matches("absent").count() == nodes.len() + 1, "{said}");
    // Docker knows the plugin by its whole name only.
    let error = cluster.node("m1")?.docker_fails(
        &[
            &[
                "network",
                "create",
                "-d",
                "kuryr",
                "--ipam-driver",
                "kuryr",
                "--scope",
                "swarm",
                "--attachable",
            ][..],
            &["net"],
        ]
        .concat(),
    )?;
    ensure!(error.contains("kuryr"), "{error}");
    Ok(())
}

fn idle(cluster: &mut Cluster) -> Result<()> {
    let option = make(cluster, "net", &[SUBNET[1]])?;
    let before = cluster.inventory()?;
    describe(cluster, &everywhere(cluster), "net", &option, &SUBNET)?;
    ensure!(cluster.inventory()? == before, "a description made something");
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    scale(cluster, "svc", 0)?;
    wait_until(SOON, "the network goes with its last task", || {
        ensure!(tasks(cluster, "svc", "net")?.is_empty(), "tasks run");
        let now = cluster.inventory()?;
        ensure!(now == before, "{now:?}");
        Ok(())
    })?;
    scale(cluster, "svc", 4)?;
    running(cluster, "svc", "net", 4)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn attached(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &[&SUBNET[..], &["--attachable"]].concat())?;
    let run = ["run", "--detach", "--stop-timeout", "0", "--network", "net"];
    let sleep = ["busybox", "sleep", "1000"];
    let worker = cluster.node("w1")?;
    worker.docker(&[&run[..], &["--name", "one"], &sleep].concat())?;
    let other = cluster.node("m2")?;
    other.docker(&[&run[..], &["--name", "two"], &sleep].concat())?;
    let format = "{{.NetworkSettings.Networks.net.IPAddress}}";
    let one = worker.docker(&["inspect", "--format", format, "one"])?;
    let two = other.docker(&["inspect", "--format", format, "two"])?;
    ensure!(one.starts_with("10.80.0.") && one != two, "`{one}` and `{two}`");
    wait_until(SOON, "the two reach each other", || {
        other.docker(&["exec", "two", "ping", "-c", "1", "-W", "1", &one]).map(drop)
    })?;
    worker.docker(&["rm", "--force", "one"])?;
    other.docker(&["rm", "--force", "two"])?;
    remove_network(cluster, "net")
}

fn undescribed(cluster: &mut Cluster) -> Result<()> {
    let option = make(cluster, "net", &[SUBNET[1]])?;
    describe(cluster, &["m1", "w1"], "net", &option, &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    let tasks = running(cluster, "svc", "net", 2)?;
    ensure!(tasks.iter().all(|task| task.node == "w1"), "{tasks:?}");
    // Until it is told.
    describe(cluster, &everywhere(cluster), "net", &option, &SUBNET)?;
    scale(cluster, "svc", 0)?;
    running(cluster, "svc", "net", 0)?;
    scale(cluster, "svc", 4)?;
    let tasks = running(cluster, "svc", "net", 4)?;
    ensure!(tasks.iter().any(|task| task.node == "w2"), "{tasks:?}");
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn removed(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    let error = cluster.node("m1")?.docker_fails(&["network", "rm", "net"])?;
    ensure!(error.contains("in use"), "{error}");
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}
