//! What no record names inside a virtual machine: a container's link is not seen, so what may be in use stays.

use super::{IPVLAN, MACVLAN, Machine, docker_in, net, settings};
use crate::guest::GuestMode;
use crate::tests::docker::{Container, Docker, Run};
use crate::{Orphan, OrphanAction, OrphanKind};

/// A container that runs or has ended, and a journal that knows nothing of it.
async fn forgotten(mode: GuestMode, running: bool) -> (Docker, Machine, Container) {
    let (mut docker, machine) = docker_in(settings(mode)).await;
    let network = docker.network_create(&net(mode)).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let link = container.joined.clone().unwrap().source_name;
    if running {
        docker.world.cloud.lock().unwrap().move_into_container(&link);
    }
    for collection in ["pools", "networks", "ports", "endpoints", "groups"] {
        std::fs::remove_dir_all(docker.journal().join(collection)).unwrap();
    }
    docker.restart();
    (docker, machine, container)
}

async fn ports(docker: &Docker) -> Vec<Orphan> {
    let report = docker.service.collect_orphans(false).await.unwrap();
    report.orphans.into_iter().filter(|o| o.kind == OrphanKind::Port).collect()
}

#[tokio::test]
async fn a_port_whose_link_may_be_in_a_container_stays_and_one_whose_link_is_here_goes() {
    for mode in [GuestMode::Vlan, MACVLAN, IPVLAN] {
        let (docker, machine, _) = forgotten(mode, true).await;
        let found = ports(&docker).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].action, OrphanAction::Left, "{mode:?}: {found:?}");
        let cloud = docker.world.cloud.lock().unwrap().clone();
        assert!(cloud.ports.contains_key(&found[0].id) && cloud.contained.len() == 1);
        assert_eq!(cloud.trunks[&machine.trunk].sub_ports.len(), usize::from(mode == GuestMode::Vlan));

        let (docker, machine, _) = forgotten(mode, false).await;
        let found = ports(&docker).await;
        assert_eq!(found[0].action, OrphanAction::Removed, "{mode:?}: {found:?}");
        assert!(machine.sub_ports(&docker).is_empty());
        // Nothing proves that a pair is ours, so the operator hears of it.
        let told = found[0].why.contains("stays an allowed pair");
        assert_eq!(told, mode != GuestMode::Vlan, "{found:?}");
        assert_eq!(machine.pairs(&docker).len(), if told { 2 } else { 1 });
        let cloud = docker.world.cloud.lock().unwrap();
        assert!(!cloud.ports.contains_key(&found[0].id));
        assert!(cloud.links.keys().all(|name| name == "eth0"), "{:?}", cloud.links);
    }
}

#[tokio::test]
async fn a_port_that_can_send_no_more_goes() {
    let (docker, machine, container) = forgotten(GuestMode::Vlan, true).await;
    let link = container.joined.unwrap().source_name;
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud.contained.remove(&link);
        cloud.trunks.get_mut(&machine.trunk).unwrap().sub_ports.clear();
    }
    assert_eq!(ports(&docker).await[0].action, OrphanAction::Removed);
}

#[tokio::test]
async fn with_a_whole_journal_there_are_none_and_a_running_container_is_in_no_trouble() {
    for mode in [GuestMode::Vlan, MACVLAN, IPVLAN] {
        let (mut docker, _) = docker_in(settings(mode)).await;
        let network = docker.network_create(&net(mode)).await.unwrap();
        let container = docker.run(&network, &Run::default()).await.unwrap();
        let link = container.joined.clone().unwrap().source_name;
        docker.world.cloud.lock().unwrap().move_into_container(&link);
        assert_eq!(docker.service.collect_orphans(false).await.unwrap().orphans, [], "{mode:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_left_is_not_given_up_while_its_link_may_be_in_a_container() {
    let (mut docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let link = container.joined.clone().unwrap().source_name;
    docker.world.cloud.lock().unwrap().move_into_container(&link);
    docker.service.leave(&network, &container.endpoint).await.unwrap();
    docker.let_time_pass();
    docker.sweep().await;
    docker.assert_in_journal(&container.endpoint);
    docker.world.cloud.lock().unwrap().move_back(&link);
    docker.sweep().await;
    docker.stop(&container).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_started_again_ends_its_containers_and_starts_them_anew() {
    for mode in [GuestMode::Vlan, MACVLAN, IPVLAN] {
        let (mut docker, machine) = docker_in(settings(mode)).await;
        let network = docker.network_create(&net(mode)).await.unwrap();
        let container = docker.run(&network, &Run::default()).await.unwrap();
        // With the machine its links went.
        docker.world.cloud.lock().unwrap().links.retain(|name, _| name == "eth0");
        docker.reboot().await;
        docker.stop(&container).await.unwrap();
        assert!(machine.sub_ports(&docker).is_empty());
        assert_eq!(machine.pairs(&docker), [super::theirs()]);
        docker.run(&network, &Run::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_that_is_being_made_is_no_orphan() {
    let (mut docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    // Made, and the answer still to come.
    let record = docker.reservation_without_an_answer(&network);
    assert_eq!(docker.service.collect_orphans(false).await.unwrap().orphans, []);
    assert!(docker.world.cloud.lock().unwrap().ports.values().any(|p| p.description.contains(&record)));
}
