//! The attachments API.

use super::*;

#[tokio::test]
async fn two_calls_attach_and_one_detaches() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let body = client.attach(&volume, "rw").await.ok(200)["attachment"].clone();
    let id = body["id"].as_str().unwrap();
    assert_eq!(body["status"], "attaching");
    assert_eq!(body["attach_mode"], "rw");
    assert_eq!(body["instance"], Value::Null);
    assert_eq!(body["volume_id"], json!(volume));
    assert!(body.get("connector").is_none() && body.get("host").is_none());
    let info = &body["connection_info"];
    assert_eq!(info["driver_volume_type"], "local");
    assert_eq!(info["device_path"], "/dev/paper0");
    assert_eq!(info["access_mode"], "rw");
    assert_eq!(info["encrypted"], false);
    assert_eq!(info["attachment_id"], json!(id));
    assert!(info.get("data").is_none(), "flattened");
    let shown = client.show(&volume).await;
    assert_eq!((&shown["status"], &shown["attachments"]), (&json!("attaching"), &json!([])));
    assert_eq!(client.complete(id).await.status, 204);
    let shown = client.show(&volume).await;
    assert_eq!(shown["status"], "in-use");
    assert_eq!(shown["attachments"][0]["attachment_id"], json!(id));
    assert_eq!(shown["attachments"][0]["id"], json!(volume));
    assert_eq!(shown["attachments"][0]["device"], "/var/lib/fuxi/x");
    assert_eq!(shown["attachments"][0]["host_name"], Value::Null, "hidden from users");
    assert_eq!(shown["metadata"]["attached_mode"], "rw");
    assert_eq!(client.admin().show(&volume).await["attachments"][0]["host_name"], "h1");
    let left = client.delete(&format!("/attachments/{id}")).await.ok(200);
    assert_eq!(left, json!({"attachments": []}));
    assert_eq!(client.show(&volume).await["status"], "available");
    assert!(!client.paper.is_exported(&volume));
    client.delete(&format!("/attachments/{id}")).await.fault(404, "itemNotFound");
    client.get(&format!("/attachments/{id}")).await.fault(404, "itemNotFound");
    client.complete(id).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn a_reservation_can_be_connected_later_or_dropped() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let reserve = json!({"attachment": {"volume_uuid": volume}});
    let body = client.post("/attachments", reserve.clone()).await.ok(200);
    let id = id_of(&body);
    assert_eq!(body["attachment"]["status"], "reserved");
    assert_eq!(body["attachment"]["connection_info"], json!({}));
    assert_eq!(body["attachment"]["attach_mode"], "null");
    assert_eq!(client.show(&volume).await["status"], "reserved");
    let path = format!("/attachments/{id}");
    client.put(&path, json!({"attachment": {}})).await.fault(400, "badRequest");
    client.put(&path, json!({"attachment": {"connector": {"ip": "::1"}}})).await.fault(400, "badRequest");
    let connector = json!({"attachment": {"connector": {"host": "h", "mode": "ro"}}});
    let body = client.put(&path, connector).await.ok(200);
    assert_eq!(body["attachment"]["status"], "attaching");
    assert_eq!(body["attachment"]["connection_info"]["access_mode"], "ro");
    client.delete(&path).await.ok(200);
    let again = id_of(&client.post("/attachments", reserve).await.ok(200));
    client.delete(&format!("/attachments/{again}")).await.ok(200);
    assert_eq!(client.show(&volume).await["status"], "available");
    assert_eq!(
        client.paper.calls(),
        ["create 1", "export ro", "unexport"],
        "a reservation is not the back end's"
    );
}

#[tokio::test]
async fn of_many_hosts_at_once_exactly_one_gets_the_volume() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, volume) = (client.again(), volume.clone());
        tasks.spawn(async move { client.attach(&volume, "rw").await });
    }
    let mut won = 0;
    while let Some(got) = tasks.join_next().await {
        let got = got.unwrap();
        if got.status == 200 {
            won += 1;
        } else {
            let message = got.fault(400, "badRequest");
            assert!(message.contains("status must be available or downloading to reserve"), "{message}");
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_multiattach_volume_serves_several_hosts_one_after_the_other() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1, "volume_type": "multi"})).await;
    let first = id_of(&client.attach(&volume, "rw").await.ok(200));
    let message = client.attach(&volume, "ro").await.fault(400, "badRequest");
    assert!(
        message.contains("available or in-use or downloading"),
        "not while another host attaches: {message}"
    );
    client.complete(&first).await.ok(204);
    let second = id_of(&client.attach(&volume, "ro").await.ok(200));
    client.complete(&second).await.ok(204);
    assert_eq!(client.show(&volume).await["attachments"].as_array().unwrap().len(), 2);
    let left = client.delete(&format!("/attachments/{first}")).await.ok(200);
    assert_eq!(left["attachments"][0]["id"], json!(second));
    assert!(left["attachments"][0].get("connection_info").is_none(), "a summary");
    assert_eq!(client.show(&volume).await["status"], "in-use");
    assert!(client.paper.is_exported(&volume), "the other host still uses it");
    client.delete(&format!("/attachments/{second}")).await.ok(200);
    assert!(!client.paper.is_exported(&volume));
}

#[tokio::test]
async fn a_failed_connection_leaves_a_reservation_its_caller_must_find() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    client.cinder.set_faults(CinderFaults { next_connect_fails: 1, ..CinderFaults::default() });
    let message = client.attach(&volume, "rw").await.fault(500, "computeFault");
    assert_eq!(client.show(&volume).await["status"], "reserved");
    let found = client.get(&format!("/attachments?volume_id={volume}")).await.ok(200);
    let id = found["attachments"][0]["id"].as_str().unwrap();
    assert_eq!(found["attachments"][0]["status"], "reserved");
    assert!(!message.contains(id));
    client.delete(&format!("/attachments/{id}")).await.ok(200);
    client.attach(&volume, "rw").await.ok(200);
}

#[tokio::test]
async fn a_failed_disconnection_keeps_the_attachment() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let id = id_of(&client.attach(&volume, "rw").await.ok(200));
    client.complete(&id).await.ok(204);
    client.cinder.set_faults(CinderFaults { next_disconnect_fails: 1, ..CinderFaults::default() });
    client.delete(&format!("/attachments/{id}")).await.fault(500, "computeFault");
    assert_eq!(client.show(&volume).await["attachments"][0]["attachment_id"], json!(id));
    client.delete(&format!("/attachments/{id}")).await.ok(200);
}

#[tokio::test]
async fn without_a_data_path_nothing_is_connected() {
    let cinder = Cinder::new(CinderOptions::default(), None);
    let client = Client { cinder, ..Client::new() };
    let volume = client.volume(json!({"size": 1})).await;
    let message = client.attach(&volume, "rw").await.fault(500, "computeFault");
    assert!(message.contains("no volume data path"), "{message}");
    assert_eq!(client.show(&volume).await["status"], "reserved");
}

#[tokio::test]
async fn what_belongs_to_a_server_is_released_by_services_only() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let reserve = json!({"attachment": {"volume_uuid": volume, "instance_uuid": NONE}});
    let id = id_of(&client.post("/attachments", reserve.clone()).await.ok(200));
    // The same server may reserve again, for a move; another one may not.
    let second = id_of(&client.post("/attachments", reserve).await.ok(200));
    let other = json!({"attachment": {"volume_uuid": volume, "instance_uuid": volume}});
    client.post("/attachments", other).await.fault(400, "badRequest");
    let message = client.delete(&format!("/attachments/{id}")).await.fault(409, "conflictingRequest");
    assert!(message.contains("using the Compute API"), "{message}");
    let nova = Client { service: true, ..client.again() };
    nova.delete(&format!("/attachments/{id}")).await.ok(200);
    nova.delete(&format!("/attachments/{second}")).await.ok(200);
    assert_eq!(client.show(&volume).await["status"], "available");
}

#[tokio::test]
async fn bad_attachments_are_refused_and_claim_nothing() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    for fields in [
        json!({}),
        json!({"volume_uuid": "x"}),
        json!({"volume_uuid": volume, "instance_uuid": null}),
        json!({"volume_uuid": volume, "connector": "h"}),
        json!({"volume_uuid": volume, "connector": {"ip": "127.0.0.1"}}),
        json!({"volume_uuid": volume, "connector": {"host": "h", "mode": "wo"}}),
        json!({"volume_uuid": volume, "mode": "wo"}),
        json!({"volume_uuid": volume, "other": 1}),
    ] {
        client.post("/attachments", json!({"attachment": fields})).await.fault(400, "badRequest");
    }
    client.attach(NONE, "rw").await.fault(404, "itemNotFound");
    assert_eq!(client.show(&volume).await["status"], "available");
    client
        .post(&format!("/attachments/{NONE}/action"), json!({"os-other": null}))
        .await
        .fault(400, "badRequest");
}

#[tokio::test]
async fn broken_volumes_are_neither_claimed_nor_connected() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    let reserve = json!({"attachment": {"volume_uuid": volume}});
    let id = id_of(&client.post("/attachments", reserve.clone()).await.ok(200));
    client.admin().action(&volume, json!({"os-reset_status": {"status": "error"}})).await.ok(202);
    client.post("/attachments", reserve).await.fault(400, "badRequest");
    let connector = json!({"attachment": {"connector": {"host": "h"}}});
    client.put(&format!("/attachments/{id}"), connector).await.fault(409, "conflictingRequest");
}

#[tokio::test]
async fn attachments_are_listed_by_what_they_belong_to() {
    let client = Client::new();
    let one = client.volume(json!({"size": 1})).await;
    let two = client.volume(json!({"size": 1})).await;
    let first = id_of(&client.attach(&one, "rw").await.ok(200));
    client
        .post("/attachments", json!({"attachment": {"volume_uuid": two, "instance_uuid": NONE}}))
        .await
        .ok(200);
    for (query, wanted) in [
        (String::new(), 2),
        (format!("?volume_id={one}"), 1),
        (format!("?instance_id={NONE}"), 1),
        ("?status=attaching".into(), 1),
        ("?attach_status=attached".into(), 0),
        ("?nonsense=1&limit=1".into(), 1),
    ] {
        let body = client.get(&format!("/attachments{query}")).await.ok(200);
        assert_eq!(body["attachments"].as_array().unwrap().len(), wanted, "{query}");
    }
    let detail = client.get(&format!("/attachments/detail?volume_id={one}")).await.ok(200);
    assert_eq!(detail["attachments"][0]["id"], json!(first));
    assert_eq!(detail["attachments"][0]["connection_info"]["driver_volume_type"], "local");
    let shown = client.get(&format!("/attachments/{first}")).await.ok(200);
    assert_eq!(shown["attachment"], detail["attachments"][0]);
}

#[tokio::test]
async fn a_read_only_volume_is_connected_for_reading_only() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    client.action(&volume, json!({"os-update_readonly_flag": {"readonly": true}})).await.ok(202);
    assert_eq!(client.show(&volume).await["metadata"]["readonly"], "True");
    client.attach(&volume, "rw").await.fault(500, "computeFault");
    let found = client.get(&format!("/attachments?volume_id={volume}")).await.ok(200);
    let id = found["attachments"][0]["id"].as_str().unwrap();
    client.delete(&format!("/attachments/{id}")).await.ok(200);
    client.attach(&volume, "ro").await.ok(200);
    assert_eq!(client.paper.calls(), ["create 1", "export ro"]);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_interrupt_the_back_end() {
    let latencies = Latencies { connect: Duration::from_millis(400), ..Latencies::default() };
    let client = Client::with(CinderOptions { latencies, ..CinderOptions::default() });
    let volume = client.volume(json!({"size": 1})).await;
    let cut = tokio::time::timeout(Duration::from_millis(10), client.attach(&volume, "rw")).await;
    assert!(cut.is_err());
    assert_eq!(client.show(&volume).await["status"], "reserved");
    client.wait(&volume, "attaching").await;
    assert!(client.paper.is_exported(&volume));
}

#[tokio::test]
async fn a_slow_export_keeps_its_caller_waiting_with_the_volume_reserved() {
    let client = Client::new();
    let volume = client.volume(json!({"size": 1})).await;
    client.cinder.set_faults(CinderFaults { connect_ms: 400, ..CinderFaults::default() });
    let cut = tokio::time::timeout(Duration::from_millis(50), client.attach(&volume, "rw")).await;
    assert!(cut.is_err());
    assert_eq!(client.show(&volume).await["status"], "reserved");
    client.wait(&volume, "attaching").await;
}
