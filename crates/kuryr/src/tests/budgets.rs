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
