//! Ports that existed before: used only if nobody uses them, given back exactly as found.

use openstack::network::Port;

use super::containers::{ADDRESS, at, own};
use super::docker::{Docker, Net, Run, ip, v4};
use crate::doubles::Fault;

/// An adopted network with one port of the operator's on it.
async fn with_port() -> (Docker, String, Port) {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&id, ADDRESS).await;
    let net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    (docker, network, port)
}

#[tokio::test]
async fn an_existing_unbound_port_is_reused_and_given_back_exactly_as_found() {
    let (mut docker, network, port) = with_port().await;
    docker.change_port(&port.id, |p| p.admin_state_up = false);
    let found = docker.world.snapshot();
    for (requires_mac, mac) in [
        (true, Some("02:42:0a:00:00:09".parse().unwrap())),
        (false, None),
        (false, Some("02:42:0a:00:00:08".parse().unwrap())),
    ] {
        docker.requires_mac = requires_mac;
        let container = docker.run(&network, &Run { mac, ..at(ADDRESS) }).await.unwrap();
        let used = docker.port_at(container.addresses[0].1).unwrap();
        assert_eq!(used.id, port.id);
        assert_eq!(used.mac_address, mac.unwrap_or(port.mac_address));
        assert_eq!(container.created.mac, mac.is_none().then_some(port.mac_address));
        assert!(used.admin_state_up && used.tags.contains(&"kuryr.port.existing".to_owned()));
        assert_eq!(used.name, "theirs");
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.snapshot(), found);
    }
}

#[tokio::test]
async fn a_port_somebody_took_over_meanwhile_is_left_to_them() {
    let (mut docker, network, port) = with_port().await;
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    docker.change_port(&port.id, |p| {
        p.device_owner = "compute:nova".to_owned();
        p.device_id = "server".to_owned();
    });
    docker.stop(&container).await.unwrap();
    let left = docker.world.snapshot().ports[&port.id].clone();
    assert_eq!((left.device_owner.as_str(), left.device_id.as_str()), ("compute:nova", "server"));
    assert!(left.tags.is_empty());
}

#[tokio::test]
async fn a_used_port_is_refused_and_untouched() {
    let (mut docker, network, port) = with_port().await;
    let uses: [fn(&mut Port); 6] = [
        |p| p.device_owner = "network:dhcp".to_owned(),
        |p| p.device_id = "server".to_owned(),
        |p| p.device_owner = "compute:nova".to_owned(),
        |p| p.host_id = Some("elsewhere".to_owned()),
        |p| p.vif_type = Some("ovs".to_owned()),
        |p| {
            p.device_owner = "compute:kuryr".to_owned();
            p.host_id = Some("node-1".to_owned());
            p.device_id = "0123456789abcdef".repeat(4);
        },
    ];
    for change in uses {
        docker.change_port(&port.id, |p| *p = port.clone());
        docker.change_port(&port.id, change);
        let before = docker.world.snapshot();
        let text = docker.run(&network, &at(ADDRESS)).await.unwrap_err().text();
        assert!(text.contains(&format!("address {ADDRESS} is used by port {}", port.id)), "{text}");
        assert_eq!(docker.world.snapshot(), before, "{text}");
    }
}

#[tokio::test]
async fn a_port_prepared_for_this_host_is_used_unless_it_is_plugged_here() {
    let (mut docker, network, port) = with_port().await;
    docker.change_port(&port.id, |p| {
        p.device_owner = "compute:kuryr".to_owned();
        p.device_id = "11111111-2222-3333-4444-555555555555".to_owned();
        p.host_id = Some("node-1".to_owned());
        p.vif_type = Some("bridge".to_owned());
    });
    let found = docker.world.snapshot();
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    let link = format!("tap{}", &port.id[..11]);
    docker.world.cloud.lock().unwrap().links.entry(link).or_default().up = true;
    assert!(docker.run(&network, &at(ADDRESS)).await.unwrap_err().text().contains("is used by"));
}

#[tokio::test]
async fn a_port_that_changes_between_look_and_grip_is_not_gripped() {
    let (mut docker, network, port) = with_port().await;
    // GET ports, then the PUT.
    docker.run(&network, &Run::default()).await.unwrap();
    docker.world.arm(2, Fault::Meddle);
    let text = docker.run(&network, &at(ADDRESS)).await.unwrap_err().text();
    docker.world.disarm();
    assert!(text.contains("is used by"), "{text}");
    let left = docker.world.snapshot().ports[&port.id].clone();
    assert_eq!((left.device_id.as_str(), left.device_owner.as_str()), ("their-server", ""));
}

#[tokio::test]
async fn the_address_of_a_running_container_is_refused_and_that_one_keeps_working() {
    for adopted in [false, true] {
        let (mut docker, network) = if adopted {
            let (docker, network, _) = with_port().await;
            (docker, network)
        } else {
            own().await
        };
        docker.run(&network, &at(ADDRESS)).await.unwrap();
        let before = docker.world.snapshot();
        let text = docker.run(&network, &at(ADDRESS)).await.unwrap_err().text();
        assert!(text.contains(ADDRESS) && text.contains("is used by"), "{text}");
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn both_addresses_of_an_existing_dual_stack_port_may_be_named() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "fd09::/64"]).await;
    let port = docker.operator_port(&id, ADDRESS).await;
    let six = docker.operator_port(&id, "fd09::55").await;
    docker.change_port(&port.id, |p| p.fixed_ips.extend(six.fixed_ips.clone()));
    docker.world.cloud.lock().unwrap().ports.remove(&six.id);
    let net = Net {
        v6: true,
        subnet6: Some("fd09::/64".parse().unwrap()),
        options: vec![("neutron.net.uuid", id)],
        ..v4("10.9.0.0/24")
    };
    let network = docker.network_create(&net).await.unwrap();
    let found = docker.world.snapshot();
    let both = Run { ip6: Some(ip("fd09::55")), ..at(ADDRESS) };
    let container = docker.run(&network, &both).await.unwrap();
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    // One address of the existing port, the other ours: ours comes and goes with the container.
    docker.change_port(&port.id, |p| p.fixed_ips.truncate(1));
    let found = docker.world.snapshot();
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    assert_eq!(docker.world.snapshot().ports[&port.id].fixed_ips.len(), 2);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn a_port_its_agent_touches_meanwhile_is_used_all_the_same() {
    let (mut docker, network, port) = with_port().await;
    docker.run(&network, &Run::default()).await.unwrap();
    let found = docker.world.snapshot();
    // GET ports, then the PUT.
    docker.world.arm(2, Fault::Stir);
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    docker.world.disarm();
    assert_eq!(docker.port_at(container.addresses[0].1).unwrap().id, port.id);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn a_port_its_agent_touches_meanwhile_is_given_back_all_the_same() {
    let (mut docker, network, _) = with_port().await;
    let found = docker.world.snapshot();
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    // The link, GET port, then the PUT.
    docker.world.arm(3, Fault::Stir);
    docker.stop(&container).await.unwrap();
    docker.world.disarm();
    assert_eq!(docker.world.snapshot(), found);
}
