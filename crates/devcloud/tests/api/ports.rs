use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Cloud, id};

const NOTHING: &str = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";

async fn net(cloud: &Cloud) -> (String, String) {
    let network = cloud.network().await;
    let subnet = cloud.subnet(&network, "10.1.0.0/24").await;
    (network, subnet)
}

#[tokio::test]
async fn a_bare_port_gets_an_address_a_mac_and_the_default_group_and_stays_unbound() {
    let cloud = Cloud::start().await;
    let (network, subnet) = net(&cloud).await;
    let port = cloud.port(json!({"network_id": network})).await.body["port"].clone();
    assert_eq!(port["fixed_ips"][0]["subnet_id"], subnet.as_str());
    assert!(port["fixed_ips"][0]["ip_address"].as_str().unwrap().starts_with("10.1.0."), "{port}");
    assert!(port["mac_address"].as_str().unwrap().starts_with("fa:16:3e:"));
    assert_eq!((&port["status"], &port["binding:vif_type"]), (&json!("DOWN"), &json!("unbound")));
    assert_eq!(port["binding:host_id"], "");
    let project = port["project_id"].as_str().unwrap();
    let groups = cloud.get(&format!("security-groups?name=default&project_id={project}")).await.body["security_groups"].clone();
    assert_eq!(port["security_groups"], json!([groups[0]["id"]]));
}

#[tokio::test]
async fn fixed_addresses_are_checked_as_neutron_does() {
    let cloud = Cloud::start().await;
    let (network, subnet) = net(&cloud).await;
    let other = cloud.network().await;
    let elsewhere = cloud.subnet(&other, "10.9.0.0/24").await;
    let want = |fixed: Value| cloud.port(json!({"network_id": network, "fixed_ips": fixed}));
    let by_address = want(json!([{"ip_address": "10.1.0.7"}])).await;
    assert_eq!(by_address.body["port"]["fixed_ips"][0]["subnet_id"], subnet.as_str());
    let by_subnet = want(json!([{"subnet_id": subnet}])).await;
    let chosen = by_subnet.body["port"]["fixed_ips"][0]["ip_address"].as_str().unwrap().to_owned();
    assert!(chosen.starts_with("10.1.0."), "{chosen}");
    assert_eq!(want(json!([])).await.body["port"]["fixed_ips"], json!([]));
    // The gateway's address may be taken on purpose.
    assert_eq!(want(json!([{"subnet_id": subnet, "ip_address": "10.1.0.1"}])).await.status, 201);
    let table = [
        (json!([{"subnet_id": subnet, "ip_address": "10.1.0.7"}]), 409, "IpAddressAlreadyAllocated"),
        (json!([{"subnet_id": subnet, "ip_address": "10.2.0.7"}]), 400, "InvalidIpForSubnet"),
        (json!([{"subnet_id": subnet, "ip_address": "10.1.0.255"}]), 400, "InvalidIpForSubnet"),
        (json!([{"subnet_id": subnet, "ip_address": "10.1.0.0"}]), 400, "InvalidIpForSubnet"),
        (json!([{"ip_address": "10.2.0.7"}]), 400, "InvalidIpForNetwork"),
        (json!([{"subnet_id": elsewhere}]), 400, "InvalidInput"),
        (json!([{"subnet_id": "nothing"}]), 400, "HTTPBadRequest"),
        (json!([{"subnet_id": NOTHING}]), 404, "SubnetNotFound"),
        (json!([{"ip_address": "x"}]), 400, "HTTPBadRequest"),
        (json!([{}]), 400, "InvalidInput"),
    ];
    for (fixed, status, kind) in table {
        want(fixed).await.refused(status, kind);
    }
    cloud.port(json!({"network_id": "nothing"})).await.refused(400, "HTTPBadRequest");
    cloud.port(json!({"network_id": NOTHING})).await.refused(404, "NetworkNotFound");
    cloud.port(json!({})).await.refused(400, "HTTPBadRequest");
}

#[tokio::test]
async fn a_full_subnet_is_said_to_be_full() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/30").await;
    assert_eq!(cloud.port(json!({"network_id": network})).await.status, 201);
    cloud.port(json!({"network_id": network})).await.refused(409, "IpAddressGenerationFailure");
}

#[tokio::test]
async fn a_mac_is_unique_on_its_network_and_fixed_while_bound() {
    let cloud = Cloud::own().await;
    let (network, _) = net(&cloud).await;
    let other = cloud.network().await;
    let make = |network: &str, mac: &str| cloud.port(json!({"network_id": network, "mac_address": mac}));
    let port = id(&make(&network, "02:00:00:00:00:0A").await.body["port"]);
    make(&network, "02:00:00:00:00:0a").await.refused(409, "MacAddressInUse");
    make(&network, "02:00").await.refused(400, "HTTPBadRequest");
    assert_eq!(make(&other, "02:00:00:00:00:0a").await.status, 201);
    let path = format!("ports/{port}");
    let change = |body: Value| cloud.put(&path, json!({"port": body}));
    // Unbound, so both at once are fine.
    let bound = change(json!({"mac_address": "02:00:00:00:00:0b", "binding:host_id": "h1"})).await;
    assert_eq!((bound.status, &bound.body["port"]["mac_address"]), (200, &json!("02:00:00:00:00:0b")));
    change(json!({"mac_address": "02:00:00:00:00:0c"})).await.refused(409, "PortBound");
    change(json!({"mac_address": "02:00:00:00:00:0c", "binding:host_id": ""}))
        .await
        .refused(409, "PortBound");
    assert_eq!(change(json!({"mac_address": "02:00:00:00:00:0b"})).await.status, 200);
}

#[tokio::test]
async fn binding_follows_the_host_and_the_chosen_vif_types() {
    let cloud = Cloud::own().await;
    let (network, _) = net(&cloud).await;
    let bind = |host: &str| cloud.port(json!({"network_id": network, "binding:host_id": host}));
    let port = bind("h1").await.body["port"].clone();
    assert_eq!((&port["binding:vif_type"], &port["status"]), (&json!("bridge"), &json!("ACTIVE")));
    assert_eq!(port["binding:vif_details"]["port_filter"], true);
    let settings = json!({"vif_type_by_host": {"h2": "tap", "h3": "binding_failed", "h4": "ovs"}});
    assert_eq!(cloud.admin("POST", "options", Some(settings)).await.status, 200);
    assert_eq!(bind("h2").await.body["port"]["binding:vif_type"], "tap");
    let failed = bind("h3").await.body["port"].clone();
    assert_eq!((&failed["binding:vif_type"], &failed["status"]), (&json!("binding_failed"), &json!("DOWN")));
    assert_eq!(bind("h4").await.body["port"]["binding:vif_details"]["bridge_name"], "br-int");
    let path = format!("ports/{}", id(&port));
    let down = cloud.put(&path, json!({"port": {"admin_state_up": false}})).await.body["port"].clone();
    assert_eq!(down["status"], "DOWN");
    let free = cloud.put(&path, json!({"port": {"binding:host_id": ""}})).await.body["port"].clone();
    assert_eq!((&free["binding:vif_type"], &free["binding:vif_details"]), (&json!("unbound"), &json!({})));
    // An attempt to bind counts twice. What is only unbound is read too early.
    assert_eq!(free["revision_number"], 4);
    assert_eq!(cloud.get(&path).await.body["port"]["revision_number"], 5);
}

#[tokio::test]
async fn an_update_keeps_the_addresses_it_names() {
    let cloud = Cloud::start().await;
    let (network, subnet) = net(&cloud).await;
    let v6 = cloud.subnet(&network, "fd00:1::/64").await;
    let body = json!({"network_id": network, "fixed_ips": [{"subnet_id": subnet, "ip_address": "10.1.0.9"}]});
    let port = id(&cloud.port(body).await.body["port"]);
    let both = json!({"port": {"fixed_ips": [{"subnet_id": subnet}, {"subnet_id": v6}]}});
    let updated = cloud.put(&format!("ports/{port}"), both).await;
    let ips: Vec<_> =
        updated.body["port"]["fixed_ips"].as_array().unwrap().iter().map(|i| &i["ip_address"]).collect();
    assert_eq!((ips.len(), ips[0]), (2, &json!("10.1.0.9")));
    let one = json!({"port": {"fixed_ips": [{"subnet_id": v6, "ip_address": ips[1]}]}});
    assert_eq!(
        cloud.put(&format!("ports/{port}"), one).await.body["port"]["fixed_ips"].as_array().unwrap().len(),
        1
    );
    let again = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.1.0.9"}]});
    assert_eq!(cloud.port(again).await.status, 201);
}

#[tokio::test]
async fn address_pairs_and_groups_need_port_security() {
    let cloud = Cloud::start().await;
    let (network, _) = net(&cloud).await;
    let pairs = json!([{"ip_address": "10.5.0.1"}]);
    let paired = cloud.port(json!({"network_id": network, "allowed_address_pairs": pairs})).await;
    let open = cloud.port(json!({"network_id": network, "port_security_enabled": false})).await;
    assert_eq!(open.body["port"]["security_groups"], json!([]));
    let path = format!("ports/{}", id(&paired.body["port"]));
    let off = |mut more: Value| {
        more["port_security_enabled"] = json!(false);
        json!({"port": more})
    };
    let group = &paired.body["port"]["security_groups"][0];
    let none = json!([]);
    let table = [
        (json!({}), 409, "AddressPairAndPortSecurityRequired"),
        (json!({"security_groups": none}), 409, "AddressPairAndPortSecurityRequired"),
        (json!({"allowed_address_pairs": none}), 409, "PortSecurityPortHasSecurityGroup"),
        (
            json!({"allowed_address_pairs": none, "security_groups": [group]}),
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
        ),
    ];
    for (more, status, kind) in table {
        cloud.put(&path, off(more)).await.refused(status, kind);
    }
    let both = json!({"allowed_address_pairs": none, "security_groups": none});
    assert_eq!(cloud.put(&path, off(both)).await.status, 200);
    let refused = json!({"network_id": network, "port_security_enabled": false, "security_groups": [group]});
    cloud.port(refused).await.refused(400, "PortSecurityAndIPRequiredForSecurityGroups");
    let refused =
        json!({"network_id": network, "port_security_enabled": false, "allowed_address_pairs": pairs});
    cloud.port(refused).await.refused(409, "AddressPairAndPortSecurityRequired");
    // A network's ports do as it says, unless they say otherwise; a service's port has none.
    let open = cloud.create("networks", "network", json!({"port_security_enabled": false})).await;
    let port = cloud.port(json!({"network_id": open["id"]})).await.body["port"].clone();
    assert_eq!((&port["port_security_enabled"], &port["security_groups"]), (&json!(false), &json!([])));
    let port = cloud.port(json!({"network_id": open["id"], "port_security_enabled": true})).await;
    assert_eq!(port.body["port"]["security_groups"], json!([group]));
    let port = cloud.port(json!({"network_id": network, "device_owner": "network:dhcp"})).await;
    assert_eq!(port.body["port"]["port_security_enabled"], false);
}

#[tokio::test]
async fn ports_in_bulk_are_all_or_none_and_carry_tags() {
    let cloud = Cloud::start().await;
    let (network, _) = net(&cloud).await;
    let one = json!({"network_id": network, "tags": ["a", "b"]});
    let bad = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.9.9.9"}]});
    cloud.post("ports", json!({"ports": [one, bad]})).await.refused(400, "InvalidIpForNetwork");
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
    let made = cloud.post("ports", json!({"ports": [one, one]})).await;
    assert_eq!(made.body["ports"][1]["tags"], json!(["a", "b"]));
}

#[tokio::test]
async fn fifty_ports_at_once_get_fifty_addresses() {
    let cloud = Cloud::start().await;
    let (network, _) = net(&cloud).await;
    let all = (0..50).map(|_| cloud.port(json!({"network_id": network, "binding:host_id": "h"})));
    let ports = futures_util::future::join_all(all).await;
    let addresses: BTreeSet<_> =
        ports.iter().map(|p| p.body["port"]["fixed_ips"][0]["ip_address"].as_str().unwrap()).collect();
    let macs: BTreeSet<_> = ports.iter().map(|p| p.body["port"]["mac_address"].as_str().unwrap()).collect();
    assert_eq!((addresses.len(), macs.len()), (50, 50));
}
