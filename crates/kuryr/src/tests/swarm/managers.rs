//! What managers refuse, and managers that do the same at once.

use super::*;
use crate::doubles::Fault;

#[tokio::test]
async fn of_managers_that_race_exactly_one_makes_the_network() {
    for fifth in [false, true] {
        let one = node("node-1");
        let before = one.world.snapshot();
        let (two, three) = (beside(&one, "node-2"), beside(&one, "node-3"));
        if fifth {
            // One of the first calls is slow to be answered.
            one.world.arm(5, Fault::Dropped);
        }
        let (a, b, c) = tokio::join!(
            pool(&one, GLOBAL, RANGE, &[]),
            pool(&two, GLOBAL, RANGE, &[]),
            pool(&three, GLOBAL, RANGE, &[])
        );
        one.world.disarm();
        let all: Vec<Pool> = [a, b, c].into_iter().flatten().collect();
        assert!(all.len() >= 2, "{all:?}");
        assert!(all.iter().all(|pool| pool.id == all[0].id), "{all:?}");
        let cloud = one.world.snapshot();
        assert_eq!((cloud.subnets.len(), cloud.networks.len()), (1, 1));
        for manager in [&one, &two, &three] {
            manager.service.release_pool(&all[0].id).await.unwrap();
            // That another one has removed it, its maker learns later.
            manager.let_time_pass();
            manager.sweep().await;
        }
        assert_as_before(&before, &[&one, &two, &three]);
    }
}

#[tokio::test]
async fn managers_that_race_on_an_existing_network_share_the_subnet() {
    let one = node("node-1");
    let id = one.operator_network("theirs", &[]).await;
    let before = one.world.snapshot();
    let two = beside(&one, "node-2");
    let ipam = vec![("neutron.net.uuid", id.clone())];
    let (a, b) = tokio::join!(pool(&one, GLOBAL, RANGE, &ipam), pool(&two, GLOBAL, RANGE, &ipam));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a, b);
    let network = create(&two, ID, RANGE, &[], &ipam).await.unwrap();
    assert_eq!(network.options["neutron.net.uuid"], id);
    assert_eq!(one.world.snapshot().networks[&id].name, "theirs");
    remove(&one, ID, &network).await.unwrap();
    two.sweep().await;
    assert_as_before(&before, &[&one, &two]);
}

#[tokio::test]
async fn an_existing_subnet_is_used_and_left_as_found() {
    let manager = node("node-1");
    let id = manager.operator_network("theirs", &[RANGE]).await;
    let before = manager.world.snapshot();
    let subnet = before.subnets.keys().next().unwrap().clone();
    let ipam = vec![("neutron.subnet.uuid", subnet.clone())];
    let network = create(&manager, ID, RANGE, &[], &ipam).await.unwrap();
    assert_eq!(
        (&network.options["neutron.net.uuid"], &network.options["neutron.subnet.uuid"]),
        (&id, &subnet)
    );
    let task = address(&manager, &network.pool.id, at("10.30.0.9")).await.unwrap();
    let worker = beside(&manager, "node-1");
    let pool = arrive(&worker, ID, &network, &ipam).await.unwrap();
    let running = start(&worker, ID, &pool, task).await.unwrap();
    manager.service.release_address(&network.pool.id, task.addr()).await.unwrap();
    stop(&worker, ID, &pool, &running).await.unwrap();
    depart(&worker, ID, &network, &pool).await.unwrap();
    remove(&manager, ID, &network).await.unwrap();
    assert_as_before(&before, &[&manager, &worker]);
}

#[tokio::test]
async fn a_range_two_networks_want_needs_a_subnet_by_id() {
    let manager = node("node-1");
    let first = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let cloud = manager.world.snapshot();
    let other = "0therther0therther0therth";
    let text = refusal(create(&manager, other, RANGE, &[], &[]).await);
    assert!(text.contains(ID) && text.contains("--ipam-opt neutron.subnet.uuid"), "{text}");
    assert_eq!(manager.world.snapshot(), cloud, "the first network was touched");

    let theirs = manager.operator_network("theirs", &[RANGE]).await;
    let subnet = manager.world.snapshot().networks[&theirs].subnets[0].clone();
    let ipam = vec![("neutron.subnet.uuid", subnet)];
    let second = create(&manager, other, RANGE, &[], &ipam).await.unwrap();
    let worker = beside(&manager, "node-1");
    // By the range alone a node cannot tell them apart.
    let text = refusal(arrive(&worker, ID, &first, &[]).await);
    assert!(text.contains("several swarm networks") && text.contains("neutron.subnet.uuid"), "{text}");
    arrive(&worker, other, &second, &ipam).await.unwrap();
}

#[tokio::test]
async fn ipv6_and_several_ranges_are_refused_with_the_reason() {
    let manager = node("node-1");
    let before = manager.world.snapshot();
    for range in ["fd31::/64"] {
        let text = refusal(pool(&manager, GLOBAL, range, &[]).await);
        assert!(
            text.contains("IPv4 only") && text.contains("by chance") && text.contains("--config-from"),
            "{text}"
        );
        let text = refusal(pool(&manager, LOCAL, range, &[]).await);
        assert!(text.contains("IPv4 only"), "{text}");
    }
    let text = refusal(allocate(&manager, ID, BTreeMap::new(), &["fd31::/64", "10.31.0.0/24"]).await);
    assert!(text.contains("IPv4 only"), "{text}");
    let text = refusal(allocate(&manager, ID, BTreeMap::new(), &["10.32.0.0/24", "10.31.0.0/24"]).await);
    assert!(text.contains("one --subnet"), "{text}");
    // Docker's own IPAM driver chose it.
    let text = refusal(allocate(&manager, ID, BTreeMap::new(), &["10.0.1.0/24"]).await);
    assert!(text.contains("--ipam-driver"), "{text}");
    assert_as_before(&before, &[&manager]);
}

#[tokio::test]
async fn options_only_the_network_has_come_too_late_for_its_addresses() {
    let manager = node("node-1");
    let id = manager.operator_network("theirs", &[RANGE]).await;
    let before = manager.world.snapshot();
    let text = refusal(create(&manager, ID, RANGE, &[("neutron.net.uuid", id)], &[]).await);
    assert!(text.contains("--ipam-opt"), "{text}");
    let text = refusal(create(&manager, ID, RANGE, &[("neutron.net.uid", "x".to_owned())], &[]).await);
    assert!(text.contains("did you mean"), "{text}");
    assert_as_before(&before, &[&manager]);
}

#[tokio::test]
async fn a_gateway_is_echoed_or_refused_and_never_a_port() {
    let manager = node("node-1");
    let asked = pool(&manager, GLOBAL, RANGE, &[]).await.unwrap();
    assert_eq!(asked.gateway.unwrap().to_string(), "10.30.0.1/24");
    let text = refusal(ask(&manager, &asked.id, at("10.30.0.254"), AddressKind::Gateway).await);
    assert!(text.contains("10.30.0.1") && text.contains("--gateway"), "{text}");
    let got = ask(&manager, &asked.id, None, AddressKind::Gateway).await.unwrap();
    assert_eq!(got.to_string(), "10.30.0.1/24");
    manager.service.release_address(&asked.id, got.addr()).await.unwrap();
    assert!(held(&manager).is_empty());
    // A process that remembers nothing asks Neutron.
    let other = beside(&manager, "node-2");
    let got = ask(&other, &asked.id, at("10.30.0.1"), AddressKind::Gateway).await.unwrap();
    assert_eq!(got.to_string(), "10.30.0.1/24");
}

#[tokio::test]
async fn a_range_nobody_names_comes_from_the_default_pool() {
    let manager = node("node-1");
    manager.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let before = manager.world.snapshot();
    let network = create(&manager, ID, "", &[], &[]).await.unwrap();
    assert_eq!(network.pool.pool.to_string(), "10.20.0.0/24");
    let known = manager.world.snapshot();
    replay(&manager, ID, &network, &[], &[]).await.unwrap();
    assert_eq!(manager.world.snapshot(), known);
    remove(&manager, ID, &network).await.unwrap();
    assert_as_before(&before, &[&manager]);
}

#[tokio::test]
async fn an_address_of_a_strangers_port_is_refused_by_name() {
    let manager = node("node-1");
    let id = manager.operator_network("theirs", &[RANGE]).await;
    let port = manager.operator_port(&id, "10.30.0.50").await;
    let ipam = vec![("neutron.net.uuid", id)];
    let network = create(&manager, ID, RANGE, &[], &ipam).await.unwrap();
    let before = manager.world.snapshot();
    let text = refusal(address(&manager, &network.pool.id, at("10.30.0.50")).await);
    assert!(text.contains(&port.id), "{text}");
    let worker = beside(&manager, "node-1");
    let pool = arrive(&worker, ID, &network, &ipam).await.unwrap();
    let text = refusal(start(&worker, ID, &pool, "10.30.0.50/24".parse().unwrap()).await);
    assert!(text.contains(&port.id), "{text}");
    worker.service.release_address(&pool.id, ip("10.30.0.50")).await.unwrap();
    manager.service.release_address(&network.pool.id, ip("10.30.0.50")).await.unwrap();
    assert_eq!(manager.world.snapshot(), before);
}

#[tokio::test]
async fn a_full_quota_and_an_absent_neutron_are_told_at_once() {
    let mut manager = node("node-1");
    let network = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let ports = manager.world.snapshot().ports.len();
    manager.world.cloud.lock().unwrap().quota_ports = Some(ports);
    let text = refusal(address(&manager, &network.pool.id, None).await);
    assert!(text.contains("uota"), "{text}");
    manager.world.cloud.lock().unwrap().quota_ports = None;
    manager.world.arm(1, Fault::Down);
    let text = refusal(address(&manager, &network.pool.id, None).await);
    assert!(text.contains("refused"), "{text}");
    manager.world.disarm();
    manager.sweep().await;
    // A Neutron that hangs costs the allocator its patience, not more.
    manager.settings.manager_deadline = super::super::docker::quickly();
    manager.restart();
    manager.world.arm(2, Fault::Hang);
    let text = refusal(address(&manager, &network.pool.id, None).await);
    assert!(text.contains("not finished"), "{text}");
    manager.world.disarm();
    assert!(held(&manager).is_empty());
    address(&manager, &network.pool.id, None).await.unwrap();
}

#[tokio::test]
async fn what_was_made_for_a_network_that_never_came_is_given_up() {
    let mut manager = node("node-1");
    let before = manager.world.snapshot();
    pool(&manager, GLOBAL, RANGE, &[]).await.unwrap();
    manager.reboot().await;
    assert_eq!(manager.world.snapshot().networks.len(), 1, "its allocation may be under way");
    manager.let_time_pass();
    manager.sweep().await;
    assert_as_before(&before, &[&manager]);
    // One that another manager allocated stays.
    pool(&manager, GLOBAL, RANGE, &[]).await.unwrap();
    let other = beside(&manager, "node-2");
    create(&other, ID, RANGE, &[], &[]).await.unwrap();
    manager.let_time_pass();
    manager.sweep().await;
    assert_eq!(manager.world.snapshot().networks.len(), 1);
    assert!(manager.service.inner.networks.all(|_| true).is_empty());
}

#[tokio::test]
async fn a_swarm_of_another_project_that_an_administrator_sees_is_another_one() {
    let manager = node("node-1");
    let theirs = create(&manager, ID, RANGE, &[], &[]).await.unwrap();
    let network = theirs.options["neutron.net.uuid"].clone();
    manager.world.cloud.lock().unwrap().networks.get_mut(&network).unwrap().project_id = "q".to_owned();
    let other = beside(&manager, "node-1");
    let text = refusal(pool(&other, LOCAL, RANGE, &[]).await);
    assert!(text.contains("does not exist"), "{text}");
    let ours = create(&other, "0therther0therther0therth", RANGE, &[], &[]).await.unwrap();
    assert_ne!(ours.options["neutron.net.uuid"], network);
    arrive(&other, "0therther0therther0therth", &ours, &[]).await.unwrap();
}
