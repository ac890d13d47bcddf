//! Nodes: what they find, what they make where nothing is, and what they still know without a journal.

use super::*;
use crate::ExposedPort;

async fn prepared() -> (Docker, Docker, Global, IpNet) {
    let manager = node("node-1");
    let worker = beside(&manager, "node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let wanted = address(&manager, &network.pool.id, None).await.unwrap();
    (manager, worker, network, wanted)
}

#[tokio::test]
async fn a_node_that_sees_no_reservation_yet_makes_the_port() {
    let (manager, worker, network, wanted) = prepared().await;
    let port = only(&manager).id;
    manager.world.cloud.lock().unwrap().ports.remove(&port);
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let task = start(&worker, ID, &pool, wanted).await.unwrap();
    // The manager's replay comes later.
    assert!(!only(&manager).tags.contains(&"kuryr.g".to_owned()));
    replay(&manager, ID, &network, &[wanted], &[]).await.unwrap();
    assert_eq!(only(&manager).tags.len(), 2);
    stop(&worker, ID, &pool, &task).await.unwrap();
    assert_eq!(
        (only(&manager).tags, only(&manager).device_owner),
        (vec!["kuryr.g".to_owned()], "kuryr:swarm".to_owned())
    );
}

#[tokio::test]
async fn ports_a_container_exposes_are_opened_and_closed_again() {
    let (manager, worker, network, wanted) = prepared().await;
    let found = only(&manager).security_groups;
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let got = address(&worker, &pool.id, Some(wanted.addr())).await.unwrap();
    let endpoint = docker_id();
    let request = EndpointRequest {
        network_id: ID.to_owned(),
        endpoint_id: endpoint.clone(),
        ipv4: Some(got),
        exposed: vec![ExposedPort { protocol: 6, port: 80 }],
        ..EndpointRequest::default()
    };
    let created = worker.service.create_endpoint(request).await.unwrap();
    assert_eq!(only(&manager).security_groups.len(), 2);
    let task = Task { endpoint, address: got, created };
    stop(&worker, ID, &pool, &task).await.unwrap();
    assert_eq!(only(&manager).security_groups, found);
    assert!(manager.world.snapshot().groups.is_empty());
}

#[tokio::test]
async fn an_address_a_container_of_another_node_has_is_refused() {
    let (manager, worker, network, wanted) = prepared().await;
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    start(&worker, ID, &pool, wanted).await.unwrap();
    let held_before = only(&manager);
    let other = beside(&manager, "node-2");
    let pool = arrive(&other, ID, &network, &[]).await.unwrap();
    let text = refusal(address(&other, &pool.id, Some(wanted.addr())).await);
    assert!(text.contains("node-1") && text.contains(&held_before.id), "{text}");
    let mut now = only(&manager);
    now.revision_number = held_before.revision_number;
    assert_eq!(now, held_before);
}

#[tokio::test]
async fn a_node_without_its_journal_stops_what_runs_and_starts_anew() {
    let (manager, mut worker, network, wanted) = prepared().await;
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let task = start(&worker, ID, &pool, wanted).await.unwrap();
    worker.lose_journal();
    stop(&worker, ID, &pool, &task).await.unwrap();
    assert_eq!(
        (only(&manager).tags, only(&manager).host_id.as_deref()),
        (vec!["kuryr.g".to_owned()], Some(""))
    );
    let task = start(&worker, ID, &pool, wanted).await.unwrap();
    assert_eq!(only(&manager).device_id, task.endpoint);
    worker.lose_journal();
    let cloud = manager.world.snapshot();
    // The network is the managers'.
    worker.service.delete_network(ID).await.unwrap();
    assert_eq!(manager.world.snapshot(), cloud);
    stop(&worker, ID, &pool, &task).await.unwrap();
    depart(&worker, ID, &network, &pool).await.unwrap();
    manager.service.release_address(&network.pool.id, wanted.addr()).await.unwrap();
    assert!(held(&manager).is_empty());
    worker.assert_forgotten("at the end");
}

#[tokio::test]
async fn an_engine_that_died_finds_its_network_again() {
    let (manager, mut worker, network, wanted) = prepared().await;
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    start(&worker, ID, &pool, wanted).await.unwrap();
    worker.reboot().await;
    let again = arrive(&worker, ID, &network, &[]).await.unwrap();
    assert_eq!(again, pool);
    let other = address(&manager, &network.pool.id, None).await.unwrap();
    start(&worker, ID, &again, other).await.unwrap();
}

#[tokio::test]
async fn a_range_no_manager_has_tied_to_a_network_is_unknown_to_nodes() {
    let worker = node("node-1");
    worker.operator_network("theirs", &[RANGE]).await;
    let before = worker.world.snapshot();
    let text = refusal(pool(&worker, LOCAL, RANGE, &[]).await);
    assert!(text.contains("does not exist") && text.contains("on a manager"), "{text}");
    let text = refusal(pool(&worker, LOCAL, "", &[]).await);
    assert!(text.contains("on a manager"), "{text}");
    assert_as_before(&before, &[&worker]);
}
