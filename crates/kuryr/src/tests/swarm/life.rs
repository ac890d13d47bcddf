//! The life of a network: the recorded order of calls, and what each costs.

use super::*;

#[tokio::test]
async fn b12_a_service_lives_on_another_node_and_leaves_nothing() {
    let manager = node("node-1");
    let before = manager.world.snapshot();
    let worker = beside(&manager, "node-1");
    let ipam = [];
    let network = create(&manager, ID, RANGE, &[("o1", "v1".to_owned())], &ipam).await.unwrap();
    assert_eq!(network.options["o1"], "v1");
    let cloud = manager.world.snapshot();
    let (neutron, subnet) = (&network.options["neutron.net.uuid"], &network.options["neutron.subnet.uuid"]);
    assert_eq!(cloud.networks[neutron].name, "kuryr-net-d8jze08m");
    assert!(cloud.networks[neutron].tags.contains(&format!("kuryr.net.uuid.lh:{ID}")));
    assert_eq!(
        (&cloud.subnets[subnet].network_id, network.gateway.to_string()),
        (neutron, "10.30.0.1/24".to_owned())
    );

    let vip = address(&manager, &network.pool.id, None).await.unwrap();
    let task = address(&manager, &network.pool.id, None).await.unwrap();
    assert_ne!(vip, task);
    assert_eq!(task.prefix_len(), 24);
    for port in held(&manager) {
        assert_eq!(port.device_owner, "kuryr:swarm");
        assert_eq!((port.device_id.as_str(), port.host_id.as_deref()), ("", Some("")));
        assert_eq!(port.tags, ["kuryr.g"]);
    }

    let pool = arrive(&worker, ID, &network, &ipam).await.unwrap();
    assert_ne!(pool.id, network.pool.id);
    let running = start(&worker, ID, &pool, task).await.unwrap();
    let port = held(&manager).into_iter().find(|p| p.fixed_ips[0].ip_address == task.addr()).unwrap();
    assert_eq!(running.created.mac, Some(port.mac_address));
    assert_eq!(
        (port.device_owner.as_str(), port.device_id.as_str()),
        ("compute:kuryr", running.endpoint.as_str())
    );
    assert_eq!(port.host_id.as_deref(), Some("node-1"));
    assert_eq!(port.tags.len(), 2);

    stop(&worker, ID, &pool, &running).await.unwrap();
    let port = held(&manager).into_iter().find(|p| p.fixed_ips[0].ip_address == task.addr()).unwrap();
    assert_eq!((port.device_owner.as_str(), port.tags), ("kuryr:swarm", vec!["kuryr.g".to_owned()]));
    depart(&worker, ID, &network, &pool).await.unwrap();
    manager.service.release_address(&network.pool.id, task.addr()).await.unwrap();
    manager.service.release_address(&network.pool.id, vip.addr()).await.unwrap();
    assert!(held(&manager).is_empty());
    remove(&manager, ID, &network).await.unwrap();
    assert_as_before(&before, &[&manager, &worker]);
}

#[tokio::test]
async fn an_address_costs_a_manager_one_call_and_a_node_three() {
    let manager = node("node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    manager.world.calls();
    let task = address(&manager, &network.pool.id, None).await.unwrap();
    assert_eq!(manager.world.calls(), ["POST ports"]);
    ask(&manager, &network.pool.id, at("10.30.0.1"), AddressKind::Gateway).await.unwrap();
    assert!(manager.world.calls().is_empty(), "a gateway is never a port");

    let worker = beside(&manager, "node-1");
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    assert_eq!(worker.world.calls(), ["GET subnets", "GET network"]);
    let running = start(&worker, ID, &pool, task).await.unwrap();
    assert_eq!(worker.world.calls(), ["GET ports", "PUT tag", "PUT port"]);
    stop(&worker, ID, &pool, &running).await.unwrap();
    assert_eq!(worker.world.calls(), ["GET port", "PUT port", "DELETE tag", "GET port"]);
    depart(&worker, ID, &network, &pool).await.unwrap();
    assert!(worker.world.calls().is_empty(), "a node only forgets");
    manager.service.release_address(&network.pool.id, task.addr()).await.unwrap();
    assert_eq!(manager.world.calls(), ["GET ports", "PUT port", "DELETE port"]);
    replay(&manager, ID, &network, &[], &[]).await.unwrap();
    assert_eq!(manager.world.calls(), ["GET networks", "GET subnets", "GET subnet"]);
    let again = address(&manager, &network.pool.id, None).await.unwrap();
    manager.world.calls();
    replay(&manager, ID, &network, &[again], &[]).await.unwrap();
    assert_eq!(manager.world.calls()[3..], ["GET ports"]);
}

#[tokio::test]
async fn a_new_leader_takes_everything_over_without_a_record() {
    let old = node("node-1");
    let before = old.world.snapshot();
    let network = create(&old, ID, RANGE, &[], &[]).await.unwrap();
    let live = [
        address(&old, &network.pool.id, None).await.unwrap(),
        address(&old, &network.pool.id, None).await.unwrap(),
    ];
    let seen = old.world.snapshot();
    let new = beside(&old, "node-2");
    let taken = replay(&new, ID, &network, &live, &[]).await.unwrap();
    assert_eq!((taken.pool.id.clone(), taken.options.clone()), (network.pool.id, network.options));
    assert_eq!(new.world.snapshot(), seen, "a replay changes nothing");
    // What was lost in Neutron is reserved again.
    let lost = held(&new)[0].id.clone();
    new.world.cloud.lock().unwrap().ports.remove(&lost);
    replay(&new, ID, &taken, &live, &[]).await.unwrap();
    assert_eq!(held(&new).len(), 2);
    for address in live {
        new.service.release_address(&taken.pool.id, address.addr()).await.unwrap();
    }
    remove(&new, ID, &taken).await.unwrap();
    assert_as_before(&before, &[&new, &old]);
}

#[tokio::test]
async fn the_network_goes_with_the_last_task_where_it_was_removed_before() {
    let manager = node("node-1");
    let before = manager.world.snapshot();
    let worker = beside(&manager, "node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let task = address(&manager, &network.pool.id, None).await.unwrap();
    let pool = arrive(&worker, ID, &network, &[]).await.unwrap();
    let running = start(&worker, ID, &pool, task).await.unwrap();
    remove(&manager, ID, &network).await.unwrap_err();
    assert_eq!(only(&manager).tags.len(), 1, "the manager's hold is over");
    // Nobody comes to it any more: the same range again is another network.
    let again = create(&manager, "other1other1other1other12", RANGE, &[], &[]).await.unwrap();
    assert_ne!(again.options["neutron.net.uuid"], network.options["neutron.net.uuid"]);
    remove(&manager, "other1other1other1other12", &again).await.unwrap();
    stop(&worker, ID, &pool, &running).await.unwrap();
    depart(&worker, ID, &network, &pool).await.unwrap();
    assert!(held(&manager).is_empty());
    manager.sweep().await;
    assert_as_before(&before, &[&manager, &worker]);
}
