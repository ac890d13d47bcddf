use serde_json::{Value, json};

use crate::client::id;
use crate::manila::Shares;

#[tokio::test]
async fn the_version_document_names_the_newest() {
    let shares = Shares::start().await;
    let document = shares.cloud.call("", "GET", "/share/v2", None).await.ok(200);
    assert_eq!(document["versions"][0]["id"], "v2.0");
    assert_eq!(
        (&document["versions"][0]["version"], &document["versions"][0]["min_version"]),
        (&json!("2.63"), &json!("2.0"))
    );
    // An older Manila is played.
    shares.faults(json!({"newest_microversion": 40})).await;
    let document = shares.cloud.call("", "GET", "/share/v2/", None).await.ok(200);
    assert_eq!(document["versions"][0]["version"], "2.40");
    shares.at("2.41").get("/shares").await.fault(406, "computeFault");
    shares.at("2.40").get("/shares").await.ok(200);
}

#[tokio::test]
async fn answers_name_the_version_they_have() {
    let shares = Shares::start().await;
    let path = format!("/share/v2/{}/shares", shares.project);
    for (asked, status, named) in [
        ("", 200, Some("2.0")),
        ("2.45", 200, Some("2.45")),
        ("2.64", 406, None),
        ("1.0", 406, None),
        ("two", 400, None),
        ("2.05", 400, None),
    ] {
        let answer = shares.at(asked).raw("GET", &path, None).await;
        assert_eq!(answer.status(), status, "{asked}");
        let header = answer.headers().get("x-openstack-manila-api-version").map(|v| v.to_str().unwrap());
        assert_eq!(header, named, "{asked}");
        assert!(answer.headers().get_all("vary").iter().any(|v| v == "X-OpenStack-Manila-API-Version"));
    }
    // The project may be left out since 2.60.
    assert_eq!(shares.at("2.60").raw("GET", "/share/v2/shares", None).await.status(), 200);
    assert_eq!(shares.at("2.59").raw("GET", "/share/v2/shares", None).await.status(), 404);
}

#[tokio::test]
async fn fields_come_with_their_versions() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    for (field, since) in [
        ("snapshot_support", 2),
        ("task_state", 5),
        ("share_type_name", 6),
        ("access_rules_status", 10),
        ("has_replicas", 11),
        ("user_id", 16),
        ("create_share_from_snapshot_support", 24),
        ("revert_to_snapshot_support", 27),
        ("share_group_id", 31),
        ("mount_snapshot_support", 32),
        ("progress", 54),
    ] {
        let has = |view: &Value| view.get(field).is_some();
        assert!(!has(&shares.at(&format!("2.{}", since - 1)).show(&share).await), "{field}");
        assert!(has(&shares.at(&format!("2.{since}")).show(&share).await), "{field}");
    }
    assert_eq!(shares.at("2.5").show(&share).await["share_type"], "default");
    assert_ne!(shares.at("2.6").show(&share).await["share_type"], "default");
}

#[tokio::test]
async fn actions_are_named_as_their_version_names_them() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    let rule = json!({"access_type": "ip", "access_to": "10.0.0.9", "metadata": {"k": "v"}});
    shares.at("2.7").action(&share, json!({"os-allow_access": rule})).await.fault(400, "badRequest");
    shares.at("2.6").action(&share, json!({"allow_access": rule})).await.fault(400, "badRequest");
    let made = shares.at("2.6").action(&share, json!({"os-allow_access": rule})).await.ok(200);
    assert_eq!(made["access"].get("metadata"), None);
    shares.wait_rule(&id(&made["access"]), "active").await;
    assert_eq!(shares.rules(&share).await[0]["metadata"], json!({}));
    shares.at("2.44").get(&format!("/share-access-rules?share_id={share}")).await.fault(404, "itemNotFound");
    shares.at("2.44").action(&share, json!({"access_list": null})).await.ok(200);
    shares.at("2.45").action(&share, json!({"access_list": null})).await.fault(404, "itemNotFound");
}
