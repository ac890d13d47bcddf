use serde_json::{Value, json};

use crate::client::{Cloud, id};

const MAC: &str = "fa:16:3e:00:00:01";
const MADE: &str = "fd00:1::f816:3eff:fe00:1";

async fn auto_subnet(cloud: &Cloud, network: &str, mode: &str) -> String {
    let body = json!({"network_id": network, "ip_version": 6, "cidr": "fd00:1::/64", "ipv6_ra_mode": mode,
                      "ipv6_address_mode": mode});
    id(&cloud.create("subnets", "subnet", body).await)
}

/// The addresses of a port, with `10.1.0.x` for the one Neutron chose: it may be any.
fn with_any(port: &Value) -> Vec<&str> {
    addresses(port).into_iter().map(|a| if a.starts_with("10.1.0.") { "10.1.0.x" } else { a }).collect()
}

fn addresses(port: &Value) -> Vec<&str> {
    port["fixed_ips"].as_array().unwrap().iter().map(|ip| ip["ip_address"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_port_gets_the_address_its_host_makes_whatever_it_asks_for() {
    for mode in ["slaac", "dhcpv6-stateless"] {
        let cloud = Cloud::start().await;
        let network = cloud.network().await;
        let four = cloud.subnet(&network, "10.1.0.0/24").await;
        let six = auto_subnet(&cloud, &network, mode).await;
        let make = |n: u8, fixed: Value| {
            let mac = format!("fa:16:3e:00:00:{n:02x}");
            cloud.port(json!({"network_id": network, "mac_address": mac, "fixed_ips": fixed}))
        };
        let port = make(1, json!([{"subnet_id": four}])).await.body["port"].clone();
        assert_eq!(with_any(&port), ["10.1.0.x", MADE]);
        let port = make(2, json!([{"subnet_id": six}])).await.body["port"].clone();
        assert_eq!(addresses(&port), ["fd00:1::f816:3eff:fe00:2"]);
        let port = make(3, json!([])).await.body["port"].clone();
        assert_eq!(addresses(&port), ["fd00:1::f816:3eff:fe00:3"]);
        make(4, json!([{"ip_address": "fd00:1::9"}])).await.refused(400, "AllocationOnAutoAddressSubnet");
        // A router's interface chooses.
        let router = json!({"network_id": network, "device_owner": "network:router_interface",
                            "fixed_ips": [{"ip_address": "fd00:1::1"}]});
        assert_eq!(addresses(&cloud.port(router).await.body["port"]), ["fd00:1::1"]);
    }
}

#[tokio::test]
async fn a_self_made_address_stays_through_updates_and_follows_the_mac() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let four = cloud.subnet(&network, "10.1.0.0/24").await;
    let six = auto_subnet(&cloud, &network, "slaac").await;
    let port = cloud.port(json!({"network_id": network, "mac_address": MAC})).await.body["port"].clone();
    assert_eq!(with_any(&port), ["10.1.0.x", MADE]);
    let path = format!("ports/{}", id(&port));
    let change = |body: Value| cloud.put(&path, json!({"port": body}));
    let moved = change(json!({"fixed_ips": [{"subnet_id": four, "ip_address": "10.1.0.9"}]})).await;
    assert_eq!(addresses(&moved.body["port"]), ["10.1.0.9", MADE]);
    // Its own address may be named.
    let named = change(json!({"fixed_ips": [{"subnet_id": six, "ip_address": MADE}]})).await;
    assert_eq!(addresses(&named.body["port"]), [MADE]);
    let other = change(json!({"mac_address": "fa:16:3e:00:00:07"})).await;
    assert_eq!(addresses(&other.body["port"]), ["fd00:1::f816:3eff:fe00:7"]);
}

#[tokio::test]
async fn a_new_auto_address_subnet_reaches_the_ports_that_are_there_and_leaves_with_them() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    let port = id(&cloud.port(json!({"network_id": network, "mac_address": MAC})).await.body["port"]);
    let path = format!("ports/{port}");
    let six = auto_subnet(&cloud, &network, "slaac").await;
    let shown = cloud.get(&path).await.body["port"].clone();
    assert_eq!(with_any(&shown), ["10.1.0.x", MADE]);
    assert_eq!(shown["revision_number"], 2);
    assert_eq!(cloud.delete(&format!("subnets/{six}")).await.status, 204);
    assert_eq!(with_any(&cloud.get(&path).await.body["port"]), ["10.1.0.x"]);
}

#[tokio::test]
async fn address_modes_need_dhcp_and_a_prefix_of_64_and_either_mode_makes_hosts_choose() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let make = |mut body: Value| {
        body["network_id"] = json!(network);
        body["ip_version"] = json!(6);
        cloud.post("subnets", json!({"subnet": body}))
    };
    for mode in ["ipv6_ra_mode", "ipv6_address_mode"] {
        let off = make(json!({"cidr": "fd00:1::/64", mode: "slaac", "enable_dhcp": false})).await;
        off.refused(400, "InvalidInput");
        let message = "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False";
        assert!(off.body.to_string().contains(message), "{off:?}");
        make(json!({"cidr": "fd00:1::/80", mode: "slaac"})).await.refused(400, "InvalidInput");
    }
    let differ =
        json!({"cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"});
    make(differ).await.refused(400, "InvalidInput");
    assert_eq!(make(json!({"cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac"})).await.status, 201);
    let port = cloud.port(json!({"network_id": network, "mac_address": MAC})).await;
    assert_eq!(addresses(&port.body["port"]), [MADE]);
}
