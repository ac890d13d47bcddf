//! Volumes and their metadata.

use super::*;

#[tokio::test]
async fn a_volume_becomes_available_after_its_answer() {
    let client = Client::new();
    let body = json!({
        "volume": {"size": "2", "name": " v ", "description": null, "metadata": {"a": "b"}, "availability_zone": "nova"},
        "OS-SCH-HNT:scheduler_hints": {"same_host": []},
    });
    let volume = client.post("/volumes", body).await.ok(202)["volume"].clone();
    assert_eq!(volume["status"], "creating");
    let id = volume["id"].as_str().unwrap();
    client.wait(id, "available").await;
    let shown = client.show(id).await;
    assert_eq!(shown["name"], "v");
    assert_eq!(shown["size"], 2);
    assert_eq!(shown["metadata"], json!({"a": "b"}));
    assert_eq!(shown["bootable"], "false");
    assert_eq!(shown["encrypted"], false);
    assert_eq!(shown["multiattach"], false);
    assert_eq!(shown["volume_type"], "default");
    assert_eq!(shown["attachments"], json!([]));
    assert_eq!(shown["os-vol-tenant-attr:tenant_id"], PROJECT);
    let created = shown["created_at"].as_str().unwrap();
    assert_eq!(created.len(), "2026-01-31T12:00:00.000000".len(), "no zone: {created}");
    assert_eq!(client.paper.calls(), ["create 2"]);
}

#[tokio::test]
async fn bad_fields_are_refused_and_leave_nothing() {
    let client = Client::new();
    for fields in [
        json!({}),
        json!({"size": null}),
        json!({"size": 0}),
        json!({"size": -1}),
        json!({"size": 1.5}),
        json!({"size": "x"}),
        json!({"size": "+1"}),
        json!({"size": true}),
        json!({"size": 1, "multiattach": true}),
        json!({"size": 1, "multiattach": false}),
        json!({"size": 1, "metadata": []}),
        json!({"size": 1, "metadata": {"a": 1}}),
        json!({"size": 1, "metadata": {"": "b"}}),
        json!({"size": 1, "metadata": {"a": "b".repeat(256)}}),
        json!({"size": 1, "name": "n".repeat(256)}),
        json!({"size": 1, "name": 7}),
        json!({"size": 1, "imageRef": NONE}),
        json!({"size": 1, "availability_zone": "moon"}),
        json!({"size": 1, "snapshot_id": "no-uuid"}),
        json!({"size": 1, "snapshot_id": NONE, "source_volid": NONE}),
        json!({"size": 1, "unknown": 1}),
    ] {
        client.post("/volumes", json!({"volume": fields})).await.fault(400, "badRequest");
    }
    for fields in [
        json!({"size": 1, "volume_type": "nope"}),
        json!({"size": 1, "snapshot_id": NONE}),
        json!({"size": 1, "source_volid": NONE}),
        json!({"size": 1, "group_id": NONE}),
    ] {
        client.post("/volumes", json!({"volume": fields})).await.fault(404, "itemNotFound");
    }
    let extra = json!({"volume": {"size": 1}, "more": 1});
    client.post("/volumes", extra).await.fault(400, "badRequest");
    assert_eq!(client.get("/volumes").await.ok(200)["volumes"], json!([]));
    // Before 3.53 unknown keys are overlooked, before 3.13 groups are.
    let early = client.at("volume 3.12");
    early.volume(json!({"size": 1, "unknown": 1, "group_id": NONE})).await;
}

#[tokio::test]
async fn a_clone_is_at_least_as_large_as_its_source() {
    let client = Client::new();
    let source = client.volume(json!({"size": 2})).await;
    let small = json!({"volume": {"size": 1, "source_volid": source}});
    client.post("/volumes", small).await.fault(400, "badRequest");
    let same = client.volume(json!({"source_volid": source})).await;
    assert_eq!(client.show(&same).await["size"], 2);
    client.volume(json!({"size": 3, "source_volid": source})).await;
    assert_eq!(client.paper.calls(), ["create 2", "clone 2", "clone 3"]);
}

#[tokio::test]
async fn the_type_decides_about_multiattach_and_encryption() {
    let client = Client::new();
    let multi = client.volume(json!({"size": 1, "volume_type": "multi"})).await;
    assert_eq!(client.show(&multi).await["multiattach"], true);
    let luks = client.volume(json!({"size": 1, "volume_type": "luks"})).await;
    assert_eq!(client.show(&luks).await["encrypted"], true);
    let info = client.attach(&luks, "rw").await.ok(200)["attachment"]["connection_info"].clone();
    assert_eq!(info["encrypted"], true);
    let encryption = client.get(&format!("/volumes/{luks}/encryption")).await.ok(200);
    assert_eq!(encryption["provider"], "luks");
}

#[tokio::test]
async fn name_and_description_can_change() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1, "name": "old"})).await;
    let path = format!("/volumes/{id}");
    let body = client.put(&path, json!({"volume": {"name": "new"}})).await.ok(200);
    assert_eq!(body["volume"]["name"], "new");
    assert!(!body["volume"]["updated_at"].is_null());
    client.put(&path, json!({"volume": {"size": 2}})).await.fault(400, "badRequest");
    client.put(&path, json!({"volume": {}})).await.fault(400, "badRequest");
    client
        .put(&format!("/volumes/{NONE}"), json!({"volume": {"name": "x"}}))
        .await
        .fault(404, "itemNotFound");
}

#[tokio::test]
async fn a_deleted_volume_is_gone_after_a_while() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    assert_eq!(client.delete(&format!("/volumes/{id}")).await.status, 202);
    assert_eq!(client.show(&id).await["status"], "deleting");
    client.delete(&format!("/volumes/{id}")).await.fault(400, "badRequest");
    client.wait(&id, "gone").await;
    client.delete(&format!("/volumes/{id}")).await.fault(404, "itemNotFound");
    assert!(client.paper.volumes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_volume_that_is_claimed_or_attached_is_not_deleted() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let attachment = id_of(&client.attach(&id, "rw").await.ok(200));
    client.delete(&format!("/volumes/{id}")).await.fault(400, "badRequest");
    client.complete(&attachment).await.ok(204);
    client.delete(&format!("/volumes/{id}")).await.fault(400, "badRequest");
    let admin = client.admin();
    admin.action(&id, json!({"os-force_delete": {}})).await.fault(400, "badRequest");
    client.action(&id, json!({"os-force_delete": {}})).await.fault(403, "forbidden");
}

#[tokio::test]
async fn metadata_is_merged_by_post_and_replaced_by_put() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1, "metadata": {"a": "1", "b": "2"}})).await;
    let path = format!("/volumes/{id}/metadata");
    let merged = client.post(&path, json!({"metadata": {"b": "3", "c": "4"}})).await.ok(200);
    assert_eq!(merged, json!({"metadata": {"a": "1", "b": "3", "c": "4"}}));
    assert_eq!(client.get(&path).await.ok(200), merged);
    assert_eq!(client.get(&format!("{path}/a")).await.ok(200), json!({"meta": {"a": "1"}}));
    assert_eq!(client.delete(&format!("{path}/a")).await.status, 200);
    client.delete(&format!("{path}/a")).await.fault(404, "itemNotFound");
    client.get(&format!("{path}/a")).await.fault(404, "itemNotFound");
    client.put(&format!("{path}/d"), json!({"meta": {"d": "5"}})).await.ok(200);
    client.put(&format!("{path}/d"), json!({"meta": {"e": "5"}})).await.fault(400, "badRequest");
    assert_eq!(client.show(&id).await["metadata"], json!({"b": "3", "c": "4", "d": "5"}));
    let replaced = client.put(&path, json!({"metadata": {"z": "0"}})).await.ok(200);
    assert_eq!(replaced, json!({"metadata": {"z": "0"}}));
    client.post(&path, json!({"metadata": {"z": 0}})).await.fault(400, "badRequest");
    client.post(&path, json!({})).await.fault(400, "badRequest");
    client.get(&format!("/volumes/{NONE}/metadata")).await.fault(404, "itemNotFound");
}
