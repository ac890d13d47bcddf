//! Calls of Neutron per Docker operation.

use super::docker::{Docker, Net, Run, ip, v4};
use crate::ExposedPort;

#[tokio::test]
async fn an_own_network_costs_four_two_one_and_two_calls() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST subnetpool", "POST network", "PUT tags", "POST subnets"]);
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    docker.service.endpoint_info(&network, &container.endpoint).await.unwrap();
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE network", "DELETE subnetpool"]);
}

#[tokio::test]
async fn an_adopted_network_costs_three_calls_to_use_and_one_for_each_tag_to_leave() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let by_id = Net { options: vec![("neutron.net.uuid", id.clone())], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&by_id).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET network", "GET subnets", "POST tags"]);
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE tag", "DELETE tag", "DELETE tag"]);

    let missing = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.10.0.0/24") };
    let network = docker.network_create(&missing).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET network", "GET subnets", "POST tags", "POST subnets"]);
    docker.network_rm(&network).await.unwrap();
    docker.world.calls();

    let name = || vec![("neutron.net.name", "theirs".to_owned())];
    let automatic = Net { options: name(), ipam: name(), ..Net::default() };
    docker.network_create(&automatic).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET networks", "GET subnets", "GET network", "POST tags"]);
}

#[tokio::test]
async fn a_dual_stack_network_costs_five_calls_and_three_to_remove() {
    let mut docker = Docker::new();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let made = ["POST subnetpool", "POST subnetpool", "POST network", "PUT tags", "POST subnets"];
    assert_eq!(docker.world.calls(), made);
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE network", "DELETE subnetpool", "DELETE subnetpool"]);
}

#[tokio::test]
async fn an_adopted_network_named_to_both_drivers_costs_three_calls() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let option = || vec![("neutron.net.uuid", id.clone())];
    let net = Net { options: option(), ipam: option(), ..v4("10.9.0.0/24") };
    docker.network_create(&net).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET subnets", "GET network", "POST tags"]);
}

#[tokio::test]
async fn an_automatic_network_costs_four_calls() {
    let mut docker = Docker::new();
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let network = docker.network_create(&Net::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET subnetpools", "POST network", "POST subnets", "PUT tags"]);
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE network"]);
}

#[tokio::test]
async fn exposed_ports_cost_two_calls_once_and_none_for_the_next_container() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.world.calls();
    let run = Run { exposed: vec![ExposedPort { protocol: 17, port: 1234 }], ..Run::default() };
    let first = docker.run(&network, &run).await.unwrap();
    let expected = ["POST ports", "POST security-group", "POST security-group-rules", "PUT port"];
    assert_eq!(docker.world.calls(), expected);
    let second = docker.run(&network, &run).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    docker.stop(&first).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
    docker.stop(&second).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port", "DELETE security-group"]);
}

#[tokio::test]
async fn a_free_fixed_address_costs_no_more_than_any() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.world.calls();
    docker.run(&network, &Run { ip: Some(ip("10.9.0.77")), ..Run::default() }).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
}

#[tokio::test]
async fn both_families_cost_three_calls_of_which_one_is_after_dockers_answer() {
    let mut docker = Docker::new();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    docker.world.calls();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port", "PUT port"]);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
}

#[tokio::test]
async fn an_existing_port_costs_three_calls_and_four_to_give_back_with_its_own_mac() {
    for (requires_mac, restored) in [
        (true, vec!["GET port", "PUT port", "PUT port", "DELETE tag"]),
        (false, vec!["GET port", "PUT port", "DELETE tag"]),
    ] {
        let mut docker = Docker::new();
        docker.requires_mac = requires_mac;
        let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
        docker.operator_port(&id, "10.9.0.55").await;
        let net = Net { options: vec![("neutron.net.uuid", id)], ..v4("10.9.0.0/24") };
        let network = docker.network_create(&net).await.unwrap();
        docker.world.calls();
        let run = Run { ip: Some(ip("10.9.0.55")), ..Run::default() };
        let container = docker.run(&network, &run).await.unwrap();
        assert_eq!(docker.world.calls(), ["GET ports", "PUT port", "PUT tag"]);
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.calls(), restored);
    }
}

#[tokio::test]
async fn ten_thousand_other_ports_make_no_call_more() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/16")).await.unwrap();
    let first = docker.run(&network, &Run::default()).await.unwrap();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let model = cloud.ports.values().find(|p| p.device_owner == "compute:kuryr").unwrap().clone();
        for n in 0..10_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            let mut other = model.clone();
            other.id = format!("other-{n}");
            other.mac_address = openstack::MacAddr([6, 0, 0, a, b, c]);
            other.fixed_ips.clear();
            cloud.ports.insert(other.id.clone(), other);
        }
    }
    docker.world.calls();
    let second = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    for container in [first, second] {
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.calls(), ["DELETE port"]);
    }
}
