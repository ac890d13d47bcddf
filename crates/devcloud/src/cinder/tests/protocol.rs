//! Versions, paths and who may call.

use super::*;

#[tokio::test]
async fn the_roots_name_the_versions_without_a_token() {
    let client = Client::new();
    for (path, status) in [("/", 300), ("/v3/", 200), ("/v3", 200)] {
        let request = Request::builder().uri(path).header("host", "cloud.test").body(Body::empty()).unwrap();
        let body = send(&client.cinder, request).await.ok(status);
        assert_eq!(body["versions"][0]["version"], "3.71");
        assert_eq!(body["versions"][0]["min_version"], "3.0");
        assert_eq!(body["versions"][0]["links"][1]["href"], "http://cloud.test/v3/");
    }
    client.cinder.set_public_url("http://127.0.0.1:1/volume/");
    let body = client.raw(Method::GET, "/v3/", None).await.ok(200);
    assert_eq!(body["versions"][0]["links"][1]["href"], "http://127.0.0.1:1/volume/v3/");
}

#[tokio::test]
async fn the_microversion_is_echoed() {
    let client = Client::new();
    for (asked, told) in [
        ("", "volume 3.0"),
        ("volume 3.27", "volume 3.27"),
        ("volume latest", "volume 3.71"),
        ("compute 2.1", "volume 3.0"),
        ("compute 2.1, volume 3.5", "volume 3.5"),
    ] {
        let got = client.at(asked).get("/volumes").await;
        assert_eq!(got.status, 200, "{asked}");
        assert_eq!(got.headers["openstack-api-version"], told);
        assert_eq!(got.headers["vary"], "OpenStack-API-Version");
        assert!(got.headers["x-openstack-request-id"].to_str().unwrap().starts_with("req-"));
    }
}

#[tokio::test]
async fn a_microversion_outside_the_range_is_not_acceptable() {
    let client = Client::new();
    for asked in ["volume 3.72", "volume 4.0", "volume 2.0"] {
        client.at(asked).get("/volumes").await.fault(406, "computeFault");
    }
    for asked in ["volume", "volume 3", "volume 3.x", "volume 3.007", "volume v3.1"] {
        client.at(asked).get("/volumes").await.fault(400, "badRequest");
    }
}

#[tokio::test]
async fn each_feature_waits_for_its_microversion() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let reserve = json!({"attachment": {"volume_uuid": id}});
    client.at("volume 3.26").post("/attachments", reserve.clone()).await.fault(404, "itemNotFound");
    client.at("volume 3.26").get("/attachments").await.fault(404, "itemNotFound");
    let with_mode = json!({"attachment": {"volume_uuid": id, "mode": "rw"}});
    client.at("volume 3.53").post("/attachments", with_mode).await.fault(400, "badRequest");
    let attachment = id_of(&client.at("volume 3.27").post("/attachments", reserve).await.ok(200));
    client.at("volume 3.43").complete(&attachment).await.fault(404, "itemNotFound");
    assert_eq!(client.at("volume 3.44").complete(&attachment).await.status, 204);
    assert!(client.at("volume 3.44").get("/volumes?with_count=true").await.ok(200).get("count").is_none());
    assert_eq!(client.at("volume 3.45").get("/volumes?with_count=true").await.ok(200)["count"], 1);
    assert!(client.at("volume 3.12").show(&id).await.get("group_id").is_none());
    assert!(client.at("volume 3.13").show(&id).await.get("group_id").is_some());
}

#[tokio::test]
async fn the_project_may_be_left_out_from_3_67() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let path = format!("/v3/volumes/{id}");
    let body = client.raw(Method::GET, &path, None).await.ok(200);
    assert_eq!(body["volume"]["links"][0]["href"], format!("http://cloud.test{path}"));
    client.at("volume 3.66").raw(Method::GET, &path, None).await.fault(404, "itemNotFound");
    assert_eq!(client.raw(Method::GET, "/v3/volumes/detail", None).await.status, 200);
}

#[tokio::test]
async fn another_project_in_the_path_is_a_malformed_url() {
    let client = Client::new();
    client.raw(Method::GET, "/v3/fedcba98/volumes", None).await.fault(400, "badRequest");
}

#[tokio::test]
async fn without_a_caller_nothing_is_answered() {
    let client = Client::new();
    let request = Request::builder().uri(format!("/v3/{PROJECT}/volumes")).body(Body::empty()).unwrap();
    send(&client.cinder, request).await.fault(401, "unauthorized");
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies_are_refused_in_cinders_words() {
    let client = Client::new();
    client.get("/nonsense").await.fault(404, "itemNotFound");
    client.put("/volumes", json!({})).await.fault(405, "badMethod");
    client.post("/volumes", json!([])).await.fault(400, "badRequest");
    client.post("/volumes", json!({})).await.fault(400, "badRequest");
    client.post("/volumes", json!({"volume": 1})).await.fault(400, "badRequest");
}

#[tokio::test]
async fn a_strangers_volume_is_not_there() {
    let client = Client::new();
    let id = client.volume(json!({"size": 1})).await;
    let stranger = Client { project: "fedcba9876543210fedcba9876543210".into(), ..client.again() };
    stranger.get(&format!("/volumes/{id}")).await.fault(404, "itemNotFound");
    stranger.delete(&format!("/volumes/{id}")).await.fault(404, "itemNotFound");
    stranger.attach(&id, "rw").await.fault(404, "itemNotFound");
    let admin = Client { admin: true, ..stranger.again() };
    assert_eq!(admin.show(&id).await["os-vol-host-attr:host"], "devcloud@loop#loop");
    assert!(client.show(&id).await.get("os-vol-host-attr:host").is_none());
}

#[tokio::test]
async fn types_show_users_only_what_they_may_see() {
    let client = Client::new();
    let types = client.get("/types").await.ok(200);
    let names: Vec<_> = types["volume_types"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    assert_eq!(names, ["default", "luks", "multi"]);
    let multi = types["volume_types"][2]["id"].as_str().unwrap();
    let specs = client.get(&format!("/types/{multi}/extra_specs")).await.ok(200);
    assert_eq!(specs["extra_specs"]["multiattach"], "<is> True");
    let spec = client.get(&format!("/types/{multi}/extra_specs/multiattach")).await.ok(200);
    assert_eq!(spec["multiattach"], "<is> True");
    assert_eq!(client.get("/types/default").await.ok(200)["volume_type"]["name"], "default");
    client.get(&format!("/types/{NONE}")).await.fault(404, "itemNotFound");
    let luks = types["volume_types"][1]["id"].as_str().unwrap();
    client.get(&format!("/types/{luks}/encryption")).await.fault(403, "forbidden");
    let encryption = client.admin().get(&format!("/types/{luks}/encryption")).await.ok(200);
    assert_eq!(encryption["provider"], "luks");
    assert_eq!(
        client.get("/os-availability-zone").await.ok(200)["availabilityZoneInfo"][0]["zoneName"],
        "nova"
    );
}

#[tokio::test]
async fn the_service_can_be_mounted_below_a_prefix() {
    let client = Client::new();
    let nested = axum::Router::new().nest("/volume", router(Arc::clone(&client.cinder)));
    for (path, status) in [("/volume", 300), ("/volume/v3/", 200), ("/volume/v3", 200)] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(nested.clone().oneshot(request).await.unwrap().status().as_u16(), status, "{path}");
    }
}
