//! What is left over is put right, and only that.

use std::time::Duration;

use super::docker::{Docker, Net, Run, docker_id, ip, v4};
use crate::doubles::Fault;
use crate::{AddressKind, Error, PoolRequest};

#[tokio::test]
async fn with_nothing_to_do_recovery_asks_nobody() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.calls();
    docker.reboot().await;
    assert!(docker.world.calls().is_empty());
    assert_eq!(docker.world.snapshot(), before);
    assert_eq!(
        docker.service.join(&network, &container.endpoint).await.unwrap(),
        container.joined.clone().unwrap()
    );
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after a restart");
}

#[tokio::test]
async fn a_reservation_docker_forgot_is_released_after_a_while() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    let pool = docker.networks[&network][0].0.clone();
    docker.address(&pool, None, AddressKind::Container).await.unwrap();
    docker.sweep().await;
    let s = &docker.service.inner;
    let mut row = s.ports.all(|_| true).remove(0);
    row.created -= 3 * 60 * 1000;
    s.ports.put(&row.id, &row).unwrap();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_pool_without_network_is_dropped_after_a_while() {
    let docker = Docker::new();
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let before = docker.world.snapshot();
    let wanted = PoolRequest { space: "s".to_owned(), ..PoolRequest::default() };
    docker.service.request_pool(wanted).await.unwrap();
    docker.sweep().await;
    assert_ne!(docker.world.snapshot(), before);
    let s = &docker.service.inner;
    let mut row = s.pools.all(|_| true).remove(0);
    row.created -= 11 * 60 * 1000;
    s.pools.put(&row.id, &row).unwrap();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("after the pool grew old");
}

#[tokio::test]
async fn a_network_docker_gave_up_on_is_removed_after_a_while() {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    // Docker saw the creation fail (its answer was lost): it releases the pool and says no more.
    let pool = docker.networks[&network][0].0.clone();
    docker.service.release_pool(&pool).await.unwrap();
    docker.sweep().await;
    assert_ne!(docker.world.snapshot(), before);
    let s = &docker.service.inner;
    let mut row = s.pools.all(|_| true).remove(0);
    row.released = row.released.map(|at| at - 61_000);
    s.pools.put(&row.id, &row).unwrap();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("after Docker gave up");
}

#[tokio::test]
async fn a_removal_the_cloud_did_not_hear_is_finished_by_the_sweeper() {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.world.arm(1, Fault::Down);
    assert!(docker.stop(&container).await.is_err());
    assert!(docker.network_rm(&network).await.is_err());
    assert!(docker.service.status().doomed > 0);
    docker.sweep().await;
    docker.world.disarm();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("after the cloud came back");
}

#[tokio::test]
async fn an_address_asked_again_while_its_release_is_pending_is_given() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let run = Run { ip: Some(ip("10.9.0.7")), ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    docker.world.arm(1, Fault::Down);
    assert!(docker.stop(&container).await.is_err());
    docker.world.disarm();
    docker.run(&network, &run).await.unwrap();
    docker.sweep().await;
    assert!(docker.port_at("10.9.0.7/24".parse().unwrap()).is_some());
}

#[tokio::test]
async fn a_caller_is_answered_in_time_though_the_cloud_is_not() {
    let mut docker = Docker::with(|s| s.deadline = Duration::from_millis(50));
    docker.world.arm(1, Fault::DieBefore);
    let wanted = docker.service.create_network(crate::NetworkRequest {
        id: docker_id(),
        ipv4: vec![crate::IpamData { pool: "10.9.0.0/24".parse().unwrap(), gateway: None, aux: Vec::new() }],
        ..crate::NetworkRequest::default()
    });
    assert!(matches!(wanted.await, Err(Error::Deadline { .. })));
    docker.reboot().await;
    docker.assert_forgotten("after the restart");
}

#[tokio::test]
async fn without_a_journal_nothing_is_begun() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.all_calls();
    for broken in ["ports", "networks"] {
        // A file in the directory's place makes every write fail, whoever runs the test.
        let dir = docker.journal().join(broken);
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::write(&dir, b"").unwrap();
    }
    let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(text.contains("disk is not full"), "{text}");
    let net = Net { ..v4("10.10.0.0/24") };
    assert!(docker.network_create(&net).await.unwrap_err().text().contains("disk is not full"));
    assert_eq!(docker.world.all_calls(), 0);
    assert_eq!(docker.world.snapshot(), before);
}

/// After a request that was never answered, what it makes minutes later is found and removed.
#[tokio::test]
async fn what_takes_effect_late_is_removed() {
    use crate::Neutron;
    use openstack::network::{NewNetwork, NewPort, WantedIp};
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.arm(1, Fault::Late);
    docker.run(&network, &Run::default()).await.unwrap_err();
    // The pool, then the network.
    docker.world.arm(2, Fault::Late);
    docker.network_create(&v4("10.8.0.0/24")).await.unwrap_err();
    docker.world.disarm();
    let port = docker.service.inner.ports.all(|_| true).remove(0);
    let late = docker.service.inner.networks.all(|n| n.id != network).remove(0);
    let wanted = WantedIp { subnet_id: port.subnet_id.clone(), ip_address: None };
    let new = NewPort {
        network_id: before.subnets[&port.subnet_id].network_id.clone(),
        device_id: port.id.clone(),
        fixed_ips: vec![wanted],
        ..NewPort::default()
    };
    docker.process.create_port(&new).await.unwrap();
    let description = Some(format!("made by kuryr, mark {}", late.mark));
    let new = NewNetwork { name: late.name.clone(), description, ..NewNetwork::default() };
    docker.process.create_network(&new).await.unwrap();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
    let s = &docker.service.inner;
    for (mut port, mut network) in s.ports.all(|_| true).into_iter().zip(s.networks.all(|n| n.id != network))
    {
        port.late_until = Some(1);
        network.late_until = Some(1);
        s.ports.put(&port.id, &port).unwrap();
        s.networks.put(&network.id, &network).unwrap();
    }
    docker.sweep().await;
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after the late ones are gone");
}

#[tokio::test]
async fn a_full_disk_while_recovering_only_delays_it() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.arm(1, Fault::DieAfter);
    docker.run(&network, &Run::default()).await.unwrap_err();
    docker.world.disarm();
    let port = docker.service.inner.ports.all(|_| true).remove(0);
    // A directory in the new entry's place makes its writing fail, whoever runs the test.
    let obstacle = docker.journal().join("ports").join(format!(".{}.part", port.id));
    std::fs::create_dir(&obstacle).unwrap();
    docker.restart();
    docker.service.recover().await.unwrap_err();
    std::fs::remove_dir(&obstacle).unwrap();
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after there was room again");
}

#[tokio::test]
async fn two_rounds_at_once_do_not_lose_what_a_previous_process_began() {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    docker.world.arm(2, Fault::DieAfter);
    docker.network_create(&v4("10.9.0.0/24")).await.unwrap_err();
    docker.world.disarm();
    docker.restart();
    let s = &docker.service.inner;
    let (one, two) = (s.take_stale(), s.take_stale());
    s.return_stale(one);
    s.return_stale(two);
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn an_endpoint_lost_on_a_half_removed_network_goes_with_it() {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    let s = &docker.service.inner;
    let mut row = s.networks.get(&network).unwrap();
    row.phase = crate::state::Phase::Deleting;
    s.networks.put(&network, &row).unwrap();
    docker.reboot().await;
    assert_eq!(docker.world.snapshot(), before);
    assert!(docker.service.inner.endpoints.all(|_| true).is_empty());
}

#[tokio::test]
async fn an_endpoint_docker_died_over_is_undone_after_a_while_and_a_containers_is_not() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let s = docker.service.inner.clone();
    let unjoin = || {
        let mut row = s.endpoints.get(&container.endpoint).unwrap();
        row.joined = false;
        s.endpoints.put(&row.id, &row).unwrap();
    };
    // Joined, however old.
    docker.let_time_pass();
    docker.sweep().await;
    assert!(s.endpoints.get(&container.endpoint).is_some());
    // Not joined as far as is known, but its link is in a container.
    unjoin();
    let (name, link) = {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let name = cloud.links.keys().find(|name| name.starts_with("t_c")).unwrap().clone();
        let link = cloud.links.remove(&name).unwrap();
        (name, link)
    };
    docker.sweep().await;
    assert!(s.endpoints.get(&container.endpoint).is_some());
    docker.world.cloud.lock().unwrap().links.insert(name, link);
    docker.sweep().await;
    assert!(s.endpoints.get(&container.endpoint).is_none());
    docker.sweep().await;
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn an_endpoints_id_is_written_once_though_the_sweeper_comes_by_meanwhile() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.world.call_names();
    docker.run(&network, &Run::default()).await.unwrap();
    let at = docker.world.call_names().iter().position(|call| call == "PUT port").unwrap() + 1;
    docker.world.arm(at, Fault::Hang);
    docker.run(&network, &Run::default()).await.unwrap();
    docker.sweep().await;
    let calls = docker.world.calls();
    assert_eq!(calls.iter().filter(|call| *call == "PUT port").count(), 1, "{calls:?}");
}
