use serde_json::{Value, json};

use crate::client::{Answer, Cloud, id};

const OWN: &str = "fa:16:3e:00:00:77";

/// A network with a subnet, and a port with the hardware address [`OWN`].
async fn port(cloud: &Cloud) -> (String, String) {
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    let port = cloud.create("ports", "port", json!({"network_id": network, "mac_address": OWN})).await;
    (network, id(&port))
}

async fn set(cloud: &Cloud, port: &str, pairs: Value) -> Answer {
    cloud.put(&format!("ports/{port}"), json!({"port": {"allowed_address_pairs": pairs}})).await
}

fn pair(mac: &str, address: &str) -> Value {
    json!({"mac_address": mac, "ip_address": address})
}

/// As many different pairs as are asked for, in few words: a request has its limit, too.
fn many(count: u32) -> Vec<Value> {
    (0..count)
        .map(|n| {
            let [_, a, b, c] = n.to_be_bytes();
            json!({"ip_address": format!("1.{a}.{b}.{c}")})
        })
        .collect()
}

#[tokio::test]
async fn pairs_are_kept_as_they_are_written_in_order_and_with_the_ports_mac() {
    let cloud = Cloud::start().await;
    let (network, port) = port(&cloud).await;
    let pairs = json!([
        {"ip_address": "10.7.0.9"},
        {"ip_address": "10.7.0.10", "mac_address": "fa:16:3e:00:00:78"},
        {"ip_address": "10.7.0.5/24"},
        {"ip_address": "fd07:0::1", "mac_address": "02-00-00-00-00-0A"},
        {"ip_address": "FD07::/64", "mac_address": "02:00:00:00:00:0B"},
        {"ip_address": "0.0.0.0/0"},
    ]);
    let wanted = json!([
        pair("02-00-00-00-00-0A", "fd07:0::1"),
        pair("02:00:00:00:00:0B", "FD07::/64"),
        pair(OWN, "0.0.0.0/0"),
        pair(OWN, "10.7.0.5/24"),
        pair(OWN, "10.7.0.9"),
        pair("fa:16:3e:00:00:78", "10.7.0.10"),
    ]);
    let changed = set(&cloud, &port, pairs.clone()).await;
    assert_eq!((changed.status, &changed.body["port"]["allowed_address_pairs"]), (200, &wanted));
    let shown = cloud.get(&format!("ports/{port}")).await;
    assert_eq!(shown.body["port"]["allowed_address_pairs"], wanted);
    let made = json!({"network_id": network, "allowed_address_pairs": pairs});
    let made = cloud.create("ports", "port", made).await;
    let own = made["mac_address"].as_str().unwrap();
    let list = made["allowed_address_pairs"].as_array().unwrap();
    assert_eq!(list.iter().filter(|p| p["mac_address"] == own).count(), 3, "{made}");
    // All of them are replaced, and all go.
    let one = set(&cloud, &port, json!([{"ip_address": "10.7.0.11"}])).await;
    assert_eq!(one.body["port"]["allowed_address_pairs"], json!([pair(OWN, "10.7.0.11")]));
    let none = set(&cloud, &port, json!(null)).await;
    assert_eq!(none.body["port"]["allowed_address_pairs"], json!([]));
}

#[tokio::test]
async fn wrong_pairs_are_refused_and_change_nothing() {
    let cloud = Cloud::start().await;
    let (_, port) = port(&cloud).await;
    let kept = set(&cloud, &port, json!([{"ip_address": "10.7.0.1"}])).await.body["port"].clone();
    let table = [
        (json!("x"), "HTTPBadRequest"),
        (json!(["x"]), "HTTPBadRequest"),
        (json!([{}]), "AllowedAddressPairsMissingIP"),
        (json!([{"mac_address": OWN}]), "AllowedAddressPairsMissingIP"),
        (json!([{"ip_address": "x"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.01"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.0/33"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.0/255.255.255.0"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.2", "mac_address": "x"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.2", "mac_address": null}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.2", "mac_address": "ff:ff:ff:ff:ff:ff"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.2", "colour": "red"}]), "HTTPBadRequest"),
        (json!([{"ip_address": "10.7.0.2"}, {"ip_address": "10.7.0.2"}]), "DuplicateAddressPairInRequest"),
        // Only with the port's own hardware address filled in are they the same.
        (json!([{"ip_address": "10.7.0.2"}, pair(OWN, "10.7.0.2")]), "DuplicateAddressPairInRequest"),
        (json!([pair(&OWN.to_uppercase(), "::1"), pair(OWN, "::1")]), "DuplicateAddressPairInRequest"),
    ];
    for (pairs, kind) in table {
        let answer = set(&cloud, &port, pairs.clone()).await;
        assert_eq!((answer.status, answer.kind()), (400, kind), "{pairs}: {answer:?}");
    }
    let shown = cloud.get(&format!("ports/{port}")).await.body["port"].clone();
    assert_eq!(shown, kept);
}

#[tokio::test]
async fn a_port_has_so_many_pairs_and_no_more() {
    let cloud = Cloud::start().await;
    let (network, port) = port(&cloud).await;
    // Beyond the limit of the development cloud and that of the lab.
    set(&cloud, &port, json!(many(4097))).await.refused(400, "AllowedAddressPairExhausted");
    let made = json!({"network_id": network, "allowed_address_pairs": many(4097)});
    cloud.port(made).await.refused(400, "AllowedAddressPairExhausted");
    let ten = set(&cloud, &port, json!(many(10))).await;
    assert_eq!(ten.body["port"]["allowed_address_pairs"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn the_operator_chooses_the_limit() {
    let mut chosen = crate::client::options();
    assert_eq!(chosen.max_allowed_address_pair, 10);
    chosen.max_allowed_address_pair = 2;
    let cloud = Cloud::with(chosen).await;
    let (_, port) = port(&cloud).await;
    let refused = set(&cloud, &port, json!(many(3))).await;
    refused.refused(400, "AllowedAddressPairExhausted");
    let text = "The number of allowed address pair exceeds the maximum 2.";
    assert_eq!(refused.body["NeutronError"]["message"], text);
    let settings = json!({"max_allowed_address_pair": 3});
    assert_eq!(cloud.admin("POST", "options", Some(settings)).await.body["max_allowed_address_pair"], 3);
    assert_eq!(set(&cloud, &port, json!(many(3))).await.status, 200);
}

#[tokio::test]
async fn pairs_are_the_network_owners_to_give() {
    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let shared = id(&cloud.create("networks", "network", json!({"shared": true})).await);
    let post = |path: &str, body: Value| {
        let path = format!("/networking/v2.0/{path}");
        let (cloud, demo) = (&cloud, &demo);
        async move { cloud.call(demo, "POST", &path, Some(body)).await }
    };
    let own = id(&post("networks", json!({"network": {}})).await.body["network"]);
    let pairs = json!([{"ip_address": "10.7.0.1"}]);
    let make = |network: &str, pairs: &Value| {
        post("ports", json!({"port": {"network_id": network, "allowed_address_pairs": pairs}}))
    };
    assert_eq!(make(&own, &pairs).await.status, 201);
    make(&shared, &pairs).await.refused(403, "PolicyNotAuthorized");
    let port = id(&post("ports", json!({"port": {"network_id": shared}})).await.body["port"]);
    let path = format!("/networking/v2.0/ports/{port}");
    let update = json!({"port": {"allowed_address_pairs": pairs}});
    cloud.call(&demo, "PUT", &path, Some(update)).await.refused(403, "PolicyNotAuthorized");
}

#[tokio::test]
async fn a_change_of_pairs_counts_and_can_be_conditional() {
    let cloud = Cloud::start().await;
    let (_, port) = port(&cloud).await;
    let path = format!("/networking/v2.0/ports/{port}");
    let revision =
        async || cloud.get(&format!("ports/{port}")).await.body["port"]["revision_number"].as_u64().unwrap();
    let guarded = async |revision: u64, pairs: Value| {
        let body = json!({"port": {"allowed_address_pairs": pairs}});
        let request = cloud.request(&cloud.token, "PUT", &path, Some(body));
        crate::client::read(
            request.header("if-match", format!("revision_number={revision}")).send().await.unwrap(),
        )
        .await
    };
    let first = revision().await;
    let one = json!([{"ip_address": "10.7.0.1"}]);
    let changed = guarded(first, one.clone()).await;
    assert_eq!((changed.status, &changed.body["port"]["revision_number"]), (200, &json!(first + 1)));
    let two = json!([{"ip_address": "10.7.0.1"}, {"ip_address": "10.7.0.2"}]);
    guarded(first, two.clone()).await.refused(412, "RevisionNumberConstraintFailed");
    let shown = cloud.get(&format!("ports/{port}")).await.body["port"]["allowed_address_pairs"].clone();
    assert_eq!(shown, json!([pair(OWN, "10.7.0.1")]));
    assert_eq!(guarded(first + 1, two).await.status, 200);
    assert_eq!(guarded(first + 2, json!([])).await.status, 200);
    assert_eq!(revision().await, first + 3);
    // The revision is looked at when everything else holds.
    let unsecured = json!({"port": {"security_groups": [], "port_security_enabled": false}});
    assert_eq!(cloud.put(&format!("ports/{port}"), unsecured).await.status, 200);
    guarded(first, one).await.refused(409, "AddressPairAndPortSecurityRequired");
}

#[tokio::test]
async fn pairs_do_not_follow_the_ports_mac() {
    let cloud = Cloud::start().await;
    let (_, port) = port(&cloud).await;
    set(&cloud, &port, json!([{"ip_address": "10.7.0.1"}])).await;
    let body = json!({"port": {"mac_address": "fa:16:3e:00:00:79"}});
    let changed = cloud.put(&format!("ports/{port}"), body).await.body["port"].clone();
    assert_eq!(changed["mac_address"], "fa:16:3e:00:00:79");
    assert_eq!(changed["allowed_address_pairs"], json!([pair(OWN, "10.7.0.1")]));
}
