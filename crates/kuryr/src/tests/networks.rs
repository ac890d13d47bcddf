//! Networks: own, adopted, automatic; what is refused.

use super::docker::{Docker, Net, Run, docker_id, ip, v4};
use crate::{AddressKind, IpamData, NetworkRequest, PoolRequest};

fn uuid_option(id: &str) -> Vec<(&'static str, String)> {
    vec![("neutron.net.uuid", id.to_owned())]
}

async fn refusal(docker: &mut Docker, net: &Net) -> String {
    let before = docker.world.snapshot();
    let text = docker.network_create(net).await.unwrap_err().text();
    assert_eq!(docker.world.snapshot(), before, "{text}");
    docker.assert_forgotten(&text);
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn names_and_tags_are_those_other_tools_look_for() {
    let mut docker = Docker::new();
    let id = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let cloud = docker.world.snapshot();
    let network = cloud.networks.values().next().unwrap();
    assert_eq!(network.name, format!("kuryr-net-{}", &id[..8]));
    let tags = [format!("kuryr.net.uuid.lh:{}", &id[..32]), format!("kuryr.net.uuid.uh:{}", &id[32..])];
    assert_eq!(network.tags[..2], tags);
    assert!(network.tags[2..].iter().all(|tag| tag.starts_with("kuryr.pool.v4:")), "{:?}", network.tags);
    let pool = cloud.pools.values().next().unwrap();
    let subnet = cloud.subnets.values().next().unwrap();
    assert_eq!(
        (pool.name.as_str(), subnet.name.as_str()),
        ("kuryrPool-10.9.0.0/24", "kuryr-subnet-10.9.0.0/24")
    );
    assert_eq!(subnet.subnetpool_id.as_ref(), Some(&pool.id));
}

#[tokio::test]
async fn two_networks_of_equal_range_do_not_hurt_each_other() {
    let mut docker = Docker::new();
    let first = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let kept = docker.world.snapshot();
    let second = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let one = docker.run(&first, &Run::default()).await.unwrap();
    let two = docker.run(&second, &Run::default()).await.unwrap();
    docker.stop(&two).await.unwrap();
    docker.network_rm(&second).await.unwrap();
    assert!(docker.port_at(one.addresses[0].1).is_some());
    docker.stop(&one).await.unwrap();
    assert_eq!(docker.world.snapshot(), kept);
    docker.run(&first, &Run::default()).await.unwrap();
}

#[tokio::test]
async fn two_networks_of_equal_range_created_at_once_take_a_pool_each() {
    let docker = Docker::new();
    let service = &docker.service;
    let range = "10.9.0.0/24".parse().unwrap();
    let mut pools = Vec::new();
    for _ in 0..2 {
        let wanted = PoolRequest { space: "s".to_owned(), pool: Some(range), ..PoolRequest::default() };
        pools.push(service.request_pool(wanted).await.unwrap());
    }
    assert_ne!(pools[0].id, pools[1].id);
    let request = || NetworkRequest {
        id: docker_id(),
        ipv4: vec![IpamData { pool: range, gateway: pools[0].gateway, aux: Vec::new() }],
        ..NetworkRequest::default()
    };
    let (one, two) = tokio::join!(service.create_network(request()), service.create_network(request()));
    one.unwrap();
    two.unwrap();
    for pool in &pools {
        docker.address(&pool.id, None, AddressKind::Container).await.unwrap();
    }
}

#[tokio::test]
async fn b45_networks_of_equal_range_made_at_once_keep_the_pool_docker_gave_them() {
    let docker = Docker::new();
    let service = &docker.service;
    let range = "10.9.0.0/24".parse().unwrap();
    let make = async || {
        let wanted = PoolRequest { space: "s".to_owned(), pool: Some(range), ..PoolRequest::default() };
        let pool = service.request_pool(wanted).await.unwrap();
        // Docker is busy with the other one.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        let id = docker_id();
        let request = NetworkRequest {
            id: id.clone(),
            ipv4: vec![IpamData { pool: range, gateway: pool.gateway, aux: Vec::new() }],
            ..NetworkRequest::default()
        };
        service.create_network(request).await.unwrap();
        (id, pool.id)
    };
    let (one, two, three) = tokio::join!(make(), make(), make());
    for (network, pool) in [one, two, three] {
        let row = service.inner.pools.get(crate::pools::key_of(&pool).unwrap()).unwrap();
        assert_eq!(row.network, Some(network));
    }
}

#[tokio::test]
async fn an_ip_range_is_the_subnet() {
    let mut docker = Docker::new();
    let net = Net { ip_range: Some("10.9.4.0/24".parse().unwrap()), ..v4("10.9.0.0/16") };
    let network = docker.network_create(&net).await.unwrap();
    assert_eq!(docker.networks[&network][0].1.to_string(), "10.9.4.0/24");
    let outside = Net { ip_range: Some("10.8.4.0/24".parse().unwrap()), ..v4("10.9.0.0/16") };
    assert!(
        docker.network_create(&outside).await.unwrap_err().text().contains("outside --subnet 10.9.0.0/16")
    );
}

#[tokio::test]
async fn the_gateway_is_the_users_or_the_first_address() {
    let mut docker = Docker::new();
    let plain = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let joined = docker.run(&plain, &Run::default()).await.unwrap().joined.unwrap();
    assert_eq!(joined.gateway, Some(ip("10.9.0.1")));
    let net = Net { gateway: Some(ip("10.8.0.254")), ..v4("10.8.0.0/24") };
    let asked = docker.network_create(&net).await.unwrap();
    let joined = docker.run(&asked, &Run::default()).await.unwrap().joined.unwrap();
    assert_eq!(joined.gateway, Some(ip("10.8.0.254")));
    let inside = Net { internal: true, ..v4("10.7.0.0/24") };
    let internal = docker.network_create(&inside).await.unwrap();
    assert_eq!(docker.run(&internal, &Run::default()).await.unwrap().joined.unwrap().gateway, None);
}

#[tokio::test]
async fn an_auxiliary_address_is_given_to_nobody() {
    let mut docker = Docker::with(|s| s.enable_dhcp = false);
    let net = Net { aux: vec![ip("10.9.0.2"), ip("10.9.0.4")], ..v4("10.9.0.0/28") };
    let network = docker.network_create(&net).await.unwrap();
    let mut given = Vec::new();
    for _ in 0..11 {
        given.push(docker.run(&network, &Run::default()).await.unwrap().addresses[0].1.addr());
    }
    assert!(
        !given.contains(&ip("10.9.0.2"))
            && !given.contains(&ip("10.9.0.4"))
            && !given.contains(&ip("10.9.0.1"))
    );
    let run = Run { ip: Some(ip("10.9.0.4")), ..Run::default() };
    assert!(docker.run(&network, &run).await.unwrap_err().text().contains("--aux-address"));
}

#[tokio::test]
async fn an_auxiliary_address_of_an_existing_subnet_must_be_free() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&id, "10.9.0.9").await;
    let net = Net { options: uuid_option(&id), aux: vec![ip("10.9.0.9")], ..v4("10.9.0.0/24") };
    let text = refusal(&mut docker, &net).await;
    assert!(text.contains("10.9.0.9") && text.contains(&port.id), "{text}");
}

#[tokio::test]
async fn an_adopted_network_is_marked_while_used_and_then_as_found() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    for option in [("neutron.net.uuid", id.clone()), ("neutron.net.name", "theirs".to_owned())] {
        let net = Net { options: vec![option], ..v4("10.9.0.0/24") };
        let network = docker.network_create(&net).await.unwrap();
        let tags = docker.world.snapshot().networks[&id].tags.clone();
        assert!(tags.contains(&"theirs".to_owned()) && tags.len() == 4, "{tags:?}");
        assert!(tags.contains(&format!("kuryr.net.existing:{}", &network[..12])));
        docker.network_rm(&network).await.unwrap();
        assert_eq!(docker.world.snapshot(), found);
    }
}

#[tokio::test]
async fn a_tag_added_by_others_meanwhile_survives_the_removal() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let net = Net { options: uuid_option(&id), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    docker.world.cloud.lock().unwrap().networks.get_mut(&id).unwrap().tags.push("new".to_owned());
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot().networks[&id].tags, ["new", "theirs"]);
}

#[tokio::test]
async fn two_docker_networks_share_an_adopted_one_and_leave_separately() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    let first = Net { options: uuid_option(&id), ..v4("10.9.0.0/24") };
    let one = docker.network_create(&first).await.unwrap();
    let second = Net { options: uuid_option(&id), ..v4("10.10.0.0/24") };
    let two = docker.network_create(&second).await.unwrap();
    docker.network_rm(&one).await.unwrap();
    docker.run(&two, &Run::default()).await.unwrap();
    assert_eq!(docker.world.snapshot().subnets.len(), 2);
    let container = docker.service.status().endpoints[0].id.clone();
    docker.service.delete_endpoint(&two, &container).await.unwrap();
    docker.network_rm(&two).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn what_does_not_fit_an_existing_network_is_refused_and_changes_nothing() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    docker.operator_network("twice", &[]).await;
    docker.operator_network("twice", &[]).await;
    let with = |options: Vec<(&'static str, String)>, subnet: &str| Net { options, ..v4(subnet) };
    let text =
        refusal(&mut docker, &with(uuid_option("11111111-2222-3333-4444-555555555555"), "10.9.0.0/24")).await;
    assert!(text.contains("does not exist"), "{text}");
    let name = |name: &str| vec![("neutron.net.name", name.to_owned())];
    assert!(refusal(&mut docker, &with(name("none"), "10.9.0.0/24")).await.contains("does not exist"));
    assert!(refusal(&mut docker, &with(name("twice"), "10.9.0.0/24")).await.contains("name one by id"));
    assert!(refusal(&mut docker, &with(uuid_option("xyz"), "10.9.0.0/24")).await.contains("not a UUID"));
    assert!(refusal(&mut docker, &with(uuid_option(&id), "10.9.0.0/25")).await.contains("overlaps subnet"));
    let shared = vec![("neutron.net.uuid", id.clone()), ("neutron.net.shared", "true".to_owned())];
    assert!(refusal(&mut docker, &with(shared, "10.9.0.0/24")).await.contains("shared"));
    let gateway = Net { gateway: Some(ip("10.9.0.77")), ..with(uuid_option(&id), "10.9.0.0/24") };
    assert!(refusal(&mut docker, &gateway).await.contains("its gateway is 10.9.0.1"));
    let unknown = with(vec![("neutron.net.id", id.clone())], "10.9.0.0/24");
    assert!(refusal(&mut docker, &unknown).await.contains("did you mean"));
    let bits = v4("10.9.0.7/24");
    assert!(refusal(&mut docker, &bits).await.contains("10.9.0.0/24"));
    let automatic = Net { options: uuid_option(&id), ..Net::default() };
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    assert!(refusal(&mut docker, &automatic).await.contains("--ipam-opt"));
}

#[tokio::test]
async fn an_ipam_option_answers_the_existing_subnet() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "10.8.0.0/24"]).await;
    let net = Net { options: uuid_option(&id), ipam: uuid_option(&id), ..Net::default() };
    let text = refusal(&mut docker, &net).await;
    assert!(text.contains("10.9.0.0/24") && text.contains("10.8.0.0/24"), "{text}");
    let subnet = {
        let cloud = docker.world.cloud.lock().unwrap();
        cloud.subnets.values().find(|s| s.cidr.to_string() == "10.8.0.0/24").unwrap().id.clone()
    };
    let named = Net { ipam: vec![("neutron.subnet.uuid", subnet)], ..Net::default() };
    let network = docker.network_create(&named).await.unwrap();
    assert_eq!(docker.networks[&network][0].1.to_string(), "10.8.0.0/24");
    assert_eq!(docker.service.status().networks[0].neutron_id.as_ref(), Some(&id));
}

#[tokio::test]
async fn an_automatic_range_comes_from_the_default_pool_which_survives() {
    let mut docker = Docker::new();
    assert!(refusal(&mut docker, &Net::default()).await.contains("pass --subnet"));
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let found = docker.world.snapshot();
    let one = docker.network_create(&Net::default()).await.unwrap();
    let two = docker.network_create(&Net::default()).await.unwrap();
    assert_ne!(docker.networks[&one][0].1, docker.networks[&two][0].1);
    docker.run(&one, &Run::default()).await.unwrap();
    docker.network_rm(&one).await.unwrap();
    docker.network_rm(&two).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn an_automatic_range_that_overlaps_this_host_is_refused_and_leaves_nothing() {
    let mut docker = Docker::new();
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let id = docker.operator_network("ours-too", &["10.30.0.0/24"]).await;
    for route in ["10.20.0.0/25", "10.0.0.0/8"] {
        docker.world.cloud.lock().unwrap().routes = vec![(route.parse().unwrap(), "ens3".to_owned())];
        let text = refusal(&mut docker, &Net::default()).await;
        assert!(text.contains("overlaps ens3") && text.contains("--subnet"), "{text}");
    }
    let net = Net { options: uuid_option(&id), ipam: uuid_option(&id), ..Net::default() };
    assert!(refusal(&mut docker, &net).await.contains("overlaps ens3"));
    let named = Net { options: uuid_option(&id), ..v4("10.30.0.0/24") };
    docker.network_create(&named).await.unwrap();
}

#[tokio::test]
async fn docker_asking_without_end_is_stopped() {
    let docker = Docker::new();
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let before = docker.world.snapshot();
    let mut held = Vec::new();
    let refused = loop {
        let wanted = PoolRequest { space: "s".to_owned(), ..PoolRequest::default() };
        match docker.service.request_pool(wanted).await {
            Ok(pool) => held.push(pool),
            Err(error) => break error.to_string(),
        }
        assert!(held.len() < 20);
    };
    assert!(refused.contains("--subnet"), "{refused}");
    for pool in held {
        docker.service.release_pool(&pool.id).await.unwrap();
    }
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn repetitions_and_unknown_things_are_harmless() {
    let mut docker = Docker::new();
    let service = docker.service.clone();
    service.release_pool("l1:11111111-2222-3333-4444-555555555555").await.unwrap();
    service.release_pool("../../etc").await.unwrap();
    service.release_address("nonsense", ip("10.9.0.1")).await.unwrap();
    service.delete_network(&docker_id()).await.unwrap();
    service.delete_network("../x").await.unwrap();
    service.delete_endpoint("x", "../y").await.unwrap();
    service.leave("x", "y").await.unwrap();
    assert!(service.endpoint_info("x", "y").await.unwrap().is_empty());
    for id in [docker_id(), "abcdefghijklmnopqrstuvwx1".to_owned()] {
        docker.network_create_as(&id, &v4("10.9.0.0/24")).await.unwrap();
        docker.world.calls();
        let range = "10.9.0.0/24".parse().unwrap();
        let request = NetworkRequest {
            id: id.clone(),
            ipv4: vec![IpamData { pool: range, gateway: None, aux: Vec::new() }],
            ..NetworkRequest::default()
        };
        docker.service.create_network(request).await.unwrap();
        assert!(docker.world.calls().is_empty());
        docker.network_rm(&id).await.unwrap();
        docker.service.delete_network(&id).await.unwrap();
    }
    let bad = NetworkRequest { id: "../x".to_owned(), ..NetworkRequest::default() };
    assert!(docker.service.create_network(bad).await.is_err());
}

#[tokio::test]
async fn two_docker_networks_that_adopt_one_at_once_keep_the_tags_of_both() {
    let docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24", "10.8.0.0/24"]).await;
    let before = docker.world.snapshot();
    let service = &docker.service;
    let request = |range: &str| NetworkRequest {
        id: docker_id(),
        options: [("neutron.net.uuid".to_owned(), id.clone())].into(),
        ipv4: vec![IpamData { pool: range.parse().unwrap(), gateway: None, aux: Vec::new() }],
        ..NetworkRequest::default()
    };
    let (one, two) = (request("10.9.0.0/24"), request("10.8.0.0/24"));
    let ids = (one.id.clone(), two.id.clone());
    let (first, second) = tokio::join!(service.create_network(one), service.create_network(two));
    first.unwrap();
    second.unwrap();
    let tags = docker.world.snapshot().networks[&id].tags.len();
    assert_eq!(tags, before.networks[&id].tags.len() + 6);
    let (first, second) = tokio::join!(service.delete_network(&ids.0), service.delete_network(&ids.1));
    first.unwrap();
    second.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_pool_a_crash_left_behind_is_not_taken_for_the_repetitions() {
    let mut docker = Docker::new();
    let wanted = || PoolRequest {
        space: "kuryr".to_owned(),
        pool: Some("10.9.0.0/24".parse().unwrap()),
        ..PoolRequest::default()
    };
    docker.service.request_pool(wanted()).await.unwrap();
    docker.reboot().await;
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
}

#[tokio::test]
async fn the_removal_of_a_network_takes_pools_along_that_nobody_released() {
    let mut docker = Docker::new();
    let before = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.service.delete_network(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("without a release of its pool");
}

#[tokio::test]
async fn several_ranges_of_one_family_come_from_one_subnet_pool() {
    let docker = Docker::new();
    let before = docker.world.snapshot();
    let mut request = NetworkRequest { id: docker_id(), ..NetworkRequest::default() };
    let mut pools = Vec::new();
    for range in ["10.9.1.0/24", "10.9.2.0/25"] {
        let pool = Some(range.parse().unwrap());
        let wanted = PoolRequest { space: "s".to_owned(), pool, ..PoolRequest::default() };
        let pool = docker.service.request_pool(wanted).await.unwrap();
        request.ipv4.push(IpamData { pool: pool.pool, gateway: pool.gateway, aux: Vec::new() });
        pools.push(pool);
    }
    let id = request.id.clone();
    docker.service.create_network(request).await.unwrap();
    for pool in &pools {
        let address = docker.address(&pool.id, None, AddressKind::Container).await.unwrap();
        assert!(pool.pool.contains(&address.addr()));
        docker.service.release_address(&pool.id, address.addr()).await.unwrap();
    }
    docker.service.delete_network(&id).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("with two ranges");
}

#[tokio::test]
async fn a_subnet_added_to_an_adopted_network_comes_from_the_pool_of_its_others() {
    let mut docker = Docker::new();
    docker.operator_pool("theirs", "10.9.0.0/16", 24).await;
    let id = docker.operator_network("theirs", &["10.9.1.0/24"]).await;
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let pool = cloud.pools.keys().next().cloned();
        cloud.subnets.values_mut().for_each(|s| s.subnetpool_id = pool.clone());
    }
    let before = docker.world.snapshot();
    let net = Net { options: uuid_option(&id), ..v4("10.9.2.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.assert_forgotten("after the added subnet");
}
