use serde_json::{Value, json};

use crate::client::{Cloud, id};

#[tokio::test]
async fn the_default_group_lets_all_out_and_members_in() {
    let cloud = Cloud::start().await;
    let network = cloud.create("networks", "network", json!({})).await;
    let mine = format!("security-groups?name=default&project_id={}", network["project_id"].as_str().unwrap());
    let groups = cloud.get(&mine).await.body["security_groups"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    let rules = groups[0]["security_group_rules"].as_array().unwrap();
    let count = |direction: &str, remote: &Value| {
        rules.iter().filter(|r| r["direction"] == direction && r["remote_group_id"] == *remote).count()
    };
    assert_eq!((count("egress", &Value::Null), count("ingress", &groups[0]["id"]), rules.len()), (2, 2, 4));
    let again = json!({"security_group": {"name": "default"}});
    cloud.post("security-groups", again).await.refused(409, "SecurityGroupDefaultAlreadyExists");
}

#[tokio::test]
async fn a_group_in_use_stays_and_a_free_one_goes_with_its_rules() {
    let cloud = Cloud::start().await;
    let group = cloud.create("security-groups", "security_group", json!({"name": "g"})).await;
    assert_eq!(group["security_group_rules"].as_array().unwrap().len(), 2);
    let group = id(&group);
    let network = cloud.network().await;
    let port = cloud.port(json!({"network_id": network, "security_groups": [group]})).await;
    cloud.delete(&format!("security-groups/{group}")).await.refused(409, "SecurityGroupInUse");
    cloud.delete(&format!("ports/{}", id(&port.body["port"]))).await;
    assert_eq!(cloud.delete(&format!("security-groups/{group}")).await.status, 204);
    let left = cloud.get(&format!("security-group-rules?security_group_id={group}")).await;
    assert_eq!(left.body["security_group_rules"], json!([]));
    let unknown = json!({"network_id": network, "security_groups": [group]});
    cloud.port(unknown).await.refused(404, "SecurityGroupNotFound");
}

#[tokio::test]
async fn rules_are_checked_as_neutron_does() {
    let cloud = Cloud::start().await;
    let group = id(&cloud.create("security-groups", "security_group", json!({"name": "g"})).await);
    let other = id(&cloud.create("security-groups", "security_group", json!({"name": "h"})).await);
    let rule = |extra: Value| {
        let mut body = json!({"security_group_id": group, "direction": "ingress"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let make = |extra: Value| cloud.post("security-group-rules", json!({"security_group_rule": rule(extra)}));
    let udp = json!({"protocol": "udp", "port_range_min": 1234, "port_range_max": 1238});
    assert_eq!(make(udp.clone()).await.status, 201);
    make(udp).await.refused(409, "SecurityGroupRuleExists");
    make(json!({"protocol": 17, "port_range_min": 1234, "port_range_max": 1238}))
        .await
        .refused(409, "SecurityGroupRuleExists");
    make(json!({"protocol": "nonsense"})).await.refused(400, "SecurityGroupRuleInvalidProtocol");
    make(json!({"protocol": "tcp", "port_range_min": 9, "port_range_max": 8}))
        .await
        .refused(400, "SecurityGroupInvalidPortRange");
    make(json!({"port_range_min": 9, "port_range_max": 9}))
        .await
        .refused(400, "SecurityGroupProtocolRequiredWithPorts");
    make(json!({"protocol": "icmp", "port_range_min": 300}))
        .await
        .refused(400, "SecurityGroupInvalidIcmpValue");
    make(json!({"remote_ip_prefix": "fd00::/64"})).await.refused(400, "SecurityGroupRuleParameterConflict");
    make(json!({"remote_group_id": "nothing"})).await.refused(404, "SecurityGroupNotFound");
    make(json!({"remote_group_id": other, "remote_ip_prefix": "10.0.0.0/8"}))
        .await
        .refused(400, "SecurityGroupMultipleRemoteEntites");
    make(json!({"direction": "sideways"})).await.refused(400, "HTTPBadRequest");
    assert_eq!(make(json!({"protocol": "TCP", "remote_group_id": other})).await.status, 201);

    let two = json!({"security_group_rules": [rule(json!({"protocol": "sctp"})), rule(json!({"protocol": "gre"}))]});
    let made = cloud.post("security-group-rules", two.clone()).await;
    assert_eq!((made.status, made.body["security_group_rules"].as_array().unwrap().len()), (201, 2));
    let mut foreign = rule(json!({"protocol": "ah"}));
    foreign["security_group_id"] = other.clone().into();
    let mixed = json!({"security_group_rules": [rule(json!({"protocol": "ah"})), foreign]});
    cloud.post("security-group-rules", mixed).await.refused(400, "SecurityGroupNotSingleGroupRules");

    assert_eq!(cloud.delete(&format!("security-groups/{other}")).await.status, 204);
    let shown = cloud.get(&format!("security-groups/{group}")).await.body["security_group"].clone();
    let rules = shown["security_group_rules"].as_array().unwrap();
    assert!(rules.iter().all(|r| r["remote_group_id"] == Value::Null), "a rule naming a gone group is gone");
    let gone = rules[0]["id"].as_str().unwrap();
    assert_eq!(cloud.delete(&format!("security-group-rules/{gone}")).await.status, 204);
    cloud.delete(&format!("security-group-rules/{gone}")).await.refused(404, "SecurityGroupRuleNotFound");
}
