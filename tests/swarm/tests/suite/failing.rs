//! Engines, plugins, nodes, the wire and the cloud that fail.

use anyhow::{Result, ensure};
use swarm::{Cluster, SOON, wait_until};

use crate::Case;
use crate::networks::SUBNET;
use crate::service::{
    create, create_network, everywhere, kuryr_swarm, manage, reaches, remove_network, running, scale, unmake,
};

pub(crate) const CASES: &[Case] = &[
    ("managers_elect_another_leader_and_services_go_on", leader),
    ("a_node_whose_plugin_is_disabled_gets_no_tasks", disabled),
    ("tasks_wait_for_a_neutron_that_is_down", neutron_down),
    ("a_node_that_was_cut_off_is_replaced_and_comes_back", cut_off),
];

/// Cases that fail today; run them with `--ignored`.
pub(crate) const KNOWN: &[Case] =
    &[("a_workers_engine_that_is_killed_comes_back_to_its_tasks_and_gives_lost_ones_back", engine)];

fn engine(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "killed", &SUBNET)?;
    create(cluster, "svc", "killed", 4)?;
    running(cluster, "svc", "killed", 4)?;
    cluster.node_mut("w1")?.engine()?.kill();
    cluster.node_mut("w1")?.engine()?.launch()?;
    let tasks = running(cluster, "svc", "killed", 4)?;
    reaches(cluster, &tasks[0], &tasks[3].address)?;
    manage(cluster, &["service", "rm", "svc"])?;
    wait_until(SOON, "nothing but the description stays on the node whose engine crashed", || {
        match kuryr_swarm(cluster, &everywhere(cluster), &["rm", "killed"]) {
            // Docker counts its user from before the crash for good.
            Err(error) if error.to_string().contains("configuration network") => Ok(()),
            other => other.map(drop),
        }
    })?;
    unmake(cluster, "killed")
}

fn leader(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    let format = "{{.Hostname}} {{.ManagerStatus}}";
    let all = manage(cluster, &["node", "ls", "--format", format])?;
    let leader = all.lines().find_map(|line| line.strip_suffix(" Leader")).unwrap_or_default().to_owned();
    cluster.node_mut(&leader)?.engine()?.kill();
    let other = if leader == "m2" { "m3" } else { "m2" };
    wait_until(SOON, "another manager leads and scales", || {
        cluster.node(other)?.docker(&["service", "scale", "--detach", "svc=4"]).map(drop)
    })?;
    cluster.node_mut(&leader)?.engine()?.launch()?;
    wait_until(SOON, "the old leader follows", || manage(cluster, &["node", "ls"]).map(drop))?;
    let tasks = running(cluster, "svc", "net", 4)?;
    reaches(cluster, &tasks[0], &tasks[3].address)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn disabled(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    cluster.node("w2")?.docker(&["plugin", "disable", "--force", "kuryr"])?;
    create(cluster, "svc", "net", 2)?;
    let tasks = running(cluster, "svc", "net", 2)?;
    ensure!(tasks.iter().all(|task| task.node == "w1"), "{tasks:?}");
    cluster.node("w2")?.docker(&["plugin", "enable", "kuryr"])?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn neutron_down(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    cluster.stop_cloud();
    scale(cluster, "svc", 4)?;
    wait_until(SOON, "a task was tried in vain", || {
        let said = manage(cluster, &["service", "ps", "--no-trunc", "--format", "{{.Error}}", "svc"])?;
        ensure!(!said.trim().is_empty(), "none yet");
        Ok(())
    })?;
    cluster.start_cloud()?;
    running(cluster, "svc", "net", 4)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}

fn cut_off(cluster: &mut Cluster) -> Result<()> {
    create_network(cluster, "net", &SUBNET)?;
    create(cluster, "svc", "net", 2)?;
    running(cluster, "svc", "net", 2)?;
    cluster.set_connected("w2", false)?;
    wait_until(SOON, "its task runs elsewhere as well", || {
        // It knows nothing of that, and keeps its own.
        let tasks = running(cluster, "svc", "net", 3)?;
        ensure!(tasks.iter().filter(|task| task.node == "w1").count() == 2, "{tasks:?}");
        Ok(())
    })?;
    cluster.set_connected("w2", true)?;
    let tasks = running(cluster, "svc", "net", 2)?;
    reaches(cluster, &tasks[0], &tasks[1].address)?;
    manage(cluster, &["service", "rm", "svc"])?;
    remove_network(cluster, "net")
}
