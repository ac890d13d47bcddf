//! A container's life in each mode.

use super::{IPVLAN, MACVLAN, Machine, docker_in, net, settings, theirs};
use crate::guest::GuestMode;
use crate::host::{IpvlanFlag, IpvlanMode, SubLinkKind};
use crate::tests::docker::{Container, Docker, Net, Run, ip, v4};

fn port_of(docker: &Docker, container: &Container) -> openstack::network::Port {
    let address = container.addresses[0].1.addr();
    let cloud = docker.world.cloud.lock().unwrap();
    cloud.ports.values().find(|p| p.fixed_ips.iter().any(|f| f.ip_address == address)).unwrap().clone()
}

fn link_of(docker: &Docker, container: &Container) -> crate::doubles::Link {
    let name = &container.joined.as_ref().unwrap().source_name;
    docker.world.cloud.lock().unwrap().links[name].clone()
}

async fn started(mode: GuestMode) -> (Docker, Machine, String, Container) {
    let (mut docker, machine) = docker_in(settings(mode)).await;
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(mode)).await.unwrap();
    docker.world.calls();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    (docker, machine, network, container)
}

#[tokio::test]
async fn b11_a_container_joins_the_trunk_in_two_calls_and_leaves_it_in_two() {
    let (mut docker, machine, network, container) = started(GuestMode::Vlan).await;
    assert_eq!(docker.world.calls(), ["POST ports", "PUT add_subports"]);
    let port = port_of(&docker, &container);
    let [(vlan, member)] = machine.sub_ports(&docker).try_into().unwrap();
    assert_eq!(member, port.id);
    // Neutron's words for a port in a trunk; ours would have kept it out.
    assert_eq!((port.device_owner.as_str(), port.device_id.as_str()), ("trunk:subport", ""));
    assert!(port.tags.contains(&"compute:kuryr".to_owned()));
    let link = link_of(&docker, &container);
    assert_eq!(link.sub, Some(("eth0".to_owned(), SubLinkKind::Vlan { id: vlan })));
    assert_eq!((link.mac, link.mtu), (Some(port.mac_address), 1450));
    assert!(container.joined.as_ref().unwrap().gateway.is_some());

    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["PUT remove_subports", "DELETE port"]);
    assert!(machine.sub_ports(&docker).is_empty());
    docker.network_rm(&network).await.unwrap();
}

#[tokio::test]
async fn a_container_on_macvlan_is_a_pair_of_the_machines_port() {
    let (docker, machine, _, container) = started(MACVLAN).await;
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    let port = port_of(&docker, &container);
    assert_eq!((port.host_id.as_deref(), port.vif_type.as_deref()), (Some(""), Some("unbound")));
    let address = port.fixed_ips[0].ip_address.to_string();
    let pairs = machine.pairs(&docker);
    assert_eq!(pairs.len(), 2);
    assert!(pairs.contains(&theirs()));
    assert!(pairs.iter().any(|p| p.ip_address == address && p.mac_address == Some(port.mac_address)));
    let link = link_of(&docker, &container);
    assert!(matches!(link.sub, Some((parent, SubLinkKind::Macvlan { .. })) if parent == "eth0"));
    assert_eq!(link.mac, Some(port.mac_address));

    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["PUT port", "DELETE port"]);
    assert_eq!(machine.pairs(&docker), [theirs()]);
}

#[tokio::test]
async fn b10_a_container_on_ipvlan_has_the_machines_mac_and_a_gateway_in_mode_l2() {
    let (docker, machine, _, container) = started(IPVLAN).await;
    let own = docker.world.cloud.lock().unwrap().ports[&machine.port].mac_address;
    let address = container.addresses[0].1.addr().to_string();
    let pairs = machine.pairs(&docker);
    assert!(pairs.iter().any(|p| p.ip_address == address && p.mac_address == Some(own)), "{pairs:?}");
    // Docker is told no MAC: the kernel would refuse to set it.
    assert_eq!(container.created.mac, None);
    assert_eq!(link_of(&docker, &container).mac, Some(own));
    assert!(container.joined.as_ref().unwrap().gateway.is_some());
    docker.stop(&container).await.unwrap();
    assert_eq!(machine.pairs(&docker), [theirs()]);
}

#[tokio::test]
async fn modes_that_route_have_everything_on_the_link_and_no_gateway() {
    for mode in [IpvlanMode::L3, IpvlanMode::L3s] {
        let (_, _, _, container) = started(GuestMode::Ipvlan(mode, IpvlanFlag::Bridge)).await;
        let joined = container.joined.unwrap();
        assert_eq!((joined.gateway, joined.gateway6), (None, None));
        let routes: Vec<_> = joined.routes.iter().map(|r| (r.destination.to_string(), r.next_hop)).collect();
        assert_eq!(routes, [("0.0.0.0/0".to_owned(), None)]);
    }
}

#[tokio::test]
async fn an_internal_network_that_routes_has_no_default_route() {
    let mode = GuestMode::Ipvlan(IpvlanMode::L3, IpvlanFlag::Bridge);
    let (mut docker, _) = docker_in(settings(mode)).await;
    let network = docker.network_create(&Net { internal: true, ..net(mode) }).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert!(container.joined.unwrap().routes.is_empty());
}

#[tokio::test]
async fn both_families_are_one_subport_and_two_pairs() {
    for mode in [GuestMode::Vlan, MACVLAN, IPVLAN] {
        let (mut docker, machine) = docker_in(settings(mode)).await;
        if mode != GuestMode::Vlan {
            docker.operator_subnet(&machine.network, "fd50::/64").await;
        }
        let range6 = if mode == GuestMode::Vlan { "fd09::/64" } else { "fd50::/64" };
        let both = Net { v6: true, subnet6: Some(range6.parse().unwrap()), ..net(mode) };
        let before = docker.world.snapshot();
        let network = docker.network_create(&both).await.unwrap();
        let container = docker.run(&network, &Run::default()).await.unwrap();
        if mode == GuestMode::Vlan {
            assert_eq!(machine.sub_ports(&docker).len(), 1);
        } else {
            assert_eq!(machine.pairs(&docker).len(), 3, "{mode:?}");
        }
        docker.stop(&container).await.unwrap();
        docker.network_rm(&network).await.unwrap();
        assert_eq!(docker.world.snapshot(), before, "{mode:?}");
        docker.assert_forgotten(mode.name());
    }
}

#[tokio::test]
async fn an_existing_port_is_taken_into_the_trunk_and_given_back_as_found() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    let theirs = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&theirs, "10.9.0.55").await.id;
    let before = docker.world.snapshot();
    let net = Net { options: vec![("neutron.net.uuid", theirs)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let run = Run { ip: Some(ip("10.9.0.55")), ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    assert_eq!(machine.sub_ports(&docker).len(), 1);
    assert_eq!(machine.sub_ports(&docker)[0].1, port);
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn an_existing_port_lends_its_address_to_a_macvlan_and_is_given_back_as_found() {
    let (mut docker, machine) = docker_in(settings(MACVLAN)).await;
    docker.operator_port(&machine.network, "10.50.0.55").await;
    let before = docker.world.snapshot();
    let network = docker.network_create(&net(MACVLAN)).await.unwrap();
    let run = Run { ip: Some(ip("10.50.0.55")), ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    assert_eq!(machine.pairs(&docker).len(), 2);
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_port_somebody_has_put_into_a_trunk_of_his_own_meanwhile_is_left_there() {
    let (mut docker, machine) = docker_in(settings(GuestMode::Vlan)).await;
    let theirs = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&theirs, "10.9.0.55").await.id;
    let net = Net { options: vec![("neutron.net.uuid", theirs)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let run = Run { ip: Some(ip("10.9.0.55")), ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let sub_ports = std::mem::take(&mut cloud.trunks.get_mut(&machine.trunk).unwrap().sub_ports);
        let other = openstack::network::Trunk {
            id: "another".to_owned(),
            sub_ports,
            ..cloud.trunks[&machine.trunk].clone()
        };
        cloud.trunks.insert("another".to_owned(), other);
    }
    docker.stop(&container).await.unwrap();
    let cloud = docker.world.cloud.lock().unwrap();
    assert_eq!(cloud.trunks["another"].sub_ports.len(), 1);
    assert_eq!(cloud.ports[&port].device_owner, "trunk:subport");
}

#[tokio::test]
async fn exposed_ports_are_a_group_of_the_subport() {
    let (mut docker, _) = docker_in(settings(GuestMode::Vlan)).await;
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.world.calls();
    let exposed = vec![crate::ExposedPort { protocol: 6, port: 80 }];
    let container = docker.run(&network, &Run { exposed, ..Run::default() }).await.unwrap();
    let expected =
        ["POST ports", "POST security-group", "POST security-group-rules", "PUT port", "PUT add_subports"];
    assert_eq!(docker.world.calls(), expected);
    assert_eq!(port_of(&docker, &container).security_groups.len(), 2);
    docker.stop(&container).await.unwrap();
    assert!(docker.world.cloud.lock().unwrap().groups.is_empty());
}

#[tokio::test]
async fn b36_ports_of_a_machines_containers_are_bound_by_their_trunk_or_not_at_all() {
    for mode in [GuestMode::Vlan, MACVLAN, IPVLAN] {
        let (mut docker, _) = docker_in(settings(mode)).await;
        let network = docker.network_create(&net(mode)).await.unwrap();
        let pool = docker.networks[&network][0].0.clone();
        let held = docker.address(&pool, None, crate::AddressKind::Container).await.unwrap();
        let port = docker.port_at(held).unwrap();
        assert_eq!((port.host_id.as_deref(), port.vif_type.as_deref()), (Some(""), Some("unbound")));
        let container = docker.run(&network, &Run::default()).await.unwrap();
        let port = port_of(&docker, &container);
        // The machine's own host, which the trunk says; never the name the machine gives itself.
        let host = if mode == GuestMode::Vlan { "node-1" } else { "" };
        assert_eq!(port.host_id.as_deref(), Some(host), "{mode:?}");
    }
}
