//! What cannot be had is refused by name.

use super::{IPVLAN, MACVLAN, NIC, RANGE, docker_in, net, settings};
use crate::guest::GuestMode;
use crate::tests::docker::{Net, Run};

#[tokio::test]
async fn exposed_ports_are_refused_where_all_containers_share_the_machines_groups() {
    for mode in [MACVLAN, IPVLAN] {
        let (mut docker, _) = docker_in(settings(mode)).await;
        let network = docker.network_create(&net(mode)).await.unwrap();
        let before = docker.world.snapshot();
        let exposed = vec![crate::ExposedPort { protocol: 6, port: 80 }];
        let refused = docker.run(&network, &Run { exposed: exposed.clone(), ..Run::default() }).await;
        let text = refused.unwrap_err().text();
        assert!(text.contains("process_external_connectivity") && text.contains("vlan"), "{text}");
        assert_eq!(docker.world.snapshot(), before);
        // The operator has said that nothing is to be opened.
        docker.settings.process_external_connectivity = false;
        docker.restart();
        docker.run(&network, &Run { exposed, ..Run::default() }).await.unwrap();
    }
}

#[tokio::test]
async fn attributes_without_effect_are_refused_and_others_served() {
    let option = |key: &'static str, value: &str| vec![(key, value.to_owned())];
    for (mode, key, value, served) in [
        (MACVLAN, "neutron.port.security_groups", "web", false),
        (MACVLAN, "neutron.port.port_security", "false", false),
        (IPVLAN, "neutron.port.allowed_address_pairs", "10.0.0.1", false),
        (IPVLAN, "neutron.port.qos_policy", "gold", false),
        (GuestMode::Vlan, "neutron.port.port_security", "false", true),
        (GuestMode::Vlan, "neutron.port.vnic_type", "direct", false),
        (GuestMode::Vlan, "neutron.port.vnic_type", "normal", true),
        (GuestMode::Vlan, "neutron.port.binding_profile", "{}", false),
    ] {
        let (mut docker, _) = docker_in(settings(mode)).await;
        for alias in ["port-security", "binding", "qos", "security-group"] {
            docker.world.cloud.lock().unwrap().extensions.insert(alias.to_owned());
        }
        let outcome = docker.network_create(&Net { options: option(key, value), ..net(mode) }).await;
        if served {
            outcome.unwrap();
            continue;
        }
        let text = outcome.unwrap_err().text();
        assert!(text.contains(key) && text.contains(mode.name()), "{text}");
        let network = docker.network_create(&net(mode)).await.unwrap();
        let run = Run { options: option(key, value), ..Run::default() };
        let text = docker.run(&network, &run).await.unwrap_err().text();
        assert!(text.contains(key), "{text}");
    }
}

#[tokio::test]
async fn a_mac_of_its_own_is_refused_where_all_containers_have_the_machines() {
    let (mut docker, _) = docker_in(settings(IPVLAN)).await;
    let network = docker.network_create(&net(IPVLAN)).await.unwrap();
    let run = Run { mac: Some("02:42:0a:00:00:09".parse().unwrap()), ..Run::default() };
    let text = docker.run(&network, &run).await.unwrap_err().text();
    assert!(text.contains("02:42:0a:00:00:09") && text.contains("ipvlan"), "{text}");
    // An engine that knew another driver here invents one.
    assert!(text.contains("restart Docker"), "{text}");
}

#[tokio::test]
async fn the_machines_own_range_is_to_be_named_since_docker_takes_none_its_host_is_on() {
    let (mut docker, _) = docker_in(settings(MACVLAN)).await;
    docker.world.cloud.lock().unwrap().routes = vec![(RANGE.parse().unwrap(), NIC.to_owned())];
    let before = docker.world.snapshot();
    let text = docker.network_create(&Net::default()).await.unwrap_err().text();
    assert!(text.contains(NIC) && text.contains(&format!("--subnet {RANGE}")), "{text}");
    assert_eq!(docker.world.snapshot(), before);
    docker.network_create(&net(MACVLAN)).await.unwrap();
}

#[tokio::test]
async fn a_link_carries_no_more_than_the_machines_interface() {
    let (mut docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    docker.world.cloud.lock().unwrap().links.get_mut("eth0").unwrap().mtu = 1400;
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let name = container.joined.unwrap().source_name;
    assert_eq!(docker.world.cloud.lock().unwrap().links[&name].mtu, 1400);
}

#[tokio::test]
async fn a_container_that_has_the_interface_for_itself_has_its_mac_too() {
    let passthru = GuestMode::Macvlan(crate::host::MacvlanMode::Passthru);
    let (mut docker, machine) = docker_in(settings(passthru)).await;
    docker.requires_mac = false;
    let network = docker.network_create(&net(passthru)).await.unwrap();
    let run = Run { mac: Some("02:42:0a:00:00:09".parse().unwrap()), ..Run::default() };
    assert!(docker.run(&network, &run).await.unwrap_err().text().contains("--mac-address"));
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(container.created.mac, None);
    let own = docker.world.cloud.lock().unwrap().ports[&machine.port].mac_address;
    assert!(machine.pairs(&docker).iter().any(|pair| pair.mac_address == Some(own)));
    docker.stop(&container).await.unwrap();
    assert_eq!(machine.pairs(&docker), [super::theirs()]);
}
