use std::time::Duration;

use serde_json::json;

use crate::client::Cloud;

#[tokio::test]
async fn an_agent_that_takes_its_time_makes_its_port_later() {
    let cloud = Cloud::own().await;
    let settings = json!({"dhcp_delay_ms": 400});
    assert_eq!(cloud.admin("POST", "options", Some(settings)).await.body["dhcp_delay_ms"], 400);
    let network = cloud.network().await;
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    cloud.create("subnets", "subnet", body).await;
    let ports = async || cloud.get("ports?device_owner=network:dhcp").await.body["ports"].clone();
    assert_eq!(ports().await, json!([]));
    // Who comes first gets the first address.
    let port = cloud.port(json!({"network_id": network})).await;
    assert_eq!(port.body["port"]["fixed_ips"][0]["ip_address"], "10.1.0.2");
    tokio::time::timeout(Duration::from_secs(10), async {
        while ports().await == json!([]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(ports().await[0]["fixed_ips"][0]["ip_address"], "10.1.0.3");
}

#[tokio::test]
async fn a_network_removed_meanwhile_gets_no_agents_port() {
    let cloud = Cloud::own().await;
    cloud.admin("POST", "options", Some(json!({"dhcp_delay_ms": 100}))).await;
    let network = cloud.network().await;
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    cloud.create("subnets", "subnet", body).await;
    assert_eq!(cloud.delete(&format!("networks/{network}")).await.status, 204);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
}
