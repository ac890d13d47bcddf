use serde_json::json;

use crate::client::{Cloud, id};

#[tokio::test]
async fn a_reached_quota_refuses_and_is_counted() {
    let cloud = Cloud::own().await;
    let network = cloud.create("networks", "network", json!({})).await;
    let project = network["project_id"].as_str().unwrap().to_owned();
    let limits = json!({"quota": {"network": 1, "port": 2}});
    let set = cloud.put(&format!("quotas/{project}"), limits).await;
    assert_eq!((&set.body["quota"]["network"], &set.body["quota"]["subnet"]), (&json!(1), &json!(100)));
    let refused = cloud.post("networks", json!({"network": {}})).await;
    refused.refused(409, "OverQuota");
    assert_eq!(refused.body["NeutronError"]["message"], "Quota exceeded for resources: ['network'].");
    let port = json!({"network_id": id(&network)});
    cloud.post("ports", json!({"ports": [port, port, port]})).await.refused(409, "OverQuota");
    assert_eq!(cloud.post("ports", json!({"ports": [port, port]})).await.status, 201);
    let details = cloud.get(&format!("quotas/{project}/details")).await.body["quota"]["port"].clone();
    assert_eq!(details, json!({"limit": 2, "used": 2, "reserved": 0}));
    assert_eq!(cloud.delete(&format!("quotas/{project}")).await.status, 204);
    assert_eq!(cloud.get(&format!("quotas/{project}")).await.body["quota"]["network"], 100);
    assert_eq!(cloud.post("networks", json!({"network": {}})).await.status, 201);
}

#[tokio::test]
async fn a_member_reads_its_quota_and_changes_none() {
    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let project =
        cloud.admin("GET", "state", None).await.body["projects"]["demo"].as_str().unwrap().to_owned();
    let path = format!("/networking/v2.0/quotas/{project}");
    assert_eq!(cloud.call(&demo, "GET", &path, None).await.status, 200);
    let body = json!({"quota": {"port": -1}});
    cloud.call(&demo, "PUT", &path, Some(body)).await.refused(403, "PolicyNotAuthorized");
}
