//! Virtual functions, as Docker meets them.

use serde_json::json;

use super::kinds::{SLOT, equip, equipped, plugged, port, setup, teardown, validate};
use crate::doubles::Process;
use crate::host::FunctionSettings;
use crate::tests::docker::{Docker, Net, Run, ip, v4};

const DIRECT: &str = r#"{"binding:vif_type": "hw_veb", "binding:vnic_type": "direct",
    "binding:vif_details": {"vlan": "42"}, "binding:profile": {"pci_slot": "0000:06:10.1"}}"#;

#[tokio::test]
async fn the_container_gets_the_functions_own_link_with_mac_and_vlan_set_by_the_card() {
    let world = equipped();
    let plug = plugged(&world, DIRECT).await;
    assert_eq!(plug.container, "ens1v3");
    let settings = world.cloud.lock().unwrap().functions[SLOT].settings;
    assert_eq!((settings.vlan, settings.mac.unwrap().to_string().as_str()), (42, "fa:16:3e:01:02:03"));
    assert!(world.snapshot().links.is_empty());
}

#[tokio::test]
async fn a_function_somebody_else_uses_by_now_keeps_its_vlan() {
    let world = equipped();
    let plug = plugged(&world, DIRECT).await;
    let theirs = FunctionSettings { mac: Some("fa:16:3e:99:99:99".parse().unwrap()), vlan: 99 };
    world.cloud.lock().unwrap().functions.get_mut(SLOT).unwrap().settings = theirs;
    let host = Process::new(&world).host();
    teardown(&host, &plug).await.unwrap();
    assert_eq!(world.cloud.lock().unwrap().functions[SLOT].settings, theirs);
    // And ours leaves its VLAN.
    setup(&host, &plug).await.unwrap();
    teardown(&host, &plug).await.unwrap();
    assert_eq!(world.cloud.lock().unwrap().functions[SLOT].settings.vlan, 0);
}

#[tokio::test]
async fn a_slot_that_is_no_pci_address_or_no_function_here_is_refused() {
    let world = equipped();
    let host = Process::new(&world).host();
    let with = |profile: &str, details: &str| {
        port(&format!(
            r#"{{"binding:vif_type": "hw_veb", "binding:vnic_type": "direct", "binding:profile": {profile},
            "binding:vif_details": {details}}}"#
        ))
    };
    for (profile, details, complaint) in [
        ("{}", "{}", "pci_slot"),
        (r#"{"pci_slot": "../../../net/lo"}"#, "{}", "PCI address"),
        (r#"{"pci_slot": "0000:06:10.2"}"#, "{}", "no virtual function at 0000:06:10.2"),
        (r#"{"pci_slot": "0000:06:10.1"}"#, r#"{"vlan": 5000}"#, "VLAN"),
        (r#"{"pci_slot": "0000:06:10.1"}"#, r#"{"vlan": "x"}"#, "VLAN"),
    ] {
        let text = validate(&host, &with(profile, details)).await.unwrap_err().to_string();
        assert!(text.contains(complaint), "{profile} {details}: {text}");
    }
    world.cloud.lock().unwrap().functions.get_mut(SLOT).unwrap().function.link = None;
    let text = validate(&host, &port(DIRECT)).await.unwrap_err().to_string();
    assert!(text.contains("in use by another container"), "{text}");
}

/// A Docker network on which the operator made ports for one virtual function.
async fn with_ports(addresses: &[&str]) -> (Docker, String) {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    for address in addresses {
        let port = docker.operator_port(&id, address).await;
        docker.change_port(&port.id, |p| {
            p.vnic_type = Some("direct".to_owned());
            p.profile.insert("pci_slot".to_owned(), json!(SLOT));
        });
    }
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        equip(&mut cloud);
        cloud.vif_type = "hw_veb".to_owned();
        cloud.vif_details.insert("vlan".to_owned(), json!("42"));
    }
    let net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    (docker, network)
}

fn at(address: &str) -> Run {
    Run { ip: Some(ip(address)), ..Run::default() }
}

#[tokio::test]
async fn docker_is_not_told_the_mac_the_card_has_set() {
    let (mut docker, network) = with_ports(&["10.9.0.55"]).await;
    let before = docker.world.snapshot();
    let container = docker.run(&network, &at("10.9.0.55")).await.unwrap();
    assert_eq!(container.created.mac, None);
    assert_eq!(container.joined.as_ref().unwrap().source_name, "ens1v3");
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_function_is_one_containers_at_a_time() {
    let (mut docker, network) = with_ports(&["10.9.0.55", "10.9.0.56"]).await;
    let first = docker.run(&network, &at("10.9.0.55")).await.unwrap();
    let before = docker.world.snapshot();
    let text = docker.run(&network, &at("10.9.0.56")).await.unwrap_err().text();
    assert!(text.contains(SLOT) && text.contains(&first.endpoint), "{text}");
    assert_eq!(docker.world.snapshot(), before);
    docker.stop(&first).await.unwrap();
    docker.run(&network, &at("10.9.0.56")).await.unwrap();
}
