use serde_json::{Value, json};

use crate::client::{Cloud, id};

#[tokio::test]
async fn a_subnet_gets_the_first_address_as_gateway_and_the_rest_as_pool() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let make = |extra: Value| {
        let mut body = json!({"network_id": network, "ip_version": 4, "enable_dhcp": false});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        cloud.post("subnets", json!({"subnet": body}))
    };
    let subnet = make(json!({"cidr": "10.1.0.0/24"})).await.body["subnet"].clone();
    assert_eq!(subnet["gateway_ip"], "10.1.0.1");
    assert_eq!(subnet["allocation_pools"], json!([{"start": "10.1.0.2", "end": "10.1.0.254"}]));
    let none = make(json!({"cidr": "10.2.0.0/24", "gateway_ip": null})).await.body["subnet"].clone();
    assert_eq!(none["gateway_ip"], Value::Null);
    assert_eq!(none["allocation_pools"], json!([{"start": "10.2.0.1", "end": "10.2.0.254"}]));

    make(json!({"cidr": "10.1.0.128/25"})).await.refused(400, "InvalidInput");
    make(json!({"cidr": "10.1.0.0/16"})).await.refused(400, "InvalidInput");
    make(json!({"cidr": "fd00::/64"})).await.refused(400, "InvalidInput");
    make(json!({"cidr": "0.0.0.0/0"})).await.refused(400, "InvalidInput");
    make(json!({"cidr": "nonsense"})).await.refused(400, "InvalidInput");
    make(json!({"cidr": "10.3.0.0/24", "allocation_pools": [{"start": "10.4.0.1", "end": "10.4.0.9"}]}))
        .await
        .refused(400, "OutOfBoundsAllocationPool");
    make(json!({"cidr": "10.3.0.0/24", "allocation_pools": [{"start": "10.3.0.1", "end": "10.3.0.9"}]}))
        .await
        .refused(409, "GatewayConflictWithAllocationPools");
    make(json!({"cidr": "10.3.0.0/24", "ipv6_address_mode": "slaac"})).await.refused(400, "InvalidInput");
    make(json!({})).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn two_networks_may_have_the_same_range() {
    let cloud = Cloud::start().await;
    let (a, b) = (cloud.network().await, cloud.network().await);
    cloud.subnet(&a, "10.1.0.0/24").await;
    cloud.subnet(&b, "10.1.0.0/24").await;
}

#[tokio::test]
async fn subnets_in_bulk_are_all_or_none() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let entry = |cidr: &str, version: u8| json!({"network_id": network, "ip_version": version, "cidr": cidr});
    let bad = json!({"subnets": [entry("10.1.0.0/24", 4), entry("10.1.0.0/25", 4)]});
    cloud.post("subnets", bad).await.refused(400, "InvalidInput");
    assert_eq!(cloud.get("subnets").await.body["subnets"], json!([]));
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
    let good = json!({"subnets": [entry("10.1.0.0/24", 4), entry("fd00:1::/64", 6)]});
    let made = cloud.post("subnets", good).await;
    assert_eq!((made.status, made.body["subnets"].as_array().unwrap().len()), (201, 2));
}

#[tokio::test]
async fn dhcp_takes_the_first_free_address_and_leaves_with_the_subnet() {
    let cloud = Cloud::own().await;
    let network = cloud.network().await;
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    let subnet = id(&cloud.create("subnets", "subnet", body).await);
    let ports = cloud.get("ports?device_owner=network:dhcp").await.body["ports"].clone();
    assert_eq!(ports[0]["fixed_ips"], json!([{"subnet_id": subnet, "ip_address": "10.1.0.2"}]));
    assert!(ports[0]["device_id"].as_str().unwrap().starts_with("dhcp"));
    assert_eq!(ports[0]["status"], "ACTIVE");
    let port = cloud.port(json!({"network_id": network})).await.body["port"].clone();
    assert_eq!(port["fixed_ips"][0]["ip_address"], "10.1.0.3");
    cloud.delete(&format!("subnets/{subnet}")).await.refused(409, "SubnetInUse");
    cloud.delete(&format!("ports/{}", id(&port))).await;
    let off = json!({"subnet": {"enable_dhcp": false}});
    assert_eq!(cloud.put(&format!("subnets/{subnet}"), off).await.status, 200);
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
    cloud.put(&format!("subnets/{subnet}"), json!({"subnet": {"enable_dhcp": true}})).await;
    assert_eq!(cloud.get("ports").await.body["ports"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.delete(&format!("subnets/{subnet}")).await.status, 204);
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
}

#[tokio::test]
async fn a_slaac_subnet_gives_the_address_made_from_the_mac() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let body = json!({"network_id": network, "ip_version": 6, "cidr": "fd00:1::/64",
                      "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    let subnet = id(&cloud.create("subnets", "subnet", body).await);
    let port = cloud.port(json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"})).await;
    assert_eq!(port.body["port"]["fixed_ips"][0]["ip_address"], "fd00:1::f816:3eff:fe00:1");
    let fixed = json!([{"subnet_id": subnet, "ip_address": "fd00:1::9"}]);
    let refused = cloud.port(json!({"network_id": network, "fixed_ips": fixed})).await;
    refused.refused(400, "AllocationOnAutoAddressSubnet");
}

#[tokio::test]
async fn subnets_of_both_families_are_made_in_one_call_or_not_at_all() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let four = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    let six = json!({"network_id": network, "ip_version": 6, "cidr": "fd00:1::/64"});
    let bad = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.128/25"});
    cloud.post("subnets", json!({"subnets": [four, six, bad]})).await.refused(400, "InvalidInput");
    assert_eq!(cloud.get("subnets").await.body["subnets"], json!([]));
    let made = cloud.post("subnets", json!({"subnets": [four, six]})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let subnets = made.body["subnets"].as_array().unwrap();
    assert_eq!((&subnets[0]["cidr"], &subnets[1]["ip_version"]), (&json!("10.1.0.0/24"), &json!(6)));
    let shown = cloud.get(&format!("networks/{network}")).await.body["network"].clone();
    assert_eq!(shown["subnets"].as_array().unwrap().len(), 2);
}
