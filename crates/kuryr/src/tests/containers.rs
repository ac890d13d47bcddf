//! Containers: ports, links, addresses; what is refused.

use std::time::Duration;

use openstack::network::{HostRoute, Port};

use super::docker::{Docker, Net, Run, docker_id, ip, quickly, v4};
use crate::doubles::Fault;
use crate::{AddressKind, EndpointRequest, Error, ExposedPort, IpamData, NetworkRequest};

pub(super) const ADDRESS: &str = "10.9.0.55";

pub(super) fn at(address: &str) -> Run {
    Run { ip: Some(ip(address)), ..Run::default() }
}

pub(super) fn udp(ports: &[u16]) -> Run {
    let exposed = ports.iter().map(|port| ExposedPort { protocol: 17, port: *port }).collect();
    Run { exposed, ..Run::default() }
}

pub(super) async fn own() -> (Docker, String) {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    (docker, network)
}

#[tokio::test]
async fn a_container_is_plugged_under_the_networks_bridge_with_the_ports_mac_and_mtu() {
    let (mut docker, network) = own().await;
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    // Docker named it, and forbids echoing it.
    assert_eq!(container.created.mac, None);
    assert_eq!(port.name, format!("{}-port", container.endpoint));
    assert_eq!(
        (port.device_id.as_str(), port.device_owner.as_str()),
        (&*container.endpoint, "compute:kuryr")
    );
    assert_eq!(port.tags, ["compute:kuryr"]);
    let joined = container.joined.unwrap();
    let cloud = docker.world.cloud.lock().unwrap();
    let far = &cloud.links[&joined.source_name];
    assert_eq!((far.mac, far.mtu), (Some(port.mac_address), 1450));
    assert_eq!(joined.prefix, "eth");
    let near = &cloud.links[far.peer.as_ref().unwrap()];
    assert_eq!(far.peer.as_ref().unwrap(), &format!("tap{}", &port.id[..11]));
    assert_eq!(near.master, Some(format!("brq{}", &port.network_id[..11])));
    assert!(near.up);
}

#[tokio::test]
async fn vif_type_tap_needs_no_bridge_and_details_may_name_another_one() {
    let (mut docker, network) = own().await;
    docker.world.cloud.lock().unwrap().vif_type = "tap".to_owned();
    docker.run(&network, &Run::default()).await.unwrap();
    let cloud = docker.world.cloud.lock().unwrap().clone();
    assert!(cloud.links.values().all(|l| l.master.is_none()));
    drop(cloud);
    let named = |name: &str| serde_json::Map::from_iter([("bridge_name".to_owned(), name.into())]);
    let bridge_with = |docker: &Docker, name: &str| {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud.vif_type = "bridge".to_owned();
        cloud.vif_details = named(name);
    };
    bridge_with(&docker, "br-phys");
    docker.run(&network, &Run::default()).await.unwrap();
    assert!(docker.world.snapshot().links.values().any(|l| l.master.as_deref() == Some("br-phys")));
    bridge_with(&docker, "../a-name-too-long");
    assert!(docker.run(&network, &Run::default()).await.unwrap_err().text().contains("names the bridge"));
}

#[tokio::test]
async fn a_port_that_cannot_be_plugged_is_refused_with_advice_and_rolled_back() {
    let (mut docker, network) = own().await;
    let before = docker.world.snapshot();
    for (vif, advice) in
        [("binding_failed", "[DEFAULT] host"), ("vrouter", "bindir"), ("unbound", "credentials")]
    {
        docker.world.cloud.lock().unwrap().vif_type = vif.to_owned();
        let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
        assert!(text.contains(vif) && text.contains(advice), "{text}");
        docker.world.cloud.lock().unwrap().vif_type = "bridge".to_owned();
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn a_mac_of_the_users_own_is_set_and_not_echoed() {
    let (mut docker, network) = own().await;
    let mac = "02:42:0a:00:00:09".parse().unwrap();
    let container = docker.run(&network, &Run { mac: Some(mac), ..Run::default() }).await.unwrap();
    assert_eq!(container.created.mac, None);
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_eq!((port.mac_address, port.host_id.as_deref()), (mac, Some("node-1")));
    let link = container.joined.unwrap().source_name;
    assert_eq!(docker.world.cloud.lock().unwrap().links[&link].mac, Some(mac));
}

#[tokio::test]
async fn an_address_outside_and_the_gateways_are_refused_without_a_call() {
    let (mut docker, network) = own().await;
    docker.world.calls();
    let text = docker.run(&network, &at("10.10.0.5")).await.unwrap_err().text();
    assert!(text.contains("outside subnet 10.9.0.0/24"), "{text}");
    assert!(docker.run(&network, &at("10.9.0.1")).await.unwrap_err().text().contains("gateway"));
    assert!(docker.world.calls().is_empty());
}

#[tokio::test]
async fn a_used_up_quota_is_reported_and_leaves_nothing() {
    let (mut docker, network) = own().await;
    docker.world.cloud.lock().unwrap().quota_ports = Some(1);
    let before = docker.world.snapshot();
    for run in [Run::default(), at(ADDRESS)] {
        assert!(docker.run(&network, &run).await.unwrap_err().text().contains("Quota exceeded"));
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn dual_stack_is_one_port_released_once_in_either_order() {
    for reversed in [false, true] {
        let mut docker = Docker::new();
        let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
        let network = docker.network_create(&net).await.unwrap();
        let before = docker.world.snapshot();
        let mut container = docker.run(&network, &Run::default()).await.unwrap();
        let ports: Vec<Port> = container.addresses.iter().map(|(_, a)| docker.port_at(*a).unwrap()).collect();
        assert_eq!(ports[0].id, ports[1].id);
        assert_eq!(ports[0].fixed_ips.len(), 2);
        let joined = container.joined.clone().unwrap();
        assert_eq!((joined.gateway, joined.gateway6), (Some(ip("10.9.0.1")), Some(ip("fd09::1"))));
        docker.world.calls();
        if reversed {
            container.addresses.reverse();
        }
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.calls(), ["DELETE port"]);
        assert_eq!(docker.world.snapshot(), before);
    }
}

#[tokio::test]
async fn an_inactive_port_is_fatal_where_the_operator_says_so() {
    let mut docker = Docker::with(|s| {
        s.vif_plugging_is_fatal = true;
        s.vif_plugging_timeout = quickly();
    });
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.cloud.lock().unwrap().agents_dead = true;
    let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(text.contains("is DOWN") && text.contains("agent"), "{text}");
    docker.world.cloud.lock().unwrap().agents_dead = false;
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn creating_an_endpoint_again_changes_nothing_and_join_asks_nobody() {
    let (docker, network) = own().await;
    let pool = docker.networks[&network][0].0.clone();
    let address = docker.address(&pool, Some(ip(ADDRESS)), AddressKind::Container).await.unwrap();
    assert_eq!(docker.address(&pool, Some(ip(ADDRESS)), AddressKind::Container).await.unwrap(), address);
    let endpoint = docker_id();
    let request = || EndpointRequest {
        network_id: network.clone(),
        endpoint_id: endpoint.clone(),
        ipv4: Some(address),
        ..EndpointRequest::default()
    };
    let (one, two) =
        tokio::join!(docker.service.create_endpoint(request()), docker.service.create_endpoint(request()));
    assert_eq!(one.unwrap(), two.unwrap());
    let other = EndpointRequest { endpoint_id: docker_id(), ..request() };
    assert!(matches!(docker.service.create_endpoint(other).await, Err(Error::AddressTaken { .. })));
    docker.world.all_calls();
    let joined = docker.service.join(&network, &endpoint).await.unwrap();
    assert_eq!(docker.service.join(&network, &endpoint).await.unwrap(), joined);
    docker.service.leave(&network, &endpoint).await.unwrap();
    docker.service.leave(&network, &endpoint).await.unwrap();
    assert_eq!(docker.world.all_calls(), 0);
    assert!(docker.service.join(&network, &docker_id()).await.is_err());
}

#[tokio::test]
async fn releasing_the_address_cleans_an_endpoint_nobody_deleted() {
    let (mut docker, network) = own().await;
    let before = docker.world.snapshot();
    let container = docker.run(&network, &udp(&[1234])).await.unwrap();
    let (pool, address) = container.addresses[0].clone();
    docker.service.release_address(&pool, address.addr()).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    assert!(docker.service.status().endpoints.is_empty());
    docker.service.delete_endpoint(&network, &container.endpoint).await.unwrap();
    docker.service.release_address(&pool, address.addr()).await.unwrap();
}

#[tokio::test]
async fn routes_are_those_of_the_ports_own_subnets_without_the_default() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "10.8.0.0/24"]).await;
    for subnet in docker.world.cloud.lock().unwrap().subnets.values_mut() {
        let third =
            if subnet.cidr.to_string().starts_with("10.9") { "172.16.9.0/24" } else { "172.16.8.0/24" };
        let route = |to: &str| HostRoute { destination: to.parse().unwrap(), nexthop: ip("10.9.0.3") };
        let on_link = HostRoute { destination: "172.16.1.0/24".parse().unwrap(), nexthop: ip("0.0.0.0") };
        subnet.host_routes = vec![route(third), route("0.0.0.0/0"), on_link];
    }
    let net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let joined = docker.run(&network, &Run::default()).await.unwrap().joined.unwrap();
    assert_eq!(joined.routes.len(), 2);
    assert_eq!(joined.routes[0].destination.to_string(), "172.16.9.0/24");
    assert_eq!(joined.routes[0].next_hop, Some(ip("10.9.0.3")));
    assert_eq!(joined.routes[1].next_hop, None);
}

#[tokio::test]
async fn addresses_of_another_ipam_driver_become_ports_for_the_endpoints_life() {
    let docker = Docker::new();
    let range = IpamData { pool: "10.9.0.0/24".parse().unwrap(), gateway: None, aux: Vec::new() };
    let network = docker_id();
    let request = NetworkRequest { id: network.clone(), ipv4: vec![range], ..NetworkRequest::default() };
    docker.service.create_network(request).await.unwrap();
    let before = docker.world.snapshot();
    let endpoint = docker_id();
    let request = EndpointRequest {
        network_id: network.clone(),
        endpoint_id: endpoint.clone(),
        ipv4: Some("10.9.0.9/24".parse().unwrap()),
        ..EndpointRequest::default()
    };
    docker.service.create_endpoint(request).await.unwrap();
    assert!(docker.port_at("10.9.0.9/24".parse().unwrap()).is_some());
    docker.service.delete_endpoint(&network, &endpoint).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn two_that_want_one_address_at_once_do_not_both_get_it() {
    let (docker, network) = own().await;
    let pool = docker.networks[&network][0].0.clone();
    let ask = || docker.address(&pool, Some(ip(ADDRESS)), AddressKind::Container);
    let (one, two) = tokio::join!(ask(), ask());
    // The same address twice is Docker repeating itself; there is one port.
    assert_eq!(one.unwrap(), two.unwrap());
    let ports = docker.world.snapshot().ports;
    assert_eq!(ports.values().filter(|p| p.device_owner == "compute:kuryr").count(), 1);
}

/// A creation that hangs in the cloud keeps the endpoint's turn; Docker is answered all the same.
#[tokio::test]
async fn neither_join_nor_leave_waits_for_a_creation_that_hangs() {
    let mut docker = Docker::with(|s| s.deadline = Duration::from_millis(100));
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let pool = docker.networks[&network][0].0.clone();
    let address = docker.address(&pool, None, crate::AddressKind::Container).await.unwrap();
    docker.world.arm(1, Fault::DieBefore);
    let endpoint = super::docker::docker_id();
    let request = crate::EndpointRequest {
        network_id: network.clone(),
        endpoint_id: endpoint.clone(),
        ipv4: Some(address),
        ..crate::EndpointRequest::default()
    };
    let hung = docker.service.create_endpoint(request).await;
    assert!(matches!(hung, Err(Error::Deadline { .. })), "{hung:?}");
    let soon = |limit| Duration::from_millis(limit);
    tokio::time::timeout(soon(50), docker.service.leave(&network, &endpoint)).await.unwrap().unwrap();
    let join = tokio::time::timeout(soon(2000), docker.service.join(&network, &endpoint)).await.unwrap();
    assert!(matches!(join, Err(Error::Deadline { .. })), "{join:?}");
}
