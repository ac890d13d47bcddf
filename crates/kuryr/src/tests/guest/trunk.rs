//! The trunk and those who change it beside us.

use std::collections::BTreeSet;

use openstack::network::SubPort;

use super::{Machine, docker_in, net, settings};
use crate::guest::GuestMode;
use crate::host::SubLinkKind;
use crate::tests::docker::{Docker, Run};

async fn ready() -> (Docker, Machine, String) {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.world.calls();
    (docker, machine, network)
}

fn stranger(vlan: u16) -> SubPort {
    SubPort { port_id: format!("theirs-{vlan}"), segmentation_type: "vlan".to_owned(), segmentation_id: vlan }
}

#[tokio::test]
async fn a_vlan_somebody_has_taken_since_is_left_to_him_and_another_one_chosen() {
    let (mut docker, machine, network) = ready().await;
    // Everything but two, behind our back.
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let taken = (1..=4094).filter(|vlan| !matches!(vlan, 77 | 78)).map(stranger);
        cloud.trunks.get_mut(&machine.trunk).unwrap().sub_ports.extend(taken);
    }
    docker.run(&network, &Run::default()).await.unwrap();
    let calls = docker.world.calls();
    assert_eq!(calls, ["POST ports", "PUT add_subports", "GET trunk", "PUT add_subports"]);
    docker.run(&network, &Run::default()).await.unwrap();
    let ours: BTreeSet<u16> = machine
        .sub_ports(&docker)
        .iter()
        .filter(|(_, p)| !p.starts_with("theirs"))
        .map(|(v, _)| *v)
        .collect();
    assert_eq!(ours, BTreeSet::from([77, 78]));

    let full = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(full.contains("4094 VLANs"), "{full}");
    assert_eq!(machine.sub_ports(&docker).len(), 4094);
    docker.assert_nothing_of_ours_but(2);
}

#[tokio::test]
async fn a_vlan_that_somebody_on_this_machine_has_is_not_used() {
    let (mut docker, machine, network) = ready().await;
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let taken = (1..=4094).filter(|vlan| !matches!(vlan, 77 | 78)).map(stranger);
        cloud.trunks.get_mut(&machine.trunk).unwrap().sub_ports.extend(taken);
        let theirs = crate::doubles::Link {
            sub: Some(("eth0".to_owned(), SubLinkKind::Vlan { id: 77 })),
            ..crate::doubles::Link::default()
        };
        cloud.links.insert("eth0.77".to_owned(), theirs);
    }
    for _ in 0..2 {
        let container = docker.run(&network, &Run::default()).await.unwrap();
        let ours = machine.sub_ports(&docker).into_iter().filter(|(_, p)| !p.starts_with("theirs"));
        assert_eq!(ours.map(|(vlan, _)| vlan).collect::<Vec<_>>(), [78]);
        docker.stop(&container).await.unwrap();
    }
}

#[tokio::test]
async fn many_containers_at_once_share_requests_and_each_has_a_vlan_of_its_own() {
    let (docker, machine, _) = ready().await;
    let neutron = docker.process.clone();
    let trunks = std::sync::Arc::new(crate::guest::Trunks::new(neutron));
    let mut ports = Vec::new();
    for n in 10..42 {
        ports.push(docker.operator_port(&machine.network, &format!("10.50.0.{n}")).await.id);
    }
    docker.world.calls();
    let attach = |port: &String| {
        let (trunks, trunk, port) = (trunks.clone(), machine.trunk.clone(), port.clone());
        tokio::spawn(async move { trunks.attach(&trunk, &port).await.unwrap() })
    };
    let mut vlans = BTreeSet::new();
    for attached in ports.iter().map(attach).collect::<Vec<_>>() {
        vlans.insert(attached.await.unwrap());
    }
    assert_eq!(vlans.len(), 32);
    let calls = docker.world.calls();
    assert!(calls.len() <= 4, "{calls:?}");
    let detach = |port: &String| {
        let (trunks, trunk, port) = (trunks.clone(), machine.trunk.clone(), port.clone());
        tokio::spawn(async move { trunks.detach(&trunk, &port).await.unwrap() })
    };
    for detached in ports.iter().map(detach).collect::<Vec<_>>() {
        detached.await.unwrap();
    }
    assert!(machine.sub_ports(&docker).is_empty());
    let calls = docker.world.calls();
    assert!(calls.len() <= 4, "{calls:?}");
}

#[tokio::test]
async fn a_port_that_cannot_be_a_subport_spoils_it_for_nobody_else() {
    let (docker, machine, _) = ready().await;
    let trunks = std::sync::Arc::new(crate::guest::Trunks::new(docker.process.clone()));
    let mut ports = Vec::new();
    for n in 10..15 {
        ports.push(docker.operator_port(&machine.network, &format!("10.50.0.{n}")).await.id);
    }
    docker.change_port(&ports[2], |port| port.device_id = "a-server".to_owned());
    let attach = |port: &String| {
        let (trunks, trunk, port) = (trunks.clone(), machine.trunk.clone(), port.clone());
        tokio::spawn(async move { trunks.attach(&trunk, &port).await })
    };
    let outcomes: Vec<_> = ports.iter().map(attach).collect();
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let outcome = outcome.await.unwrap();
        assert_eq!(outcome.is_err(), n == 2, "{n}: {outcome:?}");
    }
    assert_eq!(machine.sub_ports(&docker).len(), 4);
    // One that is gone is out; the others are taken out with it.
    let detached = trunks.detach(&machine.trunk, "gone").await;
    assert!(detached.is_ok());
    docker.world.cloud.lock().unwrap().trunks.clear();
    trunks.detach(&machine.trunk, &ports[0]).await.unwrap();
    let gone = trunks.attach(&machine.trunk, &ports[0]).await.unwrap_err().to_string();
    assert!(gone.contains("trunk") && gone.contains("does not exist"), "{gone}");
}
