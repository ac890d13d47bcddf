//! The MAC Docker names: in the request that makes the port, to choose an existing port, to join both families.

use openstack::network::Port;

use super::containers::{ADDRESS, at, own};
use super::docker::{Docker, Net, Run, docker_id, ip, v4};
use crate::doubles::Fault;
use crate::{AddressKind, EndpointRequest};

const MAC: &str = "02:42:0a:00:00:09";

fn with_mac() -> Run {
    Run { mac: Some(MAC.parse().unwrap()), ..Run::default() }
}

/// B35: the MAC is the port's from the start; no port changes its MAC.
#[tokio::test]
async fn b35_the_mac_rides_in_the_request_that_makes_the_port() {
    let (mut docker, network) = own().await;
    docker.world.calls();
    let container = docker.run(&network, &with_mac()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    assert_eq!(docker.port_at(container.addresses[0].1).unwrap().mac_address.to_string(), MAC);
}

async fn theirs(subnets: &[&str]) -> (Docker, String, Port) {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", subnets).await;
    let port = docker.operator_port(&id, ADDRESS).await;
    docker.change_port(&port.id, |p| p.mac_address = MAC.parse().unwrap());
    let net = Net {
        v6: subnets.len() > 1,
        subnet6: subnets.get(1).map(|s| s.parse().unwrap()),
        options: vec![("neutron.net.uuid", id)],
        ..v4(subnets[0])
    };
    let network = docker.network_create(&net).await.unwrap();
    docker.world.calls();
    (docker, network, port)
}

#[tokio::test]
async fn an_existing_port_is_chosen_by_its_mac_and_given_back_as_found() {
    let (mut docker, network, port) = theirs(&["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    let container = docker.run(&network, &with_mac()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "GET ports", "PUT port", "PUT tag"]);
    assert_eq!(container.addresses[0].1.to_string(), format!("{ADDRESS}/24"));
    assert_eq!(docker.world.snapshot().ports[&port.id].host_id.as_deref(), Some("node-1"));
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn an_address_that_is_not_that_of_the_macs_port_is_refused() {
    let (mut docker, network, port) = theirs(&["10.9.0.0/24"]).await;
    let before = docker.world.snapshot();
    let text =
        docker.run(&network, &Run { ip: Some(ip("10.9.0.77")), ..with_mac() }).await.unwrap_err().text();
    assert!(text.contains(MAC) && text.contains(&port.id) && text.contains("not 10.9.0.77 but"), "{text}");
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn the_mac_of_a_port_in_use_is_refused_and_that_port_stays() {
    let (mut docker, network) = own().await;
    docker.run(&network, &with_mac()).await.unwrap();
    let before = docker.world.snapshot();
    let text = docker.run(&network, &with_mac()).await.unwrap_err().text();
    assert!(text.contains("is used by port"), "{text}");
    assert_eq!(docker.world.snapshot(), before);
}

/// B19: where Docker names no MAC, none is asked for.
#[tokio::test]
async fn b19_an_absent_mac_is_never_a_filter() {
    let (mut docker, network, _) = theirs(&["10.9.0.0/24"]).await;
    docker.requires_mac = false;
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_eq!(container.created.mac, Some(port.mac_address));
}

#[tokio::test]
async fn both_families_are_one_port_from_the_start() {
    let mut docker = Docker::new();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.calls();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port", "PUT port"]);
    let port = docker.port_at(container.addresses[1].1).unwrap();
    assert_eq!(port.fixed_ips.len(), 2);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
    let certain = Run { ip: Some(ip("10.9.0.9")), ip6: Some(ip("fd09::9")), ..Run::default() };
    let container = docker.run(&network, &certain).await.unwrap();
    assert_eq!(docker.port_at(container.addresses[0].1).unwrap().fixed_ips.len(), 2);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn an_address_of_the_second_family_that_is_taken_is_refused_and_the_first_one_goes() {
    let mut docker = Docker::new();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let six = || Run { ip6: Some(ip("fd09::9")), ..Run::default() };
    docker.run(&network, &six()).await.unwrap();
    let before = docker.world.snapshot();
    let text = docker.run(&network, &six()).await.unwrap_err().text();
    assert!(text.contains("fd09::9") && text.contains("is used by"), "{text}");
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_repeated_request_is_answered_from_the_journal() {
    let (docker, network) = own().await;
    let pool = docker.networks[&network][0].0.clone();
    docker.world.calls();
    let mac = Some(MAC.parse().unwrap());
    let ask = || docker.address_for(&pool, None, AddressKind::Container, mac, None);
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(docker.world.calls(), ["POST ports"]);
}

#[tokio::test]
async fn two_containers_that_want_one_address_at_once_do_not_both_get_it() {
    let (docker, network) = own().await;
    let pool = docker.networks[&network][0].0.clone();
    let ask = |mac: &str| {
        let mac = Some(mac.parse().unwrap());
        let pool = pool.clone();
        let docker = &docker;
        async move { docker.address_for(&pool, Some(ip(ADDRESS)), AddressKind::Container, mac, None).await }
    };
    let (one, two) = tokio::join!(ask(MAC), ask("02:42:0a:00:00:0a"));
    assert!(one.is_ok() != two.is_ok());
}

/// B5, B6: Zun prepares a port for this host with ids of its own; they stay through use and after it.
#[tokio::test]
async fn a_port_zun_prepared_keeps_its_ids_and_survives_even_deleted_or_taken() {
    type Meanwhile = fn(&Docker, &str);
    let meanwhile: [Meanwhile; 3] = [
        |_, _| {},
        |docker, id| drop(docker.world.cloud.lock().unwrap().ports.remove(id)),
        |docker, id| docker.change_port(id, |p| p.device_owner = "compute:nova".to_owned()),
    ];
    for (case, change) in meanwhile.into_iter().enumerate() {
        let (mut docker, network, port) = theirs(&["10.9.0.0/24"]).await;
        docker.change_port(&port.id, |p| {
            p.admin_state_up = true;
            p.device_owner = "compute:kuryr".to_owned();
            p.device_id = "11111111-2222-3333-4444-555555555555".to_owned();
            p.host_id = Some("node-1".to_owned());
            p.vif_type = Some("bridge".to_owned());
        });
        let found = docker.world.snapshot();
        let container = docker.run(&network, &Run { ip: Some(ip(ADDRESS)), ..with_mac() }).await.unwrap();
        assert_eq!(docker.world.calls(), ["GET ports", "PUT tag"]);
        let used = docker.world.snapshot().ports[&port.id].clone();
        assert_eq!(Port { tags: Vec::new(), ..used }, found.ports[&port.id]);
        change(&docker, &port.id);
        docker.stop(&container).await.unwrap();
        if case == 0 {
            assert_eq!(docker.world.snapshot(), found);
        }
        docker.network_rm(&network).await.unwrap();
        docker.assert_forgotten("after the container");
    }
}

/// B34: a port is called after its container where Docker says its name, and known by its tag then.
#[tokio::test]
async fn b34_a_port_carries_the_containers_name() {
    let (mut docker, network) = own().await;
    let container = docker.run(&network, &Run { name: Some("web-1"), ..Run::default() }).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_eq!((port.name.as_str(), port.device_id.as_str()), ("web-1", &*container.endpoint));
    assert_eq!(port.tags, ["compute:kuryr"]);
    // Without tags the name is all that tells.
    docker.world.cloud.lock().unwrap().extensions.remove("tag-ports-during-bulk-creation");
    docker.restart();
    let container = docker.run(&network, &Run { name: Some("web-2"), ..Run::default() }).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_eq!(port.name, format!("{}-port", container.endpoint));
}

/// The address is chosen from the MAC by Neutron; a wish for another one is refused.
#[tokio::test]
async fn addresses_of_slaac_subnets_are_neutrons() {
    for own_six in [false, true] {
        let mut docker = Docker::new();
        let id = docker.operator_network("theirs", &["10.9.0.0/24", "fd09::/64"]).await;
        for subnet in docker.world.cloud.lock().unwrap().subnets.values_mut().filter(|s| s.ip_version == 6) {
            subnet.ipv6_address_mode = Some("slaac".to_owned());
        }
        let net = Net {
            v6: true,
            subnet6: Some("fd09::/64".parse().unwrap()),
            options: vec![("neutron.net.uuid", id)],
            ..v4("10.9.0.0/24")
        };
        let network = docker.network_create(&net).await.unwrap();
        let before = docker.world.snapshot();
        docker.world.calls();
        let derived = ip("fd09::42:aff:fe00:9");
        let run = Run { ip6: own_six.then_some(derived), ..with_mac() };
        let container = docker.run(&network, &run).await.unwrap();
        // Neutron gives the port that address unasked.
        assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
        assert_eq!(container.addresses[1].1.addr(), derived);
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.snapshot(), before);
        let other = Run { ip6: Some(ip("fd09::9")), ..with_mac() };
        let text = docker.run(&network, &other).await.unwrap_err().text();
        assert!(text.contains("fd09::9") && text.contains("derives fd09::42:aff:fe00:9"), "{text}");
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn the_endpoints_id_is_written_after_docker_has_its_answer_and_by_the_sweeper_if_that_fails() {
    let (mut docker, network) = own().await;
    let warm = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&warm).await.unwrap();
    docker.world.all_calls();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let names = docker.world.call_names();
    let (last, plugged) = (names.len() - 1, names.iter().rposition(|c| c.starts_with("host ")).unwrap());
    assert_eq!((names[last].as_str(), plugged), ("PUT port", last - 1), "{names:?}");
    docker.stop(&container).await.unwrap();
    docker.world.arm(names.len(), Fault::Fail);
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.world.disarm();
    let port = || docker.port_at(container.addresses[0].1).unwrap();
    assert_ne!(port().device_id, container.endpoint);
    docker.sweep().await;
    assert_eq!(port().device_id, container.endpoint);
    docker.world.calls();
    docker.sweep().await;
    assert!(docker.world.calls().is_empty());
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
}

/// B14: whatever is gone already does not keep the rest.
#[tokio::test]
async fn b14_an_endpoint_whose_port_and_link_are_gone_is_deleted_all_the_same() {
    let (mut docker, network) = own().await;
    let before = docker.world.snapshot();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud.ports.remove(&port.id);
        cloud.links.retain(|name, _| name.starts_with("brq"));
    }
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn ports_and_groups_are_made_in_the_networks_project_where_the_operator_says_so() {
    for asked in [false, true] {
        let mut docker = Docker::with(|s| s.use_network_project = asked);
        let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
        docker.world.cloud.lock().unwrap().networks.get_mut(&id).unwrap().project_id = "tenant".to_owned();
        let net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
        let network = docker.network_create(&net).await.unwrap();
        let container = docker.run(&network, &super::containers::udp(&[53])).await.unwrap();
        let port = docker.port_at(container.addresses[0].1).unwrap();
        assert_eq!(port.project_id, if asked { "tenant" } else { "p" });
    }
}

#[tokio::test]
async fn a_second_endpoint_on_an_address_in_use_is_refused() {
    let (mut docker, network) = own().await;
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    let request = EndpointRequest {
        network_id: network,
        endpoint_id: docker_id(),
        ipv4: Some(container.addresses[0].1),
        ..EndpointRequest::default()
    };
    assert!(docker.service.create_endpoint(request).await.unwrap_err().to_string().contains("is used by"));
}

/// Without MACs both families are reserved apart and become one port with the endpoint.
#[tokio::test]
async fn without_macs_no_fault_leaves_a_half_of_a_dual_stack_port() {
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down] {
        for at in 1..=14 {
            let mut docker = Docker::new();
            docker.requires_mac = false;
            let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
            let network = docker.network_create(&net).await.unwrap();
            let before = docker.world.snapshot();
            docker.world.arm(at, fault);
            let outcome = docker.run(&network, &with_mac()).await;
            docker.world.disarm();
            match &outcome {
                Ok(container) => {
                    let port = docker.port_at(container.addresses[0].1).unwrap();
                    assert_eq!((port.fixed_ips.len(), port.mac_address.to_string().as_str()), (2, MAC));
                    docker.stop(container).await.unwrap();
                }
                Err(_) => {
                    docker.reboot().await;
                    docker.roll_back().await;
                }
            }
            docker.sweep().await;
            assert_eq!(docker.world.snapshot(), before, "{fault:?} at call {at}: {outcome:?}");
        }
    }
}

/// With MACs, at every call of a run by MAC and by address on an existing port of both families.
#[tokio::test]
async fn no_fault_leaves_an_existing_dual_stack_port_changed() {
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down, Fault::Stir] {
        for at in 1..=16 {
            for by_address in [false, true] {
                let (mut docker, network, _) = theirs(&["10.9.0.0/24", "fd09::/64"]).await;
                let found = docker.world.snapshot();
                docker.world.arm(at, fault);
                let run = Run { ip: by_address.then(|| ip(ADDRESS)), ..with_mac() };
                let outcome = docker.run(&network, &run).await;
                let mut stopped = false;
                if let Ok(container) = &outcome {
                    stopped = docker.stop(container).await.is_ok();
                }
                docker.world.disarm();
                if !stopped {
                    docker.reboot().await;
                    docker.roll_back().await;
                    if let Ok(container) = &outcome {
                        let _ = docker.stop(container).await;
                    }
                }
                docker.sweep().await;
                assert_eq!(docker.world.snapshot(), found, "{fault:?} at call {at}: {outcome:?}");
            }
        }
    }
}

/// Docker releases the address of a start that failed, though another container has it.
#[tokio::test]
async fn a_refused_container_takes_the_address_of_no_other() {
    let (docker, network) = own().await;
    let pool = docker.networks[&network][0].0.clone();
    let mac = Some(MAC.parse().unwrap());
    let address = docker.address_for(&pool, None, AddressKind::Container, mac, None).await.unwrap();
    // A second container of the same MAC asks before the first one's endpoint is made.
    assert_eq!(docker.address_for(&pool, None, AddressKind::Container, mac, None).await.unwrap(), address);
    let request = || EndpointRequest {
        network_id: network.clone(),
        endpoint_id: docker_id(),
        ipv4: Some(address),
        mac,
        ..EndpointRequest::default()
    };
    let first = request();
    docker.service.create_endpoint(first.clone()).await.unwrap();
    docker.service.create_endpoint(request()).await.unwrap_err();
    docker.service.release_address(&pool, address.addr()).await.unwrap();
    assert!(docker.port_at(address).is_some());
    docker.service.join(&network, &first.endpoint_id).await.unwrap();
    docker.service.delete_endpoint(&network, &first.endpoint_id).await.unwrap();
    docker.service.release_address(&pool, address.addr()).await.unwrap();
    assert!(docker.port_at(address).is_none());
}

/// The plugin dies while Neutron makes the port; Docker repeats its request, MAC and all, to the next process.
#[tokio::test]
async fn a_request_repeated_after_a_crash_is_not_refused_its_own_mac() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        let (mut docker, network) = own().await;
        let pool = docker.networks[&network][0].0.clone();
        let mac = Some(MAC.parse().unwrap());
        docker.world.arm(1, fault);
        docker.address_for(&pool, None, AddressKind::Container, mac, None).await.unwrap_err();
        docker.world.disarm();
        // Before anything is recovered.
        docker.restart();
        let address = docker.address_for(&pool, None, AddressKind::Container, mac, None).await.unwrap();
        docker.service.recover().await.unwrap();
        assert!(docker.port_at(address).is_some());
        let ours =
            docker.world.snapshot().ports.into_values().filter(|p| p.device_owner == "compute:kuryr").count();
        assert_eq!(ours, 1);
    }
}
