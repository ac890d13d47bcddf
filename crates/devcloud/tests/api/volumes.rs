use serde_json::json;

use crate::client::Cloud;

#[tokio::test]
async fn the_volume_service_answers_behind_the_same_gate() {
    let cloud = Cloud::own().await;
    let project =
        cloud.admin("GET", "state", None).await.body["projects"]["admin"].as_str().unwrap().to_owned();
    let path = format!("/volume/v3/{project}/volumes");
    let body = json!({"volume": {"name": "v", "size": 1}});
    let made = cloud.call(&cloud.token, "POST", &path, Some(body)).await;
    assert_eq!((made.status, &made.body["volume"]["name"]), (202, &json!("v")));
    let state = cloud.admin("GET", "state", None).await.body;
    assert_eq!(state["volumes"][0]["id"], made.body["volume"]["id"]);
    assert_eq!(cloud.call("wrong", "GET", &path, None).await.status, 401);
    assert_eq!(cloud.call("", "GET", "/volume/v3/", None).await.status, 200);
    assert_eq!(cloud.call("", "GET", "/volume", None).await.status, 300);
    let rule = json!({"service": "volume", "path": "*/volumes", "action": {"status": 500}});
    cloud.admin("POST", "faults", Some(rule)).await;
    let planned = cloud.call(&cloud.token, "GET", &path, None).await;
    assert_eq!((planned.status, &planned.body["computeFault"]["code"]), (500, &json!(500)));
    let logged = cloud.admin("GET", "log", None).await.body["entries"].clone();
    assert_eq!(logged.as_array().unwrap().last().unwrap()["service"], "block-storage");
}
