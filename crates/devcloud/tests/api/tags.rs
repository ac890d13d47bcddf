use serde_json::{Value, json};

use crate::client::Cloud;

/// Neutron lists them in any order.
fn sorted(tags: &Value) -> Vec<&str> {
    let mut tags: Vec<_> = tags.as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    tags.sort_unstable();
    tags
}

#[tokio::test]
async fn tags_are_replaced_added_checked_and_removed() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let tags = format!("networks/{network}/tags");
    let put = cloud.put(&tags, json!({"tags": ["a", "b"]})).await;
    assert_eq!((put.status, sorted(&put.body["tags"])), (200, vec!["a", "b"]));
    cloud.put(&tags, json!({"tags": ["a", "b", "a"]})).await.refused(400, "InvalidInput");
    assert_eq!(cloud.put(&format!("{tags}/c:1"), json!(null)).await.status, 201);
    assert_eq!(cloud.get(&format!("{tags}/c:1")).await.status, 204);
    assert_eq!(cloud.delete(&format!("{tags}/b")).await.status, 204);
    cloud.delete(&format!("{tags}/b")).await.refused(404, "TagNotFound");
    cloud.get(&format!("{tags}/b")).await.refused(404, "TagNotFound");
    assert_eq!(cloud.post(&tags, json!({"tags": ["d", "a"]})).await.status, 200);
    assert_eq!(sorted(&cloud.get(&tags).await.body["tags"]), ["a", "c:1", "d"]);
    cloud.put(&tags, json!({"tags": "a"})).await.refused(400, "InvalidInput");
    assert_eq!(cloud.delete(&tags).await.status, 204);
    let shown = cloud.get(&format!("networks/{network}")).await.body["network"].clone();
    assert_eq!((&shown["tags"], &shown["revision_number"]), (&json!([]), &json!(6)));
    // Neutron 2025.1 fails over a resource that is not there, others say so.
    let nobody = cloud.put("ports/f81d4fae-7dec-41d0-a765-00a0c91e6bf6/tags", json!({"tags": []})).await;
    assert!([404, 500].contains(&nobody.status), "{nobody:?}");
}
