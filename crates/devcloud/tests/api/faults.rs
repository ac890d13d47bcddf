use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Cloud, id, read};

pub(crate) async fn plan(cloud: &Cloud, rule: Value) {
    let answer = cloud.admin("POST", "faults", Some(rule)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn the_nth_match_is_answered_with_the_planned_status() {
    let cloud = Cloud::start().await;
    let rule = json!({"service": "network", "method": "GET", "path": "*/networks", "nth": 2, "count": 2,
                      "action": {"status": 503, "headers": {"retry-after": "1"}}});
    plan(&cloud, rule).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(cloud.get("networks").await.status);
    }
    assert_eq!(seen, [200, 503, 503, 200]);
    plan(&cloud, json!({"path": "/v2.0/ports", "count": 0, "action": {"status": 409, "body": {"x": 1}}}))
        .await;
    for _ in 0..3 {
        assert_eq!(cloud.get("ports").await.body, json!({"x": 1}));
    }
    assert_eq!(cloud.admin("DELETE", "faults", None).await.status, 204);
    assert_eq!(cloud.get("ports").await.status, 200);
    assert_eq!(
        cloud.admin("POST", "faults", Some(json!({"path": "*", "action": {"explode": 1}}))).await.status,
        400
    );
}

#[tokio::test]
async fn a_dropped_request_changes_nothing_and_a_lost_answer_does() {
    let cloud = Cloud::start().await;
    let post = || {
        let body = Some(json!({"network": {"name": "n"}}));
        cloud.request(&cloud.token, "POST", "/networking/v2.0/networks", body).send()
    };
    plan(&cloud, json!({"method": "POST", "path": "*/networks", "action": {"drop": true}})).await;
    assert!(post().await.is_err());
    assert_eq!(cloud.get("networks").await.body["networks"], json!([]));
    plan(&cloud, json!({"method": "POST", "path": "*/networks", "action": {"lose_answer": true}})).await;
    assert!(post().await.is_err());
    assert_eq!(cloud.get("networks").await.body["networks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn delays_and_latency_take_their_time() {
    let cloud = Cloud::start().await;
    plan(&cloud, json!({"path": "*/networks", "action": {"delay_ms": 200}})).await;
    let start = Instant::now();
    assert_eq!(cloud.get("networks").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
    cloud.admin("POST", "options", Some(json!({"latency_ms": 150}))).await;
    let start = Instant::now();
    cloud.get("networks").await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}

pub(crate) async fn only_hold(cloud: &Cloud) -> Value {
    for _ in 0..200 {
        let holds = cloud.admin("GET", "holds", None).await.body["holds"].clone();
        if let Some(hold) = holds.get(0) {
            return hold.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}

#[tokio::test]
async fn a_held_request_waits_for_its_release_even_if_its_caller_left() {
    let cloud = Cloud::start().await;
    // Held before, nothing is there yet; held after, the second has joined the first.
    for (phase, networks_meanwhile) in [("before", 0), ("after", 2)] {
        plan(&cloud, json!({"method": "POST", "path": "*/networks", "action": {"hold": phase}})).await;
        let body = Some(json!({"network": {}}));
        let request = cloud.request(&cloud.token, "POST", "/networking/v2.0/networks", body);
        let waiting = tokio::spawn(async move { read(request.send().await.unwrap()).await.status });
        let hold = only_hold(&cloud).await;
        assert_eq!((&hold["phase"], &hold["method"]), (&json!(phase), &json!("POST")));
        let count = cloud.get("networks").await.body["networks"].as_array().unwrap().len();
        assert_eq!(count, networks_meanwhile);
        assert!(!waiting.is_finished());
        let path = format!("holds/{}/release", hold["id"]);
        assert_eq!(cloud.admin("POST", &path, None).await.status, 204);
        assert_eq!(waiting.await.unwrap(), 201);
        assert_eq!(cloud.admin("POST", &path, None).await.status, 404);
        if phase == "before" {
            assert_eq!(cloud.get("networks").await.body["networks"].as_array().unwrap().len(), 1);
        }
    }
    plan(&cloud, json!({"method": "POST", "path": "*/networks", "action": {"hold": "before"}})).await;
    let body = Some(json!({"network": {"name": "late"}}));
    let request = cloud.request(&cloud.token, "POST", "/networking/v2.0/networks", body);
    assert!(request.timeout(Duration::from_millis(100)).send().await.is_err());
    only_hold(&cloud).await;
    cloud.admin("DELETE", "faults", None).await;
    for _ in 0..100 {
        if !cloud.get("networks?name=late").await.body["networks"].as_array().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the request was given up");
}

#[tokio::test]
async fn stopping_does_not_wait_for_those_held() {
    let cloud = Cloud::own().await;
    plan(&cloud, json!({"path": "*/networks", "action": {"hold": "after"}})).await;
    let request = cloud.request(&cloud.token, "GET", "/networking/v2.0/networks", None);
    let waiting = tokio::spawn(async move { request.send().await.unwrap().status() });
    only_hold(&cloud).await;
    let start = Instant::now();
    cloud.stop().await;
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn the_state_shows_everything_that_could_leak() {
    let cloud = Cloud::own().await;
    let network = cloud.create("networks", "network", json!({})).await;
    let state = cloud.admin("GET", "state", None).await.body;
    assert_eq!(state["networks"][0]["id"], id(&network));
    for key in ["subnets", "subnetpools", "ports", "security_groups", "volumes", "attachments", "snapshots"] {
        assert!(state[key].is_array(), "{key}");
    }
    assert_eq!(cloud.admin("GET", "ready", None).await.status, 200);
}
