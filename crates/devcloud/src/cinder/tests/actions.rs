//! Actions on volumes: sizes, flags, and the attach flow from before 3.27.

use super::*;

#[tokio::test]
async fn a_volume_grows_and_never_shrinks() {
    let client = Client::new();
    let id = client.volume(json!({"size": 2})).await;
    for size in [json!(2), json!(1), json!(0), json!("x"), Value::Null] {
        client.action(&id, json!({"os-extend": {"new_size": size}})).await.fault(400, "badRequest");
    }
    client.action(&id, json!({"os-extend": {"new_size": 5}})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "extending");
    client.action(&id, json!({"os-extend": {"new_size": 6}})).await.fault(400, "badRequest");
    client.wait(&id, "available").await;
    assert_eq!(client.show(&id).await["size"], 5);
    assert_eq!(client.paper.calls(), ["create 2", "extend 5"]);
}

#[tokio::test]
async fn a_volume_in_use_grows_from_3_42() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let attachment = id_of(&client.attach(&id, "rw").await.ok(200));
    client.complete(&attachment).await.ok(204);
    let extend = json!({"os-extend": {"new_size": 2}});
    client.at("volume 3.41").action(&id, extend.clone()).await.fault(400, "badRequest");
    client.at("volume 3.42").action(&id, extend).await.ok(202);
    client.wait(&id, "in-use").await;
    assert_eq!(client.show(&id).await["size"], 2);
}

#[tokio::test]
async fn a_failed_extension_shows() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.cinder.set_faults(CinderFaults { next_extend_fails: 1, ..CinderFaults::default() });
    client.action(&id, json!({"os-extend": {"new_size": 2}})).await.ok(202);
    client.wait(&id, "error_extending").await;
    assert_eq!(client.show(&id).await["size"], 1);
}

#[tokio::test]
async fn flags_are_set() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.action(&id, json!({"os-set_bootable": {"bootable": true}})).await.ok(200);
    assert_eq!(client.show(&id).await["bootable"], "true");
    client.action(&id, json!({"os-set_bootable": {"bootable": "perhaps"}})).await.fault(400, "badRequest");
    client.action(&id, json!({"os-update_readonly_flag": {}})).await.fault(400, "badRequest");
    client.action(&id, json!({"os-nonsense": {}})).await.fault(400, "badRequest");
    client.action(&id, json!({})).await.fault(400, "badRequest");
    client.action(NONE, json!({"os-reserve": null})).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn only_administrators_reset_states() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let reset = json!({"os-reset_status": {"status": "maintenance"}});
    client.action(&id, reset.clone()).await.fault(403, "forbidden");
    let admin = client.admin();
    admin.action(&id, reset).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "maintenance");
    admin.action(&id, json!({"os-reset_status": {"status": "odd"}})).await.fault(400, "badRequest");
    admin.action(&id, json!({"os-reset_status": {}})).await.fault(400, "badRequest");
}

#[tokio::test]
async fn the_old_flow_attaches_and_detaches() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let connector = json!({"connector": {"host": "h"}});
    client.action(&id, json!({"os-reserve": null})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "attaching");
    let message = client.action(&id, json!({"os-reserve": null})).await.fault(400, "badRequest");
    assert!(message.contains("status must be available to reserve"), "{message}");
    let info = client.action(&id, json!({"os-initialize_connection": connector})).await.ok(200);
    assert_eq!(info["connection_info"]["driver_volume_type"], "local");
    assert_eq!(info["connection_info"]["data"]["device_path"], "/dev/paper0");
    for arguments in [
        json!({"host_name": "h", "mountpoint": null}),
        json!({"host_name": "h", "mountpoint": ""}),
        json!({"host_name": "h"}),
        json!({"mountpoint": "/m"}),
        json!({"host_name": "h", "instance_uuid": NONE, "mountpoint": "/m"}),
        json!({"host_name": "h", "mountpoint": "/m", "mode": "x"}),
    ] {
        client.action(&id, json!({"os-attach": arguments})).await.fault(400, "badRequest");
    }
    client.action(&id, json!({"os-attach": {"host_name": "h", "mountpoint": "/m"}})).await.ok(202);
    let shown = client.show(&id).await;
    assert_eq!(shown["status"], "in-use");
    let attachment = shown["attachments"][0]["attachment_id"].clone();
    client.action(&id, json!({"os-begin_detaching": null})).await.ok(202);
    client.action(&id, json!({"os-begin_detaching": null})).await.fault(400, "badRequest");
    client.action(&id, json!({"os-roll_detaching": null})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "in-use");
    client.action(&id, json!({"os-begin_detaching": null})).await.ok(202);
    client.action(&id, json!({"os-terminate_connection": connector})).await.ok(202);
    assert!(!client.paper.is_exported(&id));
    client.action(&id, json!({"os-detach": {"attachment_id": NONE}})).await.fault(404, "itemNotFound");
    client.action(&id, json!({"os-detach": {"attachment_id": attachment}})).await.ok(202);
    let shown = client.show(&id).await;
    assert_eq!((&shown["status"], &shown["attachments"]), (&json!("available"), &json!([])));
}

#[tokio::test]
async fn a_reservation_of_the_old_flow_can_be_taken_back() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.action(&id, json!({"os-unreserve": null})).await.ok(202);
    client.action(&id, json!({"os-reserve": {}})).await.ok(202);
    client.action(&id, json!({"os-unreserve": {}})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "available");
    client.action(&id, json!({"os-initialize_connection": {}})).await.fault(400, "badRequest");
}

#[tokio::test]
async fn with_several_attachments_the_old_flow_wants_to_know_which() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1, "volume_type": "multi"})).await;
    for host in ["h1", "h2"] {
        client.action(&id, json!({"os-attach": {"host_name": host, "mountpoint": "/m"}})).await.ok(202);
    }
    client.action(&id, json!({"os-detach": {}})).await.fault(409, "conflictingRequest");
    let terminate = json!({"os-terminate_connection": {"connector": {"host": "h1"}}});
    client.action(&id, terminate).await.fault(409, "conflictingRequest");
    let first = client.show(&id).await["attachments"][0]["attachment_id"].clone();
    client.action(&id, json!({"os-detach": {"attachment_id": first}})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "in-use");
    client.action(&id, json!({"os-detach": {}})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "available");
}

#[tokio::test]
async fn the_old_flow_does_not_take_from_servers_either() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    client.action(&id, json!({"os-attach": {"instance_uuid": NONE, "mountpoint": "/dev/vdb"}})).await.ok(202);
    let shown = client.show(&id).await;
    assert_eq!(shown["attachments"][0]["server_id"], NONE);
    client.action(&id, json!({"os-detach": {}})).await.fault(409, "conflictingRequest");
    client.action(&id, json!({"os-force_detach": {}})).await.fault(403, "forbidden");
    client.admin().action(&id, json!({"os-force_detach": {}})).await.fault(409, "conflictingRequest");
    let nova = Client { service: true, admin: true, ..client.again() };
    nova.action(&id, json!({"os-force_detach": {}})).await.ok(202);
    assert_eq!(client.show(&id).await["status"], "available");
}
