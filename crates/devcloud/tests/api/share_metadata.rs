use serde_json::json;

use crate::manila::Shares;

#[tokio::test]
async fn keys_are_merged_replaced_and_taken_away() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({"metadata": {"a": "1"}})).await;
    let path = format!("/shares/{share}/metadata");
    let merged = shares.post(&path, json!({"metadata": {"b": "2"}})).await.ok(200);
    assert_eq!(merged["metadata"], json!({"a": "1", "b": "2"}));
    assert_eq!(shares.get(&format!("{path}/b")).await.ok(200)["meta"], json!({"b": "2"}));
    assert_eq!(shares.delete(&format!("{path}/b")).await.status, 200);
    shares.delete(&format!("{path}/b")).await.fault(404, "itemNotFound");
    let replaced = shares.put(&path, json!({"metadata": {"c": "3"}})).await.ok(200);
    assert_eq!(replaced["metadata"], json!({"c": "3"}));
    assert_eq!(shares.get(&path).await.ok(200)["metadata"], json!({"c": "3"}));
    for wrong in
        [json!({"": "x"}), json!({"k": ""}), json!({"k": "x".repeat(1024)}), json!({"k": 1}), json!(7)]
    {
        shares.post(&path, json!({"metadata": wrong})).await.fault(400, "badRequest");
    }
    shares.post("/shares/none/metadata", json!({"metadata": {}})).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn those_of_a_public_share_can_be_read_but_not_changed() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({"is_public": true, "metadata": {"a": "1"}})).await;
    let demo = shares.demo().await;
    let path = format!("/shares/{share}/metadata");
    assert_eq!(demo.get(&path).await.ok(200)["metadata"], json!({"a": "1"}));
    demo.post(&path, json!({"metadata": {"a": "2"}})).await.fault(403, "forbidden");
    demo.delete(&format!("{path}/a")).await.fault(403, "forbidden");
}
