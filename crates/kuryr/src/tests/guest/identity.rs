//! Which port this machine is.

use super::{MACVLAN, NIC, docker_in, net, settings};
use crate::guest::{GuestMode, GuestSettings};
use crate::tests::docker::Run;

#[tokio::test]
async fn the_machines_port_is_looked_for_once_and_again_when_its_mac_changes() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    docker.service.find_itself().await.unwrap();
    assert_eq!(docker.world.calls(), ["GET ports"]);
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    assert!(!docker.world.calls().contains(&"GET ports".to_owned()));
    let mac = "fa:16:3e:00:00:42".parse().unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud.links.get_mut(NIC).unwrap().mac = Some(mac);
        cloud.ports.get_mut(&machine.port).unwrap().mac_address = mac;
    }
    docker.service.find_itself().await.unwrap();
    assert_eq!(docker.world.calls(), ["GET ports"]);
}

#[tokio::test]
async fn a_wrong_interface_is_named() {
    let wrong = GuestSettings { link: "eth7".to_owned(), ..settings(MACVLAN) };
    let (docker, _) = docker_in(wrong).await;
    let error = docker.service.find_itself().await.unwrap_err();
    assert!(error.is_lasting(), "{error}");
    let text = error.to_string();
    assert!(text.contains("eth7") && text.contains("link_iface"), "{text}");
}

#[tokio::test]
async fn a_link_without_a_port_is_told_with_its_mac() {
    let (docker, machine) = docker_in(settings(MACVLAN)).await;
    docker.change_port(&machine.port, |port| port.mac_address = "fa:16:3e:00:00:42".parse().unwrap());
    let error = docker.service.find_itself().await.unwrap_err();
    let mac = docker.world.cloud.lock().unwrap().links[NIC].mac.unwrap().to_string();
    let text = error.to_string();
    assert!(error.is_lasting() && text.contains(&mac) && text.contains("link_iface"), "{text}");
}

#[tokio::test]
async fn of_several_ports_with_the_mac_that_of_the_links_address_is_it_or_the_operators_choice() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    let elsewhere = docker.operator_network("elsewhere", &["10.60.0.0/24"]).await;
    let twin = docker.operator_port(&elsewhere, "10.60.0.5").await.id;
    let mac = docker.world.cloud.lock().unwrap().links[NIC].mac.unwrap();
    docker.change_port(&twin, |port| port.mac_address = mac);
    docker.service.find_itself().await.unwrap();

    docker.world.cloud.lock().unwrap().links.get_mut(NIC).unwrap().addresses.clear();
    docker.restart();
    let error = docker.service.find_itself().await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_lasting() && text.contains("parent_port"), "{text}");
    assert!(text.contains(&twin) && text.contains(&machine.port), "{text}");

    docker.settings.guest = Some(GuestSettings { port: Some(machine.port), ..settings(MACVLAN) });
    docker.restart();
    docker.service.find_itself().await.unwrap();
}

#[tokio::test]
async fn a_port_without_a_trunk_and_a_neutron_without_trunks_are_told_what_to_do() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    docker.world.cloud.lock().unwrap().trunks.clear();
    let error = docker.service.find_itself().await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_lasting() && text.contains("trunk create --parent-port"), "{text}");
    assert!(text.contains(&machine.port), "{text}");

    docker.world.cloud.lock().unwrap().extensions.remove("trunk");
    docker.restart();
    let error = docker.service.find_itself().await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_lasting() && text.contains("macvlan"), "{text}");
}

#[tokio::test]
async fn a_neutron_without_trunk_details_is_asked_for_the_trunk() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    docker.world.cloud.lock().unwrap().extensions.remove("trunk-details");
    docker.service.find_itself().await.unwrap();
    assert_eq!(docker.world.calls(), ["GET ports", "GET trunks"]);
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(machine.sub_ports(&docker).len(), 1);
}

#[tokio::test]
async fn an_unreachable_neutron_is_no_lasting_trouble() {
    let (docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    docker.world.arm(2, crate::doubles::Fault::Down);
    let error = docker.service.find_itself().await.unwrap_err();
    assert!(!error.is_lasting(), "{error}");
    docker.world.disarm();
    docker.service.find_itself().await.unwrap();
}

#[tokio::test]
async fn a_trunk_that_was_replaced_is_found_by_the_next_container() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let mut trunk = cloud.trunks.remove(&machine.trunk).unwrap();
        trunk.id = "the-new-one".to_owned();
        trunk.sub_ports.clear();
        cloud.trunks.insert(trunk.id.clone(), trunk);
    }
    let failed = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(failed.contains("trunk"), "{failed}");
    docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.cloud.lock().unwrap().trunks["the-new-one"].sub_ports.len(), 1);
}
