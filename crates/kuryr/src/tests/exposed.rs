//! Exposed ports: security groups that come before the container and go after the last one.

use super::containers::{own, udp};
use super::docker::{Docker, Run, v4};
use crate::ExposedPort;

#[tokio::test]
async fn exposed_ports_are_opened_beside_the_ports_own_groups_and_closed_with_the_last_user() {
    let (mut docker, network) = own().await;
    let before = docker.world.snapshot();
    let one = docker.run(&network, &udp(&[1234, 1235, 1236])).await.unwrap();
    let two = docker.run(&network, &udp(&[1236, 1235, 1234])).await.unwrap();
    let other = docker.run(&network, &udp(&[1300])).await.unwrap();
    let cloud = docker.world.snapshot();
    assert_eq!(cloud.groups.len(), 2);
    let port = docker.port_at(one.addresses[0].1).unwrap();
    assert_eq!(port.security_groups.len(), 2);
    assert_eq!(port.security_groups[0], "default");
    let rules: Vec<_> =
        cloud.rules.iter().filter(|r| port.security_groups.contains(&r.security_group_id)).collect();
    let shown: Vec<_> = rules.iter().map(|r| (r.port_range_min, r.port_range_max, r.ethertype)).collect();
    assert_eq!(shown, [(1234, 1236, "IPv4"), (1234, 1236, "IPv6")]);
    docker.stop(&other).await.unwrap();
    docker.stop(&one).await.unwrap();
    assert_eq!(docker.world.snapshot().groups.len(), 1);
    docker.stop(&two).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_group_still_used_by_others_is_kept_until_it_is_free() {
    let (mut docker, network) = own().await;
    let one = docker.run(&network, &udp(&[1234])).await.unwrap();
    let group = docker.port_at(one.addresses[0].1).unwrap().security_groups[1].clone();
    let dhcp = docker.world.snapshot().ports.values().find(|p| p.device_id == "dhcp").unwrap().id.clone();
    docker.change_port(&dhcp, |p| p.security_groups = vec![group]);
    docker.stop(&one).await.unwrap();
    assert_eq!(docker.world.snapshot().groups.len(), 1);
    let two = docker.run(&network, &udp(&[1234])).await.unwrap();
    docker.change_port(&dhcp, |p| p.security_groups.clear());
    docker.stop(&two).await.unwrap();
    assert!(docker.world.snapshot().groups.is_empty());
}

#[tokio::test]
async fn a_group_deleted_in_the_cloud_is_made_anew() {
    let (mut docker, network) = own().await;
    docker.run(&network, &udp(&[1234])).await.unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud.groups.clear();
        cloud.rules.clear();
    }
    let two = docker.run(&network, &udp(&[1234])).await.unwrap();
    let port = docker.port_at(two.addresses[0].1).unwrap();
    assert!(docker.world.snapshot().groups.contains_key(&port.security_groups[1]));
}

#[tokio::test]
async fn exposing_can_be_switched_off_and_knows_its_protocols() {
    let mut docker = Docker::with(|s| s.process_external_connectivity = false);
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.run(&network, &udp(&[1234])).await.unwrap();
    assert!(docker.world.snapshot().groups.is_empty());
    let (mut docker, network) = own().await;
    let before = docker.world.snapshot();
    let run = Run { exposed: vec![ExposedPort { protocol: 1, port: 8 }], ..Run::default() };
    assert!(docker.run(&network, &run).await.unwrap_err().text().contains("exposed protocol 1"));
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn tcp_udp_and_sctp_ports_are_opened_for_both_families() {
    let (mut docker, network) = own().await;
    let exposed = [6, 17, 132].map(|protocol| ExposedPort { protocol, port: 80 }).to_vec();
    docker.run(&network, &Run { exposed, ..Run::default() }).await.unwrap();
    let rules = docker.world.snapshot().rules;
    let shown: Vec<_> = rules.iter().map(|r| (r.protocol.as_str(), r.ethertype)).collect();
    for protocol in ["tcp", "udp", "sctp"] {
        for ethertype in ["IPv4", "IPv6"] {
            assert!(shown.contains(&(protocol, ethertype)), "{shown:?}");
        }
    }
    assert_eq!(shown.len(), 6);
}

/// Two endpoints find the group deleted; the slower one must not forget what the quicker one made instead.
#[tokio::test]
async fn a_group_made_anew_by_another_endpoint_is_not_forgotten() {
    let (mut docker, network) = own().await;
    docker.run(&network, &udp(&[1234])).await.unwrap();
    let s = &docker.service.inner;
    let group = s.groups.all(|_| true).remove(0);
    s.forget_group(&group.id, "the one deleted").await.unwrap();
    assert_eq!(s.groups.all(|_| true).len(), 1);
    s.forget_group(&group.id, group.neutron_id.as_deref().unwrap()).await.unwrap();
    assert!(s.groups.all(|_| true).is_empty());
}
