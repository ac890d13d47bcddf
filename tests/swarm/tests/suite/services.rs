//! Services on networks of a swarm.

use anyhow::{Context, Result, ensure};
use swarm::{Cluster, SOON, wait_until};

use crate::Case;
use crate::networks::SUBNET;
use crate::service::{create, create_network, exec, manage, reaches, remove_network, running, scale};

pub(crate) const CASES: &[Case] = &[
    ("tasks_on_two_nodes_have_addresses_of_their_own_and_reach_each_other", reach),
    ("names_of_services_and_tasks_lead_to_other_nodes", names),
    ("a_service_has_both_families", both_families),
    ("a_drained_node_gives_its_ports_back", drained),
    ("a_service_that_is_updated_gets_new_tasks", updated),
    ("two_networks_with_one_range_are_two_networks", same_range),
];

fn reach(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 8)?;
    let tasks = running(cluster, "svc", "net", 8)?;
    for node in ["w1", "w2"] {
        ensure!(tasks.iter().filter(|task| task.node == node).count() == 4, "{tasks:?}");
    }
    let from = tasks.iter().find(|task| task.node == "w1").context("none on w1")?;
    for to in tasks.iter().filter(|task| task.node == "w2") {
        reaches(cluster, from, &to.address)?;
    }
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn names(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    let tasks = running(cluster, "svc", "net", 2)?;
    let (one, other) = (&tasks[0], &tasks[1]);
    ensure!(one.node != other.node, "{tasks:?}");
    for name in ["svc", "tasks.svc"] {
        wait_until(SOON, &format!("{name} is known on {}", one.node), || {
            // Whichever of the two addresses comes first.
            let said = exec(cluster, one, &["ping", "-c", "1", "-W", "1", name])?;
            ensure!(said.contains(&other.address) || said.contains(&one.address), "{said}");
            Ok(())
        })?;
    }
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn both_families(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &[&SUBNET[..], &["--ipv6", "--subnet", "fd80::/64"]].concat())?;
    create(cluster, "svc", "net", 2)?;
    let tasks = running(cluster, "svc", "net", 2)?;
    ensure!(tasks[0].node != tasks[1].node, "{tasks:?}");
    let format = "{{(index .NetworkSettings.Networks \"net\").GlobalIPv6Address}}";
    let six = cluster.node(&tasks[1].node)?.docker(&["inspect", "--format", format, &tasks[1].container])?;
    ensure!(six.starts_with("fd80:"), "`{six}`");
    reaches(cluster, &tasks[0], &six)?;
    reaches(cluster, &tasks[0], &tasks[1].address)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn drained(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 4)?;
    running(cluster, "svc", "net", 4)?;
    manage(cluster, &["node", "update", "--availability", "drain", "w2"])?;
    wait_until(SOON, "all run on the other node, and the ports are there", || {
        let tasks = running(cluster, "svc", "net", 4)?;
        ensure!(tasks.iter().all(|task| task.node == "w1"), "{tasks:?}");
        let left: Vec<_> =
            crate::service::bound(cluster)?.into_iter().filter(|(host, _)| host == "w2").collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    manage(cluster, &["node", "update", "--availability", "active", "w2"])?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn updated(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    let before = running(cluster, "svc", "net", 2)?;
    manage(cluster, &["service", "update", "--detach", "--force", "--update-parallelism", "0", "svc"])?;
    wait_until(SOON, "other tasks run", || {
        let now = running(cluster, "svc", "net", 2)?;
        ensure!(now.iter().all(|new| before.iter().all(|old| old.container != new.container)), "{now:?}");
        reaches(cluster, &now[0], &now[1].address)
    })?;
    scale(cluster, "svc", 0)?;
    running(cluster, "svc", "net", 0)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn same_range(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    create_network(cluster, "other", &SUBNET)?;
    create(cluster, "also", "other", 2)?;
    // Either a network of its own, or a refusal that says why: never the same one unseen.
    let outcome = running(cluster, "also", "other", 2);
    let state = manage(cluster, &["service", "ps", "--no-trunc", "--format", "{{.Error}}", "also"])?;
    match outcome {
        Ok(tasks) => ensure!(tasks[0].node != tasks[1].node, "{tasks:?}"),
        Err(_) => ensure!(state.contains("10.80.0.0/24"), "{state}"),
    }
    manage(cluster, &["service", "rm", "svc", "also"])?;
    remove_network(cluster, "other")?;
    remove_network(cluster, "net")
}
