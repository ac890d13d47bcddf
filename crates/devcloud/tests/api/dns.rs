use serde_json::{Value, json};

use crate::client::{Cloud, id};

#[tokio::test]
async fn a_port_has_the_name_it_was_given_for_each_of_its_addresses() {
    let cloud = Cloud::own().await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    cloud.subnet(&network, "fd00:1::/64").await;
    let port = cloud.port(json!({"network_id": network, "dns_name": "Web"})).await.body["port"].clone();
    assert_eq!(port["dns_name"], "web");
    let names = json!([
        {"ip_address": "10.1.0.2", "hostname": "web", "fqdn": "web.devcloud.test."},
        {"ip_address": "fd00:1::2", "hostname": "web", "fqdn": "web.devcloud.test."},
    ]);
    assert_eq!(port["dns_assignment"], names);
    let path = format!("ports/{}", id(&port));
    let rename = |name: &str| cloud.put(&path, json!({"port": {"dns_name": name}}));
    let full = rename("db.devcloud.test.").await.body["port"].clone();
    assert_eq!(full["dns_assignment"][0]["fqdn"], "db.devcloud.test.");
    let plain = rename("").await.body["port"].clone();
    let first = json!({"ip_address": "10.1.0.2", "hostname": "host-10-1-0-2",
                       "fqdn": "host-10-1-0-2.devcloud.test."});
    assert_eq!(plain["dns_assignment"][0], first);
    assert_eq!(plain["dns_assignment"][1]["hostname"], "host-fd00-1--2");
    let found = cloud.get("ports?dns_name=web").await.body["ports"].clone();
    assert_eq!(found, json!([]));
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let long = "a".repeat(64);
    for name in ["a_b", "-a", "a..b", "b.1", "other.example.", &long] {
        let refused = cloud.port(json!({"network_id": network, "dns_name": name})).await;
        refused.refused(400, "HTTPBadRequest");
        assert!(refused.body.to_string().contains("Invalid input for dns_name"), "{refused:?}");
    }
    let read_only = json!({"network_id": network, "dns_assignment": []});
    cloud.port(read_only).await.refused(400, "HTTPBadRequest");
    let domain = |text: &str| cloud.post("networks", json!({"network": {"dns_domain": text}}));
    domain("example").await.refused(400, "HTTPBadRequest");
    assert_eq!(domain("example.test.").await.body["network"]["dns_domain"], "example.test.");
    assert_eq!(
        cloud.get(&format!("networks/{network}")).await.body["network"]["dns_domain"],
        Value::from("")
    );
}
