use serde_json::json;

use crate::client::{Cloud, id};
use crate::manila::Shares;

#[tokio::test]
async fn the_share_service_answers_behind_the_same_gate() {
    let shares = Shares::start().await;
    let cloud = &shares.cloud;
    let path = format!("/share/v2/{}/shares", shares.project);
    assert_eq!(cloud.call("wrong", "GET", &path, None).await.status, 401);
    assert_eq!(cloud.call("", "GET", "/share/v2/", None).await.status, 200);
    assert_eq!(cloud.call("", "GET", "/share", None).await.status, 300);
    let rule = json!({"service": "manila", "path": "*/shares", "action": {"status": 500}});
    cloud.admin("POST", "faults", Some(rule)).await.ok(201);
    shares.get("/shares").await.fault(500, "computeFault");
    let logged = cloud.admin("GET", "log", None).await.body["entries"].clone();
    assert_eq!(logged.as_array().unwrap().last().unwrap()["service"], "shared-file-system");
    let foreign = format!("/share/v2/{}/shares", "f".repeat(32));
    assert_eq!(shares.raw("GET", &foreign, None).await.status(), 400);
}

#[tokio::test]
async fn a_share_is_made_grown_and_deleted_step_by_step() {
    let shares = Shares::start().await;
    shares.faults(json!({"create_ms": 900, "delete_ms": 900, "extend_ms": 900})).await;
    let made = shares.order(json!({"name": "s", "share_proto": "nfs", "metadata": {"k": "v"}})).await;
    assert_eq!((&made["status"], &made["share_proto"]), (&json!("creating"), &json!("NFS")));
    assert_eq!((&made["metadata"], &made["is_public"]), (&json!({"k": "v"}), &json!(false)));
    assert_eq!(made["access_rules_status"], "active");
    let path = format!("/shares/{}", id(&made));
    // Nothing can be done to it yet.
    shares.delete(&path).await.fault(403, "forbidden");
    shares.action(&id(&made), json!({"extend": {"new_size": 2}})).await.fault(400, "badRequest");
    assert_eq!(shares.wait(&path, "share", "status", "available").await, ["creating", "available"]);
    assert_eq!(shares.action(&id(&made), json!({"extend": {"new_size": 3}})).await.status, 202);
    assert_eq!(shares.wait(&path, "share", "status", "available").await, ["extending", "available"]);
    assert_eq!(shares.show(&id(&made)).await["size"], 3);
    for size in [json!(3), json!(1), json!("x")] {
        shares.action(&id(&made), json!({"extend": {"new_size": size}})).await.fault(400, "badRequest");
    }
    assert_eq!(shares.delete(&path).await.status, 202);
    shares.delete(&path).await.fault(403, "forbidden");
    assert_eq!(shares.wait(&path, "share", "status", "gone").await, ["deleting"]);
    shares.delete(&path).await.fault(404, "itemNotFound");
    shares.action(&id(&made), json!({"extend": {"new_size": 9}})).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn what_makes_no_share_is_refused() {
    let shares = Shares::start().await;
    for (fields, status, kind) in [
        (json!({"size": 0, "share_proto": "NFS"}), 400, "badRequest"),
        (json!({"size": "big", "share_proto": "NFS"}), 400, "badRequest"),
        (json!({"size": 1, "share_proto": "HDFS"}), 400, "badRequest"),
        (json!({"size": 1}), 400, "badRequest"),
        (json!({"size": 1, "share_proto": "NFS", "name": "x".repeat(256)}), 400, "badRequest"),
        (json!({"size": 1, "share_proto": "NFS", "metadata": {"k": ""}}), 400, "badRequest"),
        (json!({"size": 1, "share_proto": "NFS", "share_type": "none"}), 404, "itemNotFound"),
        (json!({"size": 1, "share_proto": "NFS", "availability_zone": "none"}), 404, "itemNotFound"),
        (json!({"size": 1, "share_proto": "NFS", "snapshot_id": "none"}), 404, "itemNotFound"),
        (json!({"size": 1, "share_proto": "NFS", "share_network_id": "none"}), 404, "itemNotFound"),
    ] {
        shares.post("/shares", json!({"share": fields})).await.fault(status, kind);
    }
    shares.post("/shares", json!({"volume": {}})).await.fault(422, "computeFault");
    assert_eq!(shares.names("").await, [] as [&str; 0]);
}

#[tokio::test]
async fn names_change_and_an_administrator_overrules() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({"name": "s"})).await;
    let body = json!({"share": {"display_name": "new", "display_description": "d"}});
    let view = shares.put(&format!("/shares/{share}"), body).await.ok(200);
    assert_eq!((&view["share"]["name"], &view["share"]["description"]), (&json!("new"), &json!("d")));
    let demo = shares.demo().await;
    let own = demo.share(json!({"name": "d"})).await;
    demo.action(&own, json!({"reset_status": {"status": "error"}})).await.fault(403, "forbidden");
    assert_eq!(shares.action(&own, json!({"reset_status": {"status": "error_deleting"}})).await.status, 202);
    demo.delete(&format!("/shares/{own}")).await.fault(403, "forbidden");
    demo.action(&own, json!({"force_delete": null})).await.fault(403, "forbidden");
    assert_eq!(shares.action(&own, json!({"force_delete": null})).await.status, 202);
    demo.wait(&format!("/shares/{own}"), "share", "status", "gone").await;
    demo.get(&format!("/shares/{share}")).await.fault(404, "itemNotFound");
    shares.action(&share, json!({"fly": {}})).await.fault(400, "badRequest");
}

#[tokio::test]
async fn shares_and_rules_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut chosen = crate::client::options();
    chosen.state_file = Some(folder.path().join("cloud.json"));
    let shares = Shares::with(chosen.clone()).await;
    shares.faults(json!({"create_ms": 20})).await;
    let share = shares.share(json!({"name": "s", "share_proto": "CEPHFS"})).await;
    let rule = shares.allowed(&share, "cephx", "me").await;
    let exports = shares.get(&format!("/shares/{share}/export_locations")).await.body;
    shares.faults(json!({"stuck_creating": true, "rule_ms": 60_000})).await;
    let interrupted = id(&shares.order(json!({"name": "i"})).await);
    let queued = id(&shares.allow(&share, "cephx", "you").await.ok(200)["access"]);
    let before = shares.rules(&share).await;
    stop(shares).await;

    let shares = Shares::with(chosen).await;
    assert_eq!(shares.show(&share).await["status"], "available");
    assert_eq!(shares.get(&format!("/shares/{share}/export_locations")).await.body, exports);
    let rules = shares.rules(&share).await;
    assert_eq!((&rules[0], &rules[0]["id"]), (&before[0], &json!(rule)));
    assert_eq!(shares.show(&interrupted).await["status"], "error");
    shares.wait_rule(&queued, "active").await;
}

/// Stops the cloud, which saves its state.
async fn stop(shares: Shares) {
    let cloud = std::sync::Arc::into_inner(shares.cloud);
    let cloud: Cloud = cloud.expect("nobody else uses it");
    cloud.stop().await;
}
