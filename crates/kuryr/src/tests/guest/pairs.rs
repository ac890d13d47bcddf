//! The pairs of the machine's port and those who change them beside us.

use std::sync::Arc;

use openstack::network::AddressPair;

use super::{IPVLAN, MACVLAN, docker_in, net, settings, theirs};
use crate::doubles::Fault;
use crate::guest::{GuestMode, GuestSettings, Pairs};
use crate::tests::docker::{Net, Run};

fn pair(address: &str) -> AddressPair {
    AddressPair { ip_address: address.to_owned(), mac_address: Some("fa:16:3e:00:00:07".parse().unwrap()) }
}

#[tokio::test]
async fn b28_pairs_that_somebody_adds_meanwhile_are_kept() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    let first = docker.run(&network, &Run::default()).await.unwrap();
    docker.change_port(&machine.port, |port| {
        port.allowed_address_pairs.push(pair("10.50.0.201"));
        port.revision_number += 1;
    });
    docker.world.calls();
    let second = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port", "GET port", "PUT port"]);
    assert_eq!(machine.pairs(&docker).len(), 4);
    for container in [first, second] {
        docker.stop(&container).await.unwrap();
    }
    assert_eq!(machine.pairs(&docker), [theirs(), pair("10.50.0.201")]);
}

#[tokio::test]
async fn a_pair_that_was_there_before_stays_when_the_container_goes() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    let mac = "02:42:0a:00:00:09".parse().unwrap();
    // In Neutron's other notation.
    let there = AddressPair { ip_address: "10.50.0.77/32".to_owned(), mac_address: Some(mac) };
    docker.change_port(&machine.port, |port| {
        port.allowed_address_pairs = vec![there.clone()];
        port.revision_number += 1;
    });
    let run = Run { ip: Some("10.50.0.77".parse().unwrap()), mac: Some(mac), ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    assert_eq!(machine.pairs(&docker), std::slice::from_ref(&there));
    docker.stop(&container).await.unwrap();
    assert_eq!(machine.pairs(&docker), [there]);
}

#[tokio::test]
async fn neutrons_limit_is_told_with_its_setting_and_spoils_nothing() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    docker.world.cloud.lock().unwrap().most_pairs = 3;
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    let first = docker.run(&network, &Run::default()).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    let refused = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(refused.contains("max_allowed_address_pair") && refused.contains("driver = vlan"), "{refused}");
    assert_eq!(machine.pairs(&docker).len(), 3);
    docker.stop(&first).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
}

#[tokio::test]
async fn one_container_too_many_spoils_it_for_nobody_who_comes_with_it() {
    let (docker, machine) = docker_in(settings(MACVLAN)).await;
    docker.world.cloud.lock().unwrap().most_pairs = 4;
    let pairs = Arc::new(Pairs::new(docker.process.clone()));
    let add = |n: u8| {
        let (pairs, port) = (Arc::clone(&pairs), machine.port.clone());
        let wanted = [pair(&format!("10.50.0.{n}"))];
        tokio::spawn(async move { pairs.add(&port, &wanted, &wanted, &n.to_string()).await })
    };
    let mut refused = 0;
    for outcome in (10..16).map(add).collect::<Vec<_>>() {
        refused += u8::from(outcome.await.unwrap().is_err());
    }
    assert_eq!((refused, machine.pairs(&docker).len()), (3, 4));
}

#[tokio::test]
async fn many_at_once_share_requests() {
    let (docker, machine) = docker_in(settings(MACVLAN)).await;
    let pairs = Arc::new(Pairs::new(docker.process.clone()));
    let add = |n: u8| {
        let (pairs, port) = (Arc::clone(&pairs), machine.port.clone());
        let wanted = [pair(&format!("10.50.0.{n}"))];
        tokio::spawn(async move { pairs.add(&port, &wanted, &wanted, &n.to_string()).await.unwrap() })
    };
    for added in (10..42).map(add).collect::<Vec<_>>() {
        added.await.unwrap();
    }
    assert_eq!(machine.pairs(&docker).len(), 33);
    let calls = docker.world.calls();
    assert!(calls.len() <= 4, "{calls:?}");
}

#[tokio::test]
async fn a_range_is_one_pair_for_all_and_goes_with_the_last() {
    let by_range = GuestSettings { pairs_by_subnet: true, ..settings(IPVLAN) };
    let (mut docker, machine) = docker_in(by_range).await;
    let network = docker.network_create(&net(IPVLAN)).await.unwrap();
    docker.world.calls();
    let first = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    let second = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports"]);
    assert!(machine.pairs(&docker).iter().any(|p| p.ip_address == super::RANGE));
    docker.stop(&first).await.unwrap();
    // Another process finds in the journal who needs it.
    docker.restart();
    assert_eq!(machine.pairs(&docker).len(), 2);
    docker.stop(&second).await.unwrap();
    assert_eq!(machine.pairs(&docker), [theirs()]);
}

#[tokio::test]
async fn a_port_without_security_needs_no_pairs() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    docker.change_port(&machine.port, |port| {
        port.port_security_enabled = Some(false);
        port.allowed_address_pairs.clear();
        port.security_groups.clear();
    });
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    docker.world.calls();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports"]);
    docker.stop(&container).await.unwrap();
}

#[tokio::test]
async fn a_machines_port_that_is_gone_keeps_no_container_from_ending() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.world.cloud.lock().unwrap().ports.remove(&machine.port);
    docker.stop(&container).await.unwrap();
    let refused = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(refused.contains("port"), "{refused}");
}

#[tokio::test]
async fn a_port_that_changes_all_the_time_is_changed_in_the_end() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    docker.world.disarm();
    docker.run(&network, &Run::default()).await.unwrap();
    for at in 1..6 {
        docker.world.arm(at, Fault::Stir);
        docker.run(&network, &Run::default()).await.unwrap();
    }
    docker.world.disarm();
    assert_eq!(machine.pairs(&docker).len(), 7);
}

#[tokio::test]
async fn another_network_than_the_machines_is_refused() {
    for mode in [MACVLAN, IPVLAN] {
        let (mut docker, machine) = docker_in(settings(mode)).await;
        let other = docker.operator_network("other", &["10.9.0.0/24"]).await;
        let named =
            Net { options: vec![("neutron.net.uuid", other)], ..crate::tests::docker::v4("10.9.0.0/24") };
        let refused = docker.network_create(&named).await.unwrap_err().text();
        assert!(refused.contains(&machine.network) && refused.contains("vlan"), "{refused}");
    }
    let (mut docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    let other = docker.operator_network("other", &["10.9.0.0/24"]).await;
    let named = Net { options: vec![("neutron.net.uuid", other)], ..crate::tests::docker::v4("10.9.0.0/24") };
    docker.network_create(&named).await.unwrap();
}

#[tokio::test]
async fn a_pair_whose_removal_failed_is_still_ours_and_the_next_container_keeps_it() {
    let by_range = GuestSettings { pairs_by_subnet: true, ..settings(IPVLAN) };
    let (mut docker, machine) = docker_in(by_range).await;
    let network = docker.network_create(&net(IPVLAN)).await.unwrap();
    let first = docker.run(&network, &Run::default()).await.unwrap();
    docker.world.call_names();
    // Which call the removal is, by one that succeeds.
    docker.stop(&first).await.unwrap();
    let at = docker.world.call_names().iter().position(|call| call == "PUT port").unwrap() + 1;
    let last = docker.run(&network, &Run::default()).await.unwrap();
    docker.world.arm(at, Fault::Status(403));
    docker.stop(&last).await.unwrap_err();
    docker.world.disarm();
    let next = docker.run(&network, &Run::default()).await.unwrap();
    docker.sweep().await;
    assert!(machine.pairs(&docker).iter().any(|p| p.ip_address == super::RANGE));
    docker.stop(&next).await.unwrap();
    docker.sweep().await;
    assert_eq!(machine.pairs(&docker), [theirs()]);
}
