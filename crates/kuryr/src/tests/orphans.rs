//! What no record names: removed where it is provably ours and nobody's, told and left alone otherwise.

use openstack::network::{NewNetwork, NewPort, NewSecurityGroup, Port};

use super::binding::equip;
use super::docker::{Docker, Run, docker_id, v4};
use crate::doubles::{Cloud, Fault};
use crate::{ExposedPort, Neutron, Orphan, OrphanAction, OrphanKind, names};

/// A network with a container that exposes a port, and the world before both.
async fn running() -> (Docker, Cloud) {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let run = Run { exposed: vec![ExposedPort { protocol: 6, port: 80 }], ..Run::default() };
    docker.run(&network, &run).await.unwrap();
    (docker, before)
}

async fn round(docker: &Docker, dry_run: bool) -> Vec<Orphan> {
    docker.service.collect_orphans(dry_run).await.unwrap().orphans
}

fn kinds(orphans: &[Orphan], action: OrphanAction) -> Vec<OrphanKind> {
    orphans.iter().filter(|o| o.action == action).map(|o| o.kind).collect()
}

/// The container runs: its end of the link is in another namespace.
fn moved(docker: &Docker) {
    docker.world.cloud.lock().unwrap().links.retain(|name, _| !name.starts_with("t_c"));
}

/// The journal of a copy that was made before anything was.
fn forget(docker: &mut Docker) {
    for collection in ["pools", "networks", "ports", "endpoints", "groups"] {
        let dir = docker.journal().join(collection);
        std::fs::remove_dir_all(&dir).unwrap();
    }
    docker.restart();
}

fn port_of_ours(docker: &Docker) -> Port {
    let cloud = docker.world.cloud.lock().unwrap();
    cloud.ports.values().find(|p| p.device_owner == names::DEVICE_OWNER).unwrap().clone()
}

#[tokio::test]
async fn with_a_whole_journal_there_are_no_orphans_and_five_lists_are_the_price() {
    let (docker, _) = running().await;
    docker.world.calls();
    assert_eq!(round(&docker, false).await, []);
    let calls = docker.world.calls();
    let lists = ["ports", "security-groups", "subnets", "networks", "subnetpools"];
    assert_eq!(calls, lists.map(|kind| format!("GET all {kind}")));
}

#[tokio::test]
async fn after_a_lost_journal_what_is_ours_and_idle_goes_and_what_docker_may_know_stays() {
    let (mut docker, _) = running().await;
    forget(&mut docker);
    let seen = docker.world.snapshot();
    let looked = round(&docker, true).await;
    assert_eq!(docker.world.snapshot(), seen, "a look changed something");
    let provable = [OrphanKind::Link, OrphanKind::Port, OrphanKind::SecurityGroup];
    assert_eq!(kinds(&looked, OrphanAction::WouldRemove), provable, "{looked:#?}");
    // The network has tags: Docker may still know it. Its pool goes with it or not at all.
    assert_eq!(kinds(&looked, OrphanAction::Left), [OrphanKind::Network, OrphanKind::SubnetPool]);
    let done = round(&docker, false).await;
    assert_eq!(kinds(&done, OrphanAction::Removed), provable);
    let left = docker.world.snapshot();
    assert_eq!((left.networks, left.pools, left.subnets), (seen.networks, seen.pools, seen.subnets));
    assert!(left.groups.is_empty() && left.links.is_empty());
    assert!(left.ports.values().all(|p| p.device_owner == "network:dhcp"));
    // Nothing new at the next round.
    assert!(kinds(&round(&docker, false).await, OrphanAction::Removed).is_empty());
}

#[tokio::test]
async fn a_running_container_keeps_its_port_though_nobody_remembers_it() {
    let (mut docker, _) = running().await;
    moved(&docker);
    forget(&mut docker);
    let before = docker.world.snapshot();
    let done = round(&docker, false).await;
    let left = [
        OrphanKind::Link,
        OrphanKind::Port,
        OrphanKind::SecurityGroup,
        OrphanKind::Network,
        OrphanKind::SubnetPool,
    ];
    assert_eq!(kinds(&done, OrphanAction::Left), left, "{done:#?}");
    assert_eq!(done.len(), left.len());
    assert_eq!(docker.world.snapshot(), before);
    assert!(done.iter().any(|o| o.why.contains("in a container")));
}

#[tokio::test]
async fn what_is_between_a_running_container_and_the_switch_stays_and_goes_in_order_when_it_is_idle() {
    let mut docker = Docker::new();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        equip(&mut cloud);
        cloud.vif_type = "ovs".to_owned();
        cloud.vif_details.insert("ovs_hybrid_plug".to_owned(), true.into());
    }
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    let idle = docker.world.snapshot().links;
    assert_eq!(idle.len(), 5);
    moved(&docker);
    forget(&mut docker);
    let before = docker.world.snapshot();
    let done = round(&docker, false).await;
    assert!(done.iter().all(|o| o.action == OrphanAction::Left), "{done:#?}");
    assert_eq!(docker.world.snapshot(), before);
    docker.world.cloud.lock().unwrap().links = idle;
    let done = round(&docker, false).await;
    let removed =
        [OrphanKind::SwitchPort, OrphanKind::Link, OrphanKind::Link, OrphanKind::Link, OrphanKind::Port];
    assert_eq!(kinds(&done, OrphanAction::Removed), removed, "{done:#?}");
    let left = docker.world.snapshot();
    assert!(left.links.is_empty() && left.switch_ports.is_empty());
}

#[tokio::test]
async fn what_another_installation_or_the_python_driver_made_is_told_and_left() {
    let (mut docker, _) = running().await;
    forget(&mut docker);
    // Another state directory on the same host.
    std::fs::remove_file(docker.journal().join("installation")).unwrap();
    docker.restart();
    let before = docker.world.snapshot();
    let done = round(&docker, false).await;
    assert_eq!(done.len(), 5, "{done:#?}");
    assert!(
        done.iter().all(|o| o.action == OrphanAction::Left && o.why.contains("another kuryr")),
        "{done:#?}"
    );
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_port_without_a_mark_is_told_and_left() {
    let docker = Docker::new();
    let network = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let new = NewPort {
        network_id: network,
        name: "kuryr-unbound-port".to_owned(),
        device_owner: names::DEVICE_OWNER.to_owned(),
        device_id: docker_id(),
        host_id: Some("node-1".to_owned()),
        ..NewPort::default()
    };
    docker.process.create_port(&new).await.unwrap();
    let elsewhere = NewPort { host_id: Some("node-2".to_owned()), ..new };
    docker.process.create_port(&elsewhere).await.unwrap();
    let before = docker.world.snapshot();
    let done = round(&docker, false).await;
    assert_eq!(kinds(&done, OrphanAction::Left), [OrphanKind::Port]);
    assert_eq!(done.len(), 1);
    assert_eq!(docker.world.snapshot(), before);
}

/// Each change makes the proof incomplete.
#[tokio::test]
async fn a_port_somebody_has_changed_since_is_left() {
    type Change = fn(&mut Port);
    let changes: [(&str, Change); 4] = [
        ("used by", |p| p.device_id = "their-server".to_owned()),
        ("existed before", |p| p.tags.push(names::PORT_EXISTING.to_owned())),
        ("cannot be told", |p| p.vnic_type = Some("direct".to_owned())),
        ("", |p| p.device_owner = "compute:nova".to_owned()),
    ];
    for (why, change) in changes {
        let (mut docker, _) = running().await;
        let port = port_of_ours(&docker);
        docker.change_port(&port.id, change);
        forget(&mut docker);
        let done = round(&docker, false).await;
        assert!(docker.world.snapshot().ports.contains_key(&port.id), "{why}");
        let told = done.iter().find(|o| o.id == port.id);
        assert_eq!(told.is_none(), why.is_empty(), "{done:#?}");
        assert!(told.is_none_or(|o| o.action == OrphanAction::Left && o.why.contains(why)), "{done:#?}");
    }
}

#[tokio::test]
async fn with_an_unreadable_entry_nothing_is_removed() {
    let (mut docker, _) = running().await;
    let ports = docker.journal().join("ports");
    for entry in std::fs::read_dir(&ports).unwrap() {
        std::fs::write(entry.unwrap().path(), b"{").unwrap();
    }
    docker.restart();
    let s = &docker.service.inner;
    s.endpoints.all(|_| true).iter().for_each(|e| s.endpoints.remove(&e.id).unwrap());
    let before = docker.world.snapshot();
    let done = round(&docker, false).await;
    assert!(done.iter().any(|o| o.kind == OrphanKind::Port), "{done:#?}");
    assert!(done.iter().all(|o| o.action == OrphanAction::Left), "{done:#?}");
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_network_nobody_has_tagged_yet_goes_with_its_pool_and_an_operators_changes_keep_it() {
    type Change = fn(&mut openstack::network::Network);
    let changes: [(bool, Change); 3] = [
        (true, |_| ()),
        (false, |n| n.tags.push("keep".to_owned())),
        (false, |n| n.name = "mine now".to_owned()),
    ];
    for (goes, change) in changes {
        let mut docker = Docker::new();
        let before = docker.world.snapshot();
        // Dies when the network has been made, before its tags.
        docker.world.arm(2, Fault::DieAfter);
        docker.network_create(&v4("10.9.0.0/24")).await.unwrap_err();
        docker.world.disarm();
        docker.world.cloud.lock().unwrap().networks.values_mut().for_each(change);
        forget(&mut docker);
        let done = round(&docker, false).await;
        if goes {
            assert_eq!(docker.world.snapshot(), before, "{done:#?}");
        } else {
            assert_eq!(docker.world.snapshot().networks.len(), 1, "{done:#?}");
        }
    }
}

#[tokio::test]
async fn what_the_cloud_refuses_to_remove_is_told_with_its_reason_and_the_rest_goes() {
    let (mut docker, _) = running().await;
    forget(&mut docker);
    let names = {
        docker.world.call_names();
        round(&docker, true).await;
        docker.world.call_names().len()
    };
    // The lists, the link (list and removal), then a look at the port, its link, and the removal.
    docker.world.arm(names + 5, Fault::Status(403));
    let report = docker.service.collect_orphans(false).await.unwrap();
    docker.world.disarm();
    assert_eq!(report.failures(), 2, "{report:#?}");
    let port = report.orphans.iter().find(|o| o.kind == OrphanKind::Port).unwrap();
    assert!(port.failure.as_ref().unwrap().contains("cannot delete port"), "{port:?}");
    assert_eq!(kinds(&round(&docker, false).await, OrphanAction::Failed), []);
}

#[tokio::test]
async fn a_cloud_that_is_away_is_said_and_nothing_is_done() {
    let (mut docker, _) = running().await;
    forget(&mut docker);
    let before = docker.world.snapshot();
    for at in 1..=5 {
        docker.world.arm(at, Fault::Down);
        let text = docker.service.collect_orphans(false).await.unwrap_err().to_string();
        assert!(text.contains("cannot list"), "{text}");
        docker.world.disarm();
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn an_endpoint_without_its_link_or_port_is_told_and_left_to_docker() {
    let (docker, _) = running().await;
    let endpoint = docker.service.inner.endpoints.all(|_| true).remove(0);
    docker.world.cloud.lock().unwrap().links.clear();
    let told = round(&docker, false).await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].kind, told[0].action), (OrphanKind::Endpoint, OrphanAction::Left));
    assert!(told[0].id == endpoint.id && told[0].why.contains("its link"), "{told:?}");
    let port = port_of_ours(&docker);
    docker.process.delete_port(&port.id).await.unwrap();
    let told = round(&docker, false).await;
    assert!(told[0].why.contains("deleted in Neutron"), "{told:?}");
    assert!(docker.service.inner.endpoints.get(&endpoint.id).is_some());
}

#[tokio::test]
async fn things_of_others_that_only_look_alike_are_not_even_told() {
    let docker = Docker::new();
    let new = NewNetwork { name: "kuryr-net-12345678".to_owned(), ..NewNetwork::default() };
    docker.process.create_network(&new).await.unwrap();
    let new = NewSecurityGroup {
        name: "kuryr-expose-x".to_owned(),
        description: "mine".to_owned(),
        project_id: None,
    };
    docker.process.create_security_group(&new).await.unwrap();
    docker.world.cloud.lock().unwrap().links.entry("tap12345678-9a".to_owned()).or_default().up = true;
    let before = docker.world.snapshot();
    assert_eq!(round(&docker, false).await, []);
    assert_eq!(docker.world.snapshot(), before);
}
