//! Existing subnets and subnet pools, gateways, families.

use ipnet::IpNet;

use super::docker::{Docker, Net, Run, docker_id, ip, v4};
use crate::{AddressKind, IpamData, NetworkRequest, PoolRequest};

fn option(key: &'static str, value: &str) -> Vec<(&'static str, String)> {
    vec![(key, value.to_owned())]
}

fn subnet(docker: &Docker, cidr: &str) -> String {
    let cloud = docker.world.cloud.lock().unwrap();
    cloud.subnets.values().find(|s| s.cidr.to_string() == cidr).unwrap().id.clone()
}

fn pool(docker: &Docker, name: &str) -> String {
    docker.world.cloud.lock().unwrap().pools.values().find(|p| p.name == name).unwrap().id.clone()
}

async fn refusal(docker: &mut Docker, net: &Net) -> String {
    let before = docker.world.snapshot();
    let text = docker.network_create(net).await.unwrap_err().text();
    assert_eq!(docker.world.snapshot(), before, "{text}");
    docker.assert_forgotten(&text);
    assert!(!text.contains('\n'), "{text}");
    text
}

/// Creates, runs, stops, removes; the cloud is as before. The pool's gateway as Docker knows it.
async fn tour(docker: &mut Docker, net: &Net) -> Option<std::net::IpAddr> {
    let before = docker.world.snapshot();
    let network = docker.network_create(net).await.unwrap();
    let gateway = docker.networks[&network][0].2;
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("after the tour");
    gateway
}

#[tokio::test]
async fn options_may_stand_on_either_side_or_on_both() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let of = subnet(&docker, "10.9.0.0/24");
    for key in ["neutron.net.uuid", "neutron.net.name", "neutron.subnet.uuid", "neutron.subnet.name"] {
        let value = match key {
            "neutron.net.uuid" => id.as_str(),
            "neutron.net.name" => "theirs",
            "neutron.subnet.uuid" => of.as_str(),
            _ => "theirs-10.9.0.0/24",
        };
        for (here, there) in [(true, false), (false, true), (true, true)] {
            let list = |given: bool| if given { option(key, value) } else { Vec::new() };
            let net = Net { options: list(here), ipam: list(there), ..v4("10.9.0.0/24") };
            let network = docker.network_create(&net).await.unwrap();
            let known = docker.service.status().networks[0].clone();
            assert_eq!((known.neutron_id.as_ref(), known.adopted), (Some(&id), true), "{key} {here} {there}");
            docker.network_rm(&network).await.unwrap();
            tour(&mut docker, &net).await;
        }
    }
}

#[tokio::test]
async fn a_network_named_to_ipam_alone_gets_the_missing_subnet() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.10.0.0/24"]).await;
    let net = Net { ipam: option("neutron.net.uuid", &id), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    assert!(docker.service.status().networks[0].adopted);
    docker.network_rm(&network).await.unwrap();
    tour(&mut docker, &net).await;
}

#[tokio::test]
async fn options_that_contradict_each_other_are_refused() {
    let mut docker = Docker::new();
    let one = docker.operator_network("one", &["10.9.0.0/24"]).await;
    let two = docker.operator_network("two", &["10.9.0.0/24"]).await;
    let with = |options: Vec<(&'static str, String)>, ipam: Vec<(&'static str, String)>| Net {
        options,
        ipam,
        ..v4("10.9.0.0/24")
    };
    let uuid = |id: &str| option("neutron.net.uuid", id);
    let name = |name: &str| option("neutron.net.name", name);
    let text = refusal(&mut docker, &with(uuid(&one), uuid(&two))).await;
    assert!(text.contains(&one) && text.contains(&two) && text.contains("--ipam-opt"), "{text}");
    assert!(refusal(&mut docker, &with(name("one"), name("two"))).await.contains("give both the same"));
    assert!(refusal(&mut docker, &with(uuid(&one), name("two"))).await.contains("its name is one, not two"));
    assert!(refusal(&mut docker, &with(name("one"), uuid(&two))).await.contains("its name is two, not one"));
    let shared = |v: &str| option("neutron.net.shared", v);
    assert!(refusal(&mut docker, &with(shared("true"), shared("no"))).await.contains("neutron.net.shared"));
    let mine = {
        let cloud = docker.world.cloud.lock().unwrap();
        cloud.subnets.values().find(|s| s.network_id == one).unwrap().id.clone()
    };
    let both = vec![("neutron.net.uuid", two.clone()), ("neutron.subnet.uuid", mine.clone())];
    let text = refusal(&mut docker, &with(Vec::new(), both.clone())).await;
    assert!(text.contains(&format!("it is on network {one}")), "{text}");
    assert!(refusal(&mut docker, &with(both, Vec::new())).await.contains("correct"));
}

#[tokio::test]
async fn the_gateway_docker_is_told_is_the_existing_subnets() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "fd09::/64"]).await;
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        cloud
            .subnets
            .values_mut()
            .filter(|s| s.ip_version == 4)
            .for_each(|s| s.gateway_ip = Some(ip("10.9.0.254")));
    }
    let net = |ipam: Vec<(&'static str, String)>| Net {
        options: option("neutron.net.uuid", &id),
        ipam,
        ..v4("10.9.0.0/24")
    };
    for ipam in [option("neutron.net.uuid", &id), option("neutron.net.name", "theirs")] {
        assert_eq!(tour(&mut docker, &net(ipam)).await, Some(ip("10.9.0.254")));
    }
    let ipam = option("neutron.net.uuid", &id);
    let given = Net { gateway: Some(ip("10.9.0.254")), ..net(ipam.clone()) };
    assert_eq!(tour(&mut docker, &given).await, Some(ip("10.9.0.254")));
    let other = Net { gateway: Some(ip("10.9.0.1")), ..net(ipam) };
    assert!(refusal(&mut docker, &other).await.contains("10.9.0.254"));
}

#[tokio::test]
async fn a_subnet_without_gateway_is_used_without_one() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    docker.world.cloud.lock().unwrap().subnets.values_mut().for_each(|s| s.gateway_ip = None);
    let uuid = || option("neutron.net.uuid", &id);
    for subnet in [Some("10.9.0.0/24".parse().unwrap()), None] {
        let net = Net { subnet, options: uuid(), ipam: uuid(), ..Net::default() };
        // What Docker stores for lack of a way to say none.
        assert_eq!(tour(&mut docker, &net).await, Some(ip("0.0.0.0")));
        let network = docker.network_create(&net).await.unwrap();
        let container = docker.run(&network, &Run::default()).await.unwrap();
        assert_eq!(container.joined.as_ref().unwrap().gateway, None);
        docker.stop(&container).await.unwrap();
        docker.network_rm(&network).await.unwrap();
        let asked = Net { gateway: Some(ip("10.9.0.1")), ..net };
        assert!(refusal(&mut docker, &asked).await.contains("no gateway"));
    }
}

#[tokio::test]
async fn a_subnet_pool_may_be_larger_than_the_subnet_or_equal_but_must_hold_it() {
    let mut docker = Docker::new();
    docker.operator_pool("large", "10.9.0.0/16", 24).await;
    docker.operator_pool("equal", "10.9.7.0/24", 24).await;
    docker.operator_pool("other", "10.8.0.0/16", 24).await;
    for name in ["large", "equal"] {
        for (here, there) in [(true, false), (false, true), (true, true)] {
            let list = |given: bool| if given { option("neutron.pool.name", name) } else { Vec::new() };
            let net = Net { options: list(here), ipam: list(there), ..v4("10.9.7.0/24") };
            let network = docker.network_create(&net).await.unwrap();
            let used = docker.world.snapshot().subnets.values().next().unwrap().subnetpool_id.clone();
            assert_eq!(used, Some(pool(&docker, name)), "{name} {here} {there}");
            docker.network_rm(&network).await.unwrap();
            tour(&mut docker, &net).await;
        }
    }
    let net = Net { options: option("neutron.pool.name", "other"), ..v4("10.9.7.0/24") };
    let text = refusal(&mut docker, &net).await;
    assert!(text.contains("10.8.0.0/16") && text.contains("--subnet"), "{text}");
    let shared = [option("neutron.pool.name", "large"), option("neutron.net.shared", "true")].concat();
    let text = refusal(&mut docker, &Net { options: shared, ..v4("10.9.7.0/24") }).await;
    assert!(text.contains("shared"), "{text}");
    let absent = Net { options: option("neutron.pool.name", "none"), ..v4("10.9.7.0/24") };
    assert!(refusal(&mut docker, &absent).await.contains("does not exist"));
}

#[tokio::test]
async fn a_subnet_and_a_pool_must_belong_together() {
    let mut docker = Docker::new();
    docker.operator_pool("theirs", "10.9.0.0/16", 24).await;
    docker.operator_pool("other", "10.9.0.0/16", 24).await;
    docker.operator_pool("elsewhere", "10.8.0.0/16", 24).await;
    docker.operator_network("theirs", &["10.9.1.0/24"]).await;
    let of = subnet(&docker, "10.9.1.0/24");
    let with = |name: &str| {
        let both = [option("neutron.subnet.uuid", &of), option("neutron.pool.name", name)].concat();
        Net { options: both.clone(), ipam: both, ..v4("10.9.1.0/24") }
    };
    // Of no pool: any that holds its range will do.
    tour(&mut docker, &with("other")).await;
    assert!(refusal(&mut docker, &with("elsewhere")).await.contains("10.8.0.0/16"));
    let theirs = pool(&docker, "theirs");
    docker.world.cloud.lock().unwrap().subnets.get_mut(&of).unwrap().subnetpool_id = Some(theirs.clone());
    tour(&mut docker, &with("theirs")).await;
    assert!(refusal(&mut docker, &with("other")).await.contains(&theirs));
}

#[tokio::test]
async fn one_of_several_subnets_of_a_name_is_chosen_by_network_or_range() {
    let mut docker = Docker::new();
    for (name, cidr) in [("one", "10.9.0.0/24"), ("two", "10.9.0.0/24"), ("three", "10.7.0.0/24")] {
        docker.operator_network(name, &[cidr]).await;
    }
    docker.world.cloud.lock().unwrap().subnets.values_mut().for_each(|s| s.name = "blue".to_owned());
    let blue = option("neutron.subnet.name", "blue");
    let net = Net { ipam: blue.clone(), options: blue.clone(), ..v4("10.9.0.0/24") };
    assert!(refusal(&mut docker, &net).await.contains("ambiguous"));
    tour(&mut docker, &Net { subnet: Some("10.7.0.0/24".parse().unwrap()), ..net.clone() }).await;
    let both = [blue, option("neutron.net.name", "two")].concat();
    tour(&mut docker, &Net { ipam: both.clone(), options: both, ..net }).await;
}

#[tokio::test]
async fn both_families_of_existing_subnets_are_named_apart() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "fd09::/64"]).await;
    let found = docker.world.snapshot();
    let both = [
        option("neutron.net.uuid", &id),
        option("neutron.net.shared", "False"),
        option("neutron.subnet.uuid", &subnet(&docker, "10.9.0.0/24")),
        option("neutron.subnet.v6.uuid", &subnet(&docker, "fd09::/64")),
    ]
    .concat();
    let net = Net {
        v6: true,
        subnet6: Some("fd09::/64".parse().unwrap()),
        options: both.clone(),
        ipam: both,
        ..v4("10.9.0.0/24")
    };
    docker.world.calls();
    let network = docker.network_create(&net).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET subnet", "GET subnet", "GET network", "POST tags"]);
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn automatic_ranges_of_both_families_are_allocated_whatever_their_length() {
    for length in [48, 56, 64, 96] {
        let mut docker = Docker::new();
        docker.operator_pool("kuryr", "10.20.0.0/16", 26).await;
        docker.operator_pool("kuryr6", "fd20::/40", length).await;
        let found = docker.world.snapshot();
        let net = Net { v6: true, ..Net::default() };
        let one = docker.network_create(&net).await.unwrap();
        let two = docker.network_create(&net).await.unwrap();
        let ranges: Vec<Vec<IpNet>> =
            [&one, &two].map(|n| docker.networks[n].iter().map(|pool| pool.1).collect()).to_vec();
        assert!(ranges[0].iter().all(|range| !ranges[1].contains(range)), "{ranges:?}");
        assert_eq!(ranges[0].iter().map(IpNet::prefix_len).collect::<Vec<_>>(), [26, length]);
        let container = docker.run(&one, &Run::default()).await.unwrap();
        assert_eq!(container.addresses.len(), 2);
        docker.stop(&container).await.unwrap();
        docker.network_rm(&one).await.unwrap();
        docker.network_rm(&two).await.unwrap();
        assert_eq!(docker.world.snapshot(), found);
    }
}

#[tokio::test]
async fn a_network_may_have_ipv6_only() {
    let docker = Docker::new();
    let found = docker.world.snapshot();
    let pool = Some("fd09::/64".parse().unwrap());
    let wanted = PoolRequest { space: "s".to_owned(), pool, v6: true, ..PoolRequest::default() };
    let pool = docker.service.request_pool(wanted).await.unwrap();
    let id = docker_id();
    let data = IpamData { pool: pool.pool, gateway: pool.gateway, aux: Vec::new() };
    let request = NetworkRequest { id: id.clone(), ipv6: vec![data], ..NetworkRequest::default() };
    docker.service.create_network(request).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST subnetpool", "POST network", "PUT tags", "POST subnets"]);
    let address = docker.address(&pool.id, None, AddressKind::Container).await.unwrap();
    assert!(pool.pool.contains(&address.addr()));
    docker.service.release_address(&pool.id, address.addr()).await.unwrap();
    docker.service.release_pool(&pool.id).await.unwrap();
    docker.service.delete_network(&id).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}
