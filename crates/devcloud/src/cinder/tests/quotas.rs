//! Limits and quotas.

use super::*;

#[tokio::test]
async fn a_project_gets_no_more_than_its_quota() {
    let client = Client::new();
    let admin = client.admin();
    let path = format!("/os-quota-sets/{PROJECT}");
    let set = admin.put(&path, json!({"quota_set": {"volumes": 2, "gigabytes": 5}})).await.ok(200);
    assert_eq!(set["quota_set"]["volumes"], 2);
    let id = client.volume(json!({"size": 3})).await;
    let got = client.post("/volumes", json!({"volume": {"size": 3}})).await;
    assert_eq!(got.headers["retry-after"], "0");
    let message = got.fault(413, "overLimit");
    assert!(
        message.starts_with("VolumeSizeExceedsAvailableQuota")
            && message.contains("Requested 3G, quota is 5G and 3G has been consumed."),
        "{message}"
    );
    client.action(&id, json!({"os-extend": {"new_size": 6}})).await.fault(413, "overLimit");
    client.volume(json!({"size": 1})).await;
    let message = client.post("/volumes", json!({"volume": {"size": 1}})).await.fault(413, "overLimit");
    assert!(message.contains("Maximum number of volumes allowed (2) exceeded"), "{message}");
    let limits = client.get("/limits").await.ok(200)["limits"]["absolute"].clone();
    assert_eq!(limits["totalVolumesUsed"], 2);
    assert_eq!(limits["maxTotalVolumes"], 2);
    assert_eq!(limits["totalGigabytesUsed"], 4);
    assert_eq!(limits["maxTotalVolumeGigabytes"], 5);
    let usage = client.get(&format!("{path}?usage=true")).await.ok(200);
    assert_eq!(usage["quota_set"]["gigabytes"], json!({"limit": 5, "in_use": 4, "reserved": 0}));
    client.delete(&format!("/volumes/{id}")).await.ok(202);
    client.wait(&id, "gone").await;
    client.volume(json!({"size": 1})).await;
    assert_eq!(admin.delete(&path).await.status, 200);
    assert_eq!(client.get(&path).await.ok(200)["quota_set"]["volumes"], 10);
}

#[tokio::test]
async fn one_volume_may_be_limited_and_minus_one_is_no_limit() {
    let client = Client::new();
    let admin = client.admin();
    let path = format!("/os-quota-sets/{PROJECT}");
    admin
        .put(&path, json!({"quota_set": {"per_volume_gigabytes": 2, "gigabytes": -1, "volumes": "-1"}}))
        .await
        .ok(200);
    let message = client.post("/volumes", json!({"volume": {"size": 3}})).await.fault(413, "overLimit");
    assert!(message.starts_with("VolumeSizeExceedsLimit"), "{message}");
    for _ in 0..11 {
        client.volume(json!({"size": 2})).await;
    }
}

#[tokio::test]
async fn only_administrators_change_quotas() {
    let client = Client::new();
    let path = format!("/os-quota-sets/{PROJECT}");
    client.put(&path, json!({"quota_set": {"volumes": 99}})).await.fault(403, "forbidden");
    client.delete(&path).await.fault(403, "forbidden");
    client.get("/os-quota-sets/another").await.fault(403, "forbidden");
    let admin = client.admin();
    for set in [json!({"volumes": -2}), json!({"volumes": "x"}), json!({"nonsense": 1})] {
        admin.put(&path, json!({"quota_set": set})).await.fault(400, "badRequest");
    }
    assert_eq!(client.get(&format!("{path}/defaults")).await.ok(200)["quota_set"]["gigabytes"], 1000);
}
