//! Failures in the back end, saving and restoring.

use super::*;

#[tokio::test]
async fn a_failed_creation_ends_in_error_and_can_be_deleted() {
    let client = Client::new();
    client.cinder.set_faults(CinderFaults { next_create_fails: 1, ..CinderFaults::default() });
    let body = client.post("/volumes", json!({"volume": {"size": 1}})).await.ok(202);
    let id = body["volume"]["id"].as_str().unwrap();
    client.wait(id, "error").await;
    assert_eq!(client.cinder.faults(), CinderFaults::default(), "used up");
    client.delete(&format!("/volumes/{id}")).await.ok(202);
    client.wait(id, "gone").await;
    client.volume(json!({"size": 1})).await;
}

#[tokio::test]
async fn a_creation_is_stuck_as_long_as_it_is_told_to_be() {
    let client = Client::new();
    client.cinder.set_faults(CinderFaults { stuck_creating: true, ..CinderFaults::default() });
    let body = client.post("/volumes", json!({"volume": {"size": 1}})).await.ok(202);
    let id = body["volume"]["id"].as_str().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client.show(id).await["status"], "creating");
    client.delete(&format!("/volumes/{id}")).await.fault(400, "badRequest");
    client.cinder.set_faults(CinderFaults::default());
    client.wait(id, "available").await;
}

#[tokio::test]
async fn a_failed_deletion_ends_in_error_deleting() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.cinder.set_faults(CinderFaults { next_delete_fails: 1, ..CinderFaults::default() });
    client.delete(&format!("/volumes/{id}")).await.ok(202);
    client.wait(&id, "error_deleting").await;
    client.delete(&format!("/volumes/{id}")).await.fault(400, "badRequest");
    client.admin().action(&id, json!({"os-force_delete": {}})).await.ok(202);
    client.wait(&id, "gone").await;
}

#[tokio::test]
async fn the_back_ends_own_failures_show_too() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.paper.volumes.lock().unwrap().clear();
    let body = client.post("/volumes", json!({"volume": {"source_volid": id}})).await.ok(202);
    client.wait(body["volume"]["id"].as_str().unwrap(), "error").await;
    let message = client.attach(&id, "rw").await.fault(500, "computeFault");
    assert!(message.contains("no such volume"), "{message}");
}

#[tokio::test]
async fn a_saved_service_goes_on_where_it_was() {
    let client = Client::new();
    let mut changed = client.cinder.changed();
    let used = client.volume(json!({"size": 1, "name": "used", "metadata": {"k": "v"}})).await;
    let going = client.volume(json!({"size": 1, "name": "going"})).await;
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    let attachment = id_of(&client.attach(&used, "rw").await.ok(200));
    client.complete(&attachment).await.ok(204);
    client.delete(&format!("/volumes/{going}")).await.ok(202);
    let body = client.post("/volumes", json!({"volume": {"size": 1, "name": "coming"}})).await.ok(202);
    let coming = body["volume"]["id"].as_str().unwrap();
    let saved = client.cinder.snapshot();
    assert_eq!(saved["attachments"][&attachment]["volume_id"], json!(used));
    assert_eq!(saved["volumes"].as_object().unwrap().len(), 3);
    assert!(changed.has_changed().unwrap());
    client.paper.exported.lock().unwrap().clear();

    let path: Arc<dyn VolumeDataPath> = client.paper.clone();
    let next = Client { cinder: Cinder::new(CinderOptions::default(), Some(path)), ..client.again() };
    assert!(next.cinder.restore(json!({"volumes": 1})).is_err());
    next.cinder.restore(saved).unwrap();
    assert_eq!(next.show(&used).await["metadata"]["k"], "v");
    next.wait(coming, "error").await;
    next.wait(&going, "gone").await;
    for _ in 0..100 {
        if next.paper.is_exported(&used) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(next.paper.is_exported(&used), "exported again");
    let shown = next.get(&format!("/attachments/{attachment}")).await.ok(200);
    assert_eq!(shown["attachment"]["connection_info"]["device_path"], "/dev/paper0");
    next.delete(&format!("/attachments/{attachment}")).await.ok(200);
    assert_eq!(next.show(&used).await["status"], "available");
}
