//! Snapshots.

use super::*;

async fn settled(client: &Client, id: &str, status: &str) {
    for _ in 0..200 {
        let got = client.get(&format!("/snapshots/{id}")).await;
        if got.body["snapshot"]["status"] == status || (status == "gone" && got.status == 404) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("snapshot {id} never became {status}");
}

async fn snapshot(client: &Client, volume: &str) -> String {
    let body =
        client.post("/snapshots", json!({"snapshot": {"volume_id": volume, "name": "s"}})).await.ok(202);
    assert_eq!(body["snapshot"]["status"], "creating");
    let id = body["snapshot"]["id"].as_str().unwrap().to_owned();
    settled(client, &id, "available").await;
    id
}

#[tokio::test]
async fn a_snapshot_becomes_a_volume_again() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 2})).await;
    let id = snapshot(&client, &volume).await;
    let copy = client.volume(json!({"snapshot_id": id, "size": 4})).await;
    assert_eq!(client.show(&copy).await["snapshot_id"], json!(id));
    client.post("/volumes", json!({"volume": {"snapshot_id": id, "size": 1}})).await.fault(400, "badRequest");
    let list = client.get(&format!("/snapshots?volume_id={volume}")).await.ok(200);
    assert_eq!(list["snapshots"][0]["size"], 2);
    assert_eq!(client.get("/snapshots/detail?status=error").await.ok(200)["snapshots"], json!([]));
    let path = format!("/snapshots/{id}");
    let body = client.put(&path, json!({"snapshot": {"name": "t"}})).await.ok(200);
    assert_eq!(body["snapshot"]["name"], "t");
    client.delete(&path).await.ok(202);
    settled(&client, &id, "gone").await;
    client.delete(&path).await.fault(404, "itemNotFound");
    assert_eq!(client.paper.calls(), ["create 2", "clone 2", "clone 4", "delete"]);
}

#[tokio::test]
async fn a_volume_with_snapshots_is_deleted_with_cascade_only() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let id = snapshot(&client, &volume).await;
    client.delete(&format!("/volumes/{volume}")).await.fault(400, "badRequest");
    client.delete(&format!("/volumes/{volume}?cascade=true")).await.ok(202);
    client.wait(&volume, "gone").await;
    settled(&client, &id, "gone").await;
    assert!(client.paper.volumes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_volume_in_use_needs_force_before_3_66() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let attachment = id_of(&client.attach(&volume, "rw").await.ok(200));
    client.complete(&attachment).await.ok(204);
    let early = client.at("volume 3.65");
    let plain = json!({"snapshot": {"volume_id": volume}});
    early.post("/snapshots", plain.clone()).await.fault(400, "badRequest");
    early.post("/snapshots", json!({"snapshot": {"volume_id": volume, "force": true}})).await.ok(202);
    client.post("/snapshots", plain).await.ok(202);
    let unforced = json!({"snapshot": {"volume_id": volume, "force": false}});
    client.post("/snapshots", unforced).await.fault(400, "badRequest");
    client.post("/snapshots", json!({"snapshot": {"volume_id": NONE}})).await.fault(404, "itemNotFound");
    client.post("/snapshots", json!({"snapshot": {}})).await.fault(400, "badRequest");
}

#[tokio::test]
async fn snapshots_count() {
    let client = Client::new();
    let set = json!({"quota_set": {"snapshots": 1, "gigabytes": 5}});
    client.admin().put(&format!("/os-quota-sets/{PROJECT}"), set).await.ok(200);
    let volume = client.volume(json!({"size": 2})).await;
    snapshot(&client, &volume).await;
    let again = json!({"snapshot": {"volume_id": volume}});
    client.post("/snapshots", again).await.fault(413, "overLimit");
    client.post("/volumes", json!({"volume": {"size": 2}})).await.fault(413, "overLimit");
}
