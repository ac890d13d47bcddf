//! What counts as a change of a port.

use serde_json::{Value, json};

use crate::client::{Answer, Cloud, id};

struct Counted {
    cloud: Cloud,
    port: String,
}

impl Counted {
    /// A port made with these attributes, and its revision.
    async fn new(mut attributes: Value) -> (Self, u64) {
        let cloud = Cloud::start().await;
        let network = cloud.network().await;
        cloud.subnet(&network, "10.1.0.0/24").await;
        attributes["network_id"] = json!(network);
        let port = cloud.create("ports", "port", attributes).await;
        (Self { cloud, port: id(&port) }, port["revision_number"].as_u64().unwrap())
    }

    async fn shown(&self) -> Value {
        self.cloud.get(&format!("ports/{}", self.port)).await.body["port"].clone()
    }

    async fn put(&self, attributes: &Value) -> Answer {
        self.cloud.put(&format!("ports/{}", self.port), json!({"port": attributes})).await
    }

    /// By how much an update's answer, and the port after it, are ahead of the port before it.
    async fn counts(&self, attributes: Value) -> (u64, u64) {
        let before = self.shown().await["revision_number"].as_u64().unwrap();
        let answer = self.put(&attributes).await;
        assert_eq!(answer.status, 200, "{attributes}: {answer:?}");
        let ahead = |port: &Value| port["revision_number"].as_u64().unwrap() - before;
        (ahead(&answer.body["port"]), ahead(&self.shown().await))
    }
}

#[tokio::test]
async fn what_changes_nothing_counts_nothing() {
    let (port, first) = Counted::new(json!({"name": "a", "mac_address": "fa:16:3e:00:00:77"})).await;
    assert_eq!(first, 1);
    let before = port.shown().await;
    let same = json!({
        "name": "a", "device_id": "", "admin_state_up": true, "fixed_ips": before["fixed_ips"],
        "security_groups": before["security_groups"], "allowed_address_pairs": [], "binding:host_id": "",
    });
    assert_eq!(port.counts(same).await, (0, 0));
    assert_eq!(port.shown().await, before);
    assert_eq!(port.counts(json!({"name": "b", "device_id": "d", "admin_state_up": false})).await, (1, 1));
    let pair = |mac: Option<&str>| {
        let mut pair = json!({"ip_address": "10.7.0.1"});
        mac.into_iter().for_each(|mac| pair["mac_address"] = json!(mac));
        json!({"allowed_address_pairs": [pair]})
    };
    assert_eq!(port.counts(pair(None)).await, (1, 1));
    // The same in other words is written anew.
    assert_eq!(port.counts(pair(None)).await, (1, 1));
    assert_eq!(port.counts(pair(Some("fa:16:3e:00:00:77"))).await, (0, 0));
    let network = port.shown().await["network_id"].as_str().unwrap().to_owned();
    let network = format!("networks/{network}");
    let revision = async || port.cloud.get(&network).await.body["network"]["revision_number"].clone();
    let before = revision().await;
    port.cloud.put(&network, json!({"network": {"name": "net"}})).await;
    assert_eq!(revision().await, before);
}

#[tokio::test]
async fn an_attempt_to_bind_counts_twice_and_an_end_of_it_is_answered_too_early() {
    let (port, first) = Counted::new(json!({"binding:host_id": "nowhere"})).await;
    assert_eq!(first, 3);
    // Alone the end of a binding is not in its own answer.
    assert_eq!(port.counts(json!({"binding:host_id": ""})).await, (0, 1));
    assert_eq!(port.counts(json!({"binding:host_id": "nowhere"})).await, (3, 3));
    assert_eq!(port.counts(json!({"binding:profile": {"a": "b"}})).await, (3, 3));
    assert_eq!(port.counts(json!({"binding:host_id": "", "device_id": "d"})).await, (1, 1));
    assert_eq!(port.counts(json!({"binding:vnic_type": "direct"})).await, (0, 1));
    assert_eq!(
        port.counts(json!({"binding:vnic_type": "normal", "binding:host_id": "nowhere"})).await,
        (3, 3)
    );
    // What is bound, or was to be, stays of its kind.
    port.put(&json!({"binding:vnic_type": "direct"})).await.refused(409, "PortInUse");
}

#[tokio::test]
async fn other_conditions_than_a_revision_are_nobodys() {
    let (port, _) = Counted::new(json!({})).await;
    let path = format!("/networking/v2.0/ports/{}", port.port);
    for (condition, status) in [("x", 200), ("revision_number=x", 400), ("revision_number=9", 412)] {
        let body = json!({"port": {"name": condition}});
        let request = port.cloud.request(&port.cloud.token, "PUT", &path, Some(body));
        let answer = request.header("if-match", condition).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{condition}");
    }
    let request = port.cloud.request(&port.cloud.token, "DELETE", &path, None);
    let answer = request.header("if-match", "revision_number=9").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 412);
}
