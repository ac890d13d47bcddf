//! Reservations that nobody needs any more.

use std::time::{Duration, SystemTime};

use super::*;
use crate::names;
use crate::{Neutron, Orphan, OrphanAction, OrphanKind};

async fn round(docker: &Docker) -> Vec<Orphan> {
    docker.service.collect_orphans(false).await.unwrap().orphans
}

/// As another host sees it: this world has the links of one host, which are strange to the others.
async fn elsewhere(docker: &Docker) -> Vec<Orphan> {
    let all = round(docker).await;
    all.into_iter().filter(|o| o.kind == OrphanKind::Reservation).collect()
}

fn actions(orphans: &[Orphan]) -> Vec<(OrphanKind, OrphanAction)> {
    orphans.iter().map(|o| (o.kind, o.action)).collect()
}

/// All that Neutron has was made an hour ago.
fn let_an_hour_pass(docker: &Docker) {
    let hour = Duration::from_secs(3600);
    docker.world.cloud.lock().unwrap().created_at = Some(SystemTime::now() - hour);
}

async fn running() -> (Docker, Docker, Global, Pool, Task) {
    let manager = node("node-1");
    let worker = beside(&manager, "node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let wanted = address(&manager, &network.pool.id, None).await.unwrap();
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let task = start(&worker, ID, &pool, wanted).await.unwrap();
    (manager, worker, network, pool, task)
}

#[tokio::test]
async fn a_swarm_in_good_order_has_no_orphans() {
    let (manager, worker, network, ..) = running().await;
    address(&manager, &network.pool.id, None).await.unwrap();
    let_an_hour_pass(&manager);
    let cloud = manager.world.snapshot();
    assert_eq!(round(&worker).await, []);
    let other = beside(&manager, "node-3");
    assert_eq!(elsewhere(&other).await, []);
    assert_eq!(manager.world.snapshot(), cloud);
}

#[tokio::test]
async fn what_a_host_holds_without_a_record_goes_unless_a_container_has_its_link() {
    for in_container in [true, false] {
        let (manager, mut worker, network, _, task) = running().await;
        let port = only(&manager);
        let (host, container) = (names::host_link(&port.id), names::container_link(&port.id));
        worker.lose_journal();
        {
            let mut cloud = manager.world.cloud.lock().unwrap();
            cloud.links.remove(&container);
            if !in_container {
                cloud.links.remove(&host);
            }
        }
        let found = round(&worker).await;
        let of_port: Vec<_> = found.iter().filter(|o| o.id == port.id).cloned().collect();
        let expected = if in_container { OrphanAction::Left } else { OrphanAction::Removed };
        assert_eq!(actions(&of_port), [(OrphanKind::Reservation, expected)], "{found:#?}");
        // The manager's hold is not this host's to end.
        assert!(only(&manager).tags.contains(&"kuryr.g".to_owned()));
        assert_eq!(only(&manager).tags.len(), if in_container { 2 } else { 1 });
        manager.service.release_address(&network.pool.id, task.address.addr()).await.unwrap();
        assert_eq!(held(&manager).len(), usize::from(in_container));
    }
}

#[tokio::test]
async fn the_hold_of_a_host_that_is_gone_ends_only_when_nothing_is_bound_there() {
    let (manager, _gone, network, _, task) = running().await;
    manager.service.release_address(&network.pool.id, task.address.addr()).await.unwrap();
    let_an_hour_pass(&manager);
    let other = beside(&manager, "node-3");
    for _ in 0..2 {
        let found = elsewhere(&other).await;
        assert_eq!(actions(&found), [(OrphanKind::Reservation, OrphanAction::Left)], "{found:#?}");
        assert!(found[0].why.contains("node-1") && found[0].why.contains("openstack port delete"));
        other.service.inner.abandoned.age();
    }
    // It was about to give it up when it died.
    let port = only(&manager).id;
    manager.world.cloud.lock().unwrap().links.remove(&names::host_link(&port));
    manager.change_port(&port, |port| {
        port.host_id = Some(String::new());
        port.device_owner = "kuryr:swarm".to_owned();
    });
    assert_eq!(actions(&elsewhere(&other).await), [(OrphanKind::Reservation, OrphanAction::Left)]);
    other.service.inner.abandoned.age();
    assert_eq!(actions(&elsewhere(&other).await), [(OrphanKind::Reservation, OrphanAction::Removed)]);
    assert!(held(&manager).is_empty());
}

#[tokio::test]
async fn reservations_of_a_network_that_swarm_gave_up_are_found() {
    let manager = node("node-1");
    let id = manager.operator_network("theirs", &[RANGE]).await;
    let network = create(&manager, ID, RANGE, &[], &[("neutron.net.uuid", id)]).await.unwrap();
    address(&manager, &network.pool.id, None).await.unwrap();
    let_an_hour_pass(&manager);
    assert_eq!(round(&manager).await, []);
    // A manager died for good in the middle of its end.
    let subnet = network.options["neutron.subnet.uuid"].clone();
    manager.world.cloud.lock().unwrap().subnets.get_mut(&subnet).unwrap().tags.clear();
    let other = beside(&manager, "node-2");
    assert_eq!(actions(&round(&other).await), [(OrphanKind::Reservation, OrphanAction::Removed)]);
    assert!(held(&manager).is_empty());
    // Nobody's since its maker died between making and tagging.
    let port = address(&manager, &network.pool.id, None).await.unwrap();
    let port = manager.port_at(port).unwrap();
    manager.process.remove_tag(openstack::network::Taggable::Port, &port.id, "kuryr.g").await.unwrap();
    assert_eq!(actions(&round(&other).await), [(OrphanKind::Reservation, OrphanAction::Removed)]);
}
