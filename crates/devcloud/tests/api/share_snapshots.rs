use serde_json::{Value, json};

use crate::client::id;
use crate::manila::Shares;

async fn snapshot(shares: &Shares, share: &str) -> Value {
    let body = json!({"snapshot": {"share_id": share, "name": "n"}});
    shares.post("/snapshots", body).await.ok(202)["snapshot"].clone()
}

#[tokio::test]
async fn a_snapshot_becomes_a_share() {
    let shares = Shares::start().await;
    shares.faults(json!({"create_ms": 700, "delete_ms": 700})).await;
    let share = shares.share(json!({"share_type": "snapshots", "size": 2})).await;
    let taken = snapshot(&shares, &share).await;
    assert_eq!((&taken["status"], &taken["share_size"]), (&json!("creating"), &json!(2)));
    let from = json!({"share": {"share_proto": "NFS", "snapshot_id": taken["id"], "size": 2}});
    shares.post("/shares", from.clone()).await.fault(400, "badRequest");
    let path = format!("/snapshots/{}", id(&taken));
    assert_eq!(shares.wait(&path, "snapshot", "status", "available").await, ["creating", "available"]);
    let small = json!({"share": {"share_proto": "NFS", "snapshot_id": taken["id"], "size": 1}});
    shares.post("/shares", small).await.fault(400, "badRequest");
    let other = json!({"share": {"share_proto": "NFS", "snapshot_id": taken["id"], "size": 2, "share_type": "default"}});
    shares.post("/shares", other).await.fault(400, "badRequest");
    let clone = id(&shares.at("2.54").post("/shares", from).await.ok(200)["share"]);
    assert_eq!(shares.at("2.54").show(&clone).await["status"], "creating_from_snapshot");
    assert_eq!(shares.at("2.53").show(&clone).await["status"], "creating");
    shares.wait(&format!("/shares/{clone}"), "share", "status", "available").await;
    assert_eq!(shares.show(&clone).await["snapshot_id"], taken["id"]);
    // A share with snapshots stays.
    shares.delete(&format!("/shares/{share}")).await.fault(403, "forbidden");
    assert_eq!(shares.delete(&path).await.status, 202);
    shares.delete(&path).await.fault(400, "badRequest");
    shares.wait(&path, "snapshot", "status", "gone").await;
    shares.delete(&path).await.fault(404, "itemNotFound");
    assert_eq!(shares.delete(&format!("/shares/{share}")).await.status, 202);
}

#[tokio::test]
async fn a_type_without_snapshots_has_none() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    assert_eq!(shares.show(&share).await["snapshot_support"], false);
    let body = json!({"snapshot": {"share_id": share}});
    shares.post("/snapshots", body).await.fault(422, "computeFault");
    let absent = json!({"snapshot": {"share_id": "none"}});
    shares.post("/snapshots", absent).await.fault(404, "itemNotFound");
    shares.faults(json!({"stuck_creating": true})).await;
    let creating = id(&shares.order(json!({"share_type": "snapshots"})).await);
    let body = json!({"snapshot": {"share_id": creating}});
    shares.post("/snapshots", body).await.fault(400, "badRequest");
}

#[tokio::test]
async fn snapshots_are_listed_by_share() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let (one, two) = (
        shares.share(json!({"share_type": "snapshots"})).await,
        shares.share(json!({"share_type": "snapshots"})).await,
    );
    let taken = id(&snapshot(&shares, &one).await);
    snapshot(&shares, &two).await;
    let listed = shares.get(&format!("/snapshots/detail?share_id={one}")).await.ok(200)["snapshots"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(taken)));
    assert_eq!(shares.get("/snapshots?limit=1&offset=1").await.ok(200)["snapshots"][0]["id"], json!(taken));
    let demo = shares.demo().await;
    assert_eq!(demo.get("/snapshots").await.ok(200)["snapshots"], json!([]));
    demo.get(&format!("/snapshots/{taken}")).await.fault(404, "itemNotFound");
    let renamed = json!({"snapshot": {"display_name": "new"}});
    assert_eq!(shares.put(&format!("/snapshots/{taken}"), renamed).await.ok(200)["snapshot"]["name"], "new");
}
