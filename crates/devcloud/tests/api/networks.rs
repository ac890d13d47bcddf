use serde_json::json;

use crate::client::{Cloud, id};

#[tokio::test]
async fn a_new_network_has_neutrons_defaults() {
    let cloud = Cloud::start().await;
    let network = cloud.create("networks", "network", json!({"name": "a", "admin_state_up": true})).await;
    assert_eq!(network["mtu"], 1450);
    assert_eq!(network["status"], "ACTIVE");
    assert_eq!(network["shared"], false);
    assert_eq!(network["router:external"], false);
    assert_eq!(network["revision_number"], 1);
    assert_eq!(network["subnets"], json!([]));
    assert_eq!(network["tenant_id"], network["project_id"]);
    assert!(network["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn wrong_attributes_are_refused_with_neutrons_types() {
    let cloud = Cloud::start().await;
    for body in [
        json!({"network": {"name": 5}}),
        json!({"network": {"colour": "red"}}),
        json!({"network": {"id": "x"}}),
        json!({"network": {"mtu": -1}}),
        json!({"net": {}}),
        json!([]),
    ] {
        cloud.post("networks", body).await.refused(400, "HTTPBadRequest");
    }
    for body in [json!({"admin_state_up": "maybe"}), json!({"mtu": 9000}), json!({"mtu": "x"})] {
        cloud.post("networks", json!({"network": body})).await.refused(400, "InvalidInput");
    }
    cloud.get("networks/nothing").await.refused(404, "NetworkNotFound");
    cloud.get("unknown").await.refused(404, "HTTPNotFound");
}

#[tokio::test]
async fn a_network_with_ports_is_in_use_and_takes_subnets_and_dhcp_along() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let body = json!({"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"});
    cloud.create("subnets", "subnet", body).await;
    let port = id(&cloud.port(json!({"network_id": network})).await.body["port"]);
    cloud.delete(&format!("networks/{network}")).await.refused(409, "NetworkInUse");
    assert_eq!(cloud.delete(&format!("ports/{port}")).await.status, 204);
    assert_eq!(cloud.delete(&format!("networks/{network}")).await.status, 204);
    assert_eq!(cloud.get("subnets").await.body["subnets"], json!([]));
    assert_eq!(cloud.get("ports").await.body["ports"], json!([]));
    cloud.delete(&format!("networks/{network}")).await.refused(404, "NetworkNotFound");
}

#[tokio::test]
async fn changes_count_and_if_match_guards_them() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let path = format!("/networking/v2.0/networks/{network}");
    let put = |revision: &str, name: &str| {
        let body = json!({"network": {"name": name}});
        cloud
            .request(&cloud.token, "PUT", &path, Some(body))
            .header("if-match", format!("revision_number={revision}"))
            .send()
    };
    assert_eq!(put("7", "a").await.unwrap().status(), 412);
    assert_eq!(put("1", "a").await.unwrap().status(), 200);
    assert_eq!(put("1", "b").await.unwrap().status(), 412);
    assert_eq!(put("x", "b").await.unwrap().status(), 400);
    let shown = cloud.get(&format!("networks/{network}")).await.body["network"].clone();
    assert_eq!((&shown["name"], &shown["revision_number"]), (&json!("a"), &json!(2)));
    cloud
        .put(&format!("networks/{network}"), json!({"network": {"status": "DOWN"}}))
        .await
        .refused(400, "HTTPBadRequest");
}

#[tokio::test]
async fn a_member_sees_its_own_and_shared_networks_and_no_bindings() {
    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let hidden = cloud.network().await;
    let shared = id(&cloud.create("networks", "network", json!({"shared": true})).await);
    let list = cloud.call(&demo, "GET", "/networking/v2.0/networks", None).await;
    assert_eq!(list.body["networks"].as_array().unwrap().len(), 1);
    assert_eq!(list.body["networks"][0]["id"], shared.as_str());
    assert!(list.body["networks"][0].get("provider:network_type").is_none());
    let path = |id: &str| format!("/networking/v2.0/networks/{id}");
    cloud.call(&demo, "GET", &path(&hidden), None).await.refused(404, "NetworkNotFound");
    cloud.call(&demo, "DELETE", &path(&hidden), None).await.refused(404, "NetworkNotFound");
    cloud.call(&demo, "DELETE", &path(&shared), None).await.refused(403, "PolicyNotAuthorized");
    let body = json!({"network": {"shared": true}});
    let refused = cloud.call(&demo, "POST", "/networking/v2.0/networks", Some(body)).await;
    refused.refused(403, "PolicyNotAuthorized");

    let body = |extra: serde_json::Value| Some(json!({"port": extra}));
    let ports = "/networking/v2.0/ports";
    let bound = json!({"network_id": shared, "binding:host_id": "h"});
    cloud.call(&demo, "POST", ports, body(bound)).await.refused(403, "PolicyNotAuthorized");
    let port = cloud.call(&demo, "POST", ports, body(json!({"network_id": shared}))).await;
    assert_eq!(port.status, 201);
    assert!(port.body["port"].get("binding:vif_type").is_none());
    assert_eq!(port.body["port"]["binding:vnic_type"], "normal");
    cloud.admin("POST", "options", Some(json!({"demo_is_admin": true}))).await;
    assert_eq!(cloud.call(&demo, "GET", &path(&hidden), None).await.status, 200);
}
