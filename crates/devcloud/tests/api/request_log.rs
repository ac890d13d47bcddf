use serde_json::json;

use crate::client::{Cloud, options, read};

#[tokio::test]
async fn requests_are_counted_in_order_with_marks_between_and_without_secrets() {
    let mut chosen = options();
    chosen.admin_password = "s3cret".into();
    let cloud = Cloud::with(chosen).await;
    let token = cloud.token.clone();
    let mark =
        cloud.admin("POST", "log/marker", Some(json!({"text": "here"}))).await.body["n"].as_u64().unwrap();
    let body = Some(json!({"network": {"name": "n"}}));
    let request = cloud.request(&token, "POST", "/networking/v2.0/networks?x=1", body);
    let answer = read(request.header("x-openstack-request-id", "req-mine").send().await.unwrap()).await;
    cloud.call("", "GET", "/networking/v2.0/networks", None).await;

    let whole = cloud.admin("GET", "log", None).await.body;
    assert!(!whole.to_string().contains("s3cret"), "{whole}");
    assert_eq!(whole["entries"][0]["service"], "identity");
    assert_eq!(whole["entries"][0]["user_agent"], "test/1");
    assert_eq!(whole["entries"][1]["marker"], "here");
    let since = cloud.admin("GET", &format!("log?since={mark}"), None).await.body["entries"].clone();
    assert_eq!(since.as_array().unwrap().len(), 2);
    let entry = &since[0];
    assert_eq!((&entry["service"], &entry["method"]), (&json!("network"), &json!("POST")));
    assert_eq!((&entry["path"], &entry["query"]), (&json!("/networking/v2.0/networks"), &json!("x=1")));
    assert_eq!((&entry["status"], &entry["body"]["network"]["name"]), (&json!(201), &json!("n")));
    assert_eq!(entry["request_id"], answer.request_id);
    assert_eq!(entry["global_request_id"], "req-mine");
    assert_eq!(since[1]["status"], 401);
    assert_eq!(cloud.admin("DELETE", "log", None).await.status, 204);
    assert_eq!(cloud.admin("GET", "log", None).await.body["entries"], json!([]));
}
