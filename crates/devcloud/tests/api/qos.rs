use serde_json::{Value, json};

use crate::client::{Cloud, id};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_policy_is_made_shown_changed_tagged_and_removed() {
    let cloud = Cloud::start().await;
    let body = json!({"name": "gold", "shared": true, "is_default": true});
    let policy = cloud.create("qos/policies", "policy", body).await;
    assert_eq!(
        (&policy["name"], &policy["shared"], &policy["rules"]),
        (&json!("gold"), &json!(true), &json!([]))
    );
    assert_eq!(policy["revision_number"], 1);
    let path = format!("qos/policies/{}", id(&policy));
    let by_name = cloud.get("qos/policies?name=gold").await.body["policies"].clone();
    assert_eq!(by_name, json!([policy]));
    assert_eq!(cloud.get("qos/policies?name=silver").await.body["policies"], json!([]));
    let other = json!({"policy": {"is_default": true}});
    cloud.post("qos/policies", other).await.refused(409, "QoSPolicyDefaultAlreadyExists");
    let changed = cloud.put(&path, json!({"policy": {"name": "silver"}})).await;
    assert_eq!(changed.body["policy"]["name"], "silver");
    assert_eq!(cloud.put(&format!("{path}/tags/mine"), Value::Null).await.status, 201);
    assert_eq!(cloud.get(&path).await.body["policy"]["tags"], json!(["mine"]));
    assert_eq!(cloud.delete(&path).await.status, 204);
    let gone = cloud.get(&path).await;
    gone.refused(404, "QosPolicyNotFound");
    assert_eq!(
        gone.body["NeutronError"]["message"],
        format!("QoS policy {} could not be found.", id(&policy))
    );
}

#[tokio::test]
async fn rules_belong_to_their_policy() {
    let cloud = Cloud::start().await;
    let path = format!("qos/policies/{}", id(&cloud.create("qos/policies", "policy", json!({})).await));
    let limits = format!("{path}/bandwidth_limit_rules");
    let body = json!({"bandwidth_limit_rule": {"max_kbps": 1000}});
    let rule = cloud.post(&limits, body.clone()).await;
    assert_eq!(rule.status, 201);
    let rule = rule.body["bandwidth_limit_rule"].clone();
    assert_eq!((&rule["max_burst_kbps"], &rule["direction"]), (&json!(0), &json!("egress")));
    cloud.post(&limits, body).await.refused(409, "QoSRulesConflict");
    cloud.post(&limits, json!({"bandwidth_limit_rule": {}})).await.refused(400, "HTTPBadRequest");
    let marks = json!({"dscp_marking_rule": {"dscp_mark": 26}});
    assert_eq!(cloud.post(&format!("{path}/dscp_marking_rules"), marks).await.status, 201);
    let policy = cloud.get(&path).await.body["policy"].clone();
    assert_eq!(policy["rules"].as_array().unwrap().len(), 2);
    assert_eq!(policy["rules"][0]["type"], "bandwidth_limit");
    assert_eq!(policy["revision_number"], 2);
    let one = format!("{limits}/{}", id(&rule));
    let changed = cloud.put(&one, json!({"bandwidth_limit_rule": {"max_kbps": 5}})).await;
    assert_eq!(changed.body["bandwidth_limit_rule"]["max_kbps"], 5);
    assert_eq!(cloud.get(&limits).await.body["bandwidth_limit_rules"][0]["max_kbps"], 5);
    assert_eq!(cloud.delete(&one).await.status, 204);
    cloud.get(&one).await.refused(404, "QosRuleNotFound");
    cloud.get(&format!("{path}/colours")).await.refused(404, "HTTPNotFound");
    let types = cloud.get("qos/rule-types").await.body["rule_types"].clone();
    for known in ["bandwidth_limit", "dscp_marking", "minimum_bandwidth"] {
        assert!(types.as_array().unwrap().iter().any(|t| t["type"] == known), "{known}: {types}");
    }
}

#[tokio::test]
async fn ports_and_networks_carry_policies_that_exist() {
    let cloud = Cloud::start().await;
    let policy = id(&cloud.create("qos/policies", "policy", json!({})).await);
    let network = cloud.create("networks", "network", json!({"qos_policy_id": policy})).await;
    assert_eq!(network["qos_policy_id"], policy.as_str());
    let network = id(&network);
    let port = cloud.port(json!({"network_id": network})).await.body["port"].clone();
    assert_eq!((&port["qos_policy_id"], &port["qos_network_policy_id"]), (&Value::Null, &json!(policy)));
    let path = format!("ports/{}", id(&port));
    let set = |policy: Value| cloud.put(&path, json!({"port": {"qos_policy_id": policy}}));
    assert_eq!(set(json!(policy)).await.body["port"]["qos_policy_id"], policy.as_str());
    set(json!(NOBODY)).await.refused(404, "QosPolicyNotFound");
    set(json!("gold")).await.refused(400, "HTTPBadRequest");
    let unknown = json!({"network_id": network, "qos_policy_id": NOBODY});
    cloud.port(unknown).await.refused(404, "QosPolicyNotFound");
    cloud.delete(&format!("qos/policies/{policy}")).await.refused(409, "QosPolicyInUse");
    assert_eq!(set(Value::Null).await.body["port"]["qos_policy_id"], Value::Null);
    cloud.put(&format!("networks/{network}"), json!({"network": {"qos_policy_id": null}})).await;
    assert_eq!(cloud.delete(&format!("qos/policies/{policy}")).await.status, 204);
}

#[tokio::test]
async fn a_member_sees_shared_policies_and_makes_none() {
    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let hidden = id(&cloud.create("qos/policies", "policy", json!({})).await);
    let shared = id(&cloud.create("qos/policies", "policy", json!({"shared": true})).await);
    let path = "/networking/v2.0/qos/policies";
    let list = cloud.call(&demo, "GET", path, None).await.body["policies"].clone();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &json!(shared)));
    cloud.call(&demo, "GET", &format!("{path}/{hidden}"), None).await.refused(404, "QosPolicyNotFound");
    cloud.call(&demo, "POST", path, Some(json!({"policy": {}}))).await.refused(403, "PolicyNotAuthorized");
    cloud.call(&demo, "DELETE", &format!("{path}/{shared}"), None).await.refused(403, "PolicyNotAuthorized");
}
