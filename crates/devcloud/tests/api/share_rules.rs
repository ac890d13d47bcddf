use serde_json::json;

use crate::client::id;
use crate::manila::Shares;

#[tokio::test]
async fn a_rule_comes_into_force_and_goes_step_by_step() {
    let shares = Shares::start().await;
    shares.faults(json!({"rule_ms": 700})).await;
    let share = shares.share(json!({})).await;
    let body = json!({"allow_access": {"access_type": "ip", "access_to": "10.0.0.9", "access_level": "ro",
                      "metadata": {"k": "v"}}});
    let rule = shares.action(&share, body).await.ok(200)["access"].clone();
    assert_eq!((&rule["state"], &rule["share_id"]), (&json!("queued_to_apply"), &json!(share)));
    assert_eq!((&rule["access_level"], &rule["metadata"]), (&json!("ro"), &json!({"k": "v"})));
    assert_eq!(shares.show(&share).await["access_rules_status"], "syncing");
    let seen = shares.wait_rule(&id(&rule), "active").await;
    assert_eq!(seen, ["queued_to_apply", "applying", "active"]);
    assert_eq!(shares.show(&share).await["access_rules_status"], "active");
    let deny = json!({"deny_access": {"access_id": id(&rule)}});
    assert_eq!(shares.action(&share, deny.clone()).await.status, 202);
    assert_eq!(shares.wait_rule(&id(&rule), "gone").await, ["queued_to_deny", "denying"]);
    assert!(shares.rules(&share).await.is_empty());
    shares.action(&share, deny).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn nobody_is_let_in_twice() {
    let shares = Shares::start().await;
    shares.faults(json!({"rule_ms": 1_000})).await;
    let share = shares.share(json!({})).await;
    let rule = id(&shares.allow(&share, "ip", "10.0.0.9").await.ok(200)["access"]);
    for same in ["10.0.0.9", "10.0.0.9/32"] {
        let text = shares.allow(&share, "ip", same).await.fault(400, "badRequest");
        assert!(text.contains("exists"), "{text}");
    }
    shares.allow(&share, "ip", "10.0.0.8/30").await.ok(200);
    // One on its way out is there still.
    shares.action(&share, json!({"deny_access": {"access_id": rule}})).await;
    shares.allow(&share, "ip", "10.0.0.9").await.fault(400, "badRequest");
    shares.wait_rule(&rule, "gone").await;
    shares.allow(&share, "ip", "10.0.0.9").await.ok(200);
}

#[tokio::test]
async fn the_form_of_a_rule_is_looked_at_at_once() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    let long = "x".repeat(65);
    for (access_type, access_to) in [
        ("ip", "10.0.0.300"),
        ("ip", "10.0.0.9/24"),
        ("ip", "host"),
        ("user", "abc"),
        ("user", "...."),
        ("user", "a/bcd"),
        ("cert", ""),
        ("cert", long.as_str()),
        ("cephx", ""),
        ("cephx", "client.me"),
        ("cephx", "mü"),
        ("token", "x"),
    ] {
        shares.allow(&share, access_type, access_to).await.fault(400, "badRequest");
    }
    let level = json!({"access_type": "ip", "access_to": "10.0.0.9", "access_level": "wo"});
    shares.action(&share, json!({"allow_access": level})).await.fault(400, "badRequest");
    shares.allow(&share, "ip", "fd00::/8").await.ok(200);
    shares.at("2.37").allow(&share, "ip", "fe80::1").await.fault(400, "badRequest");
    shares.at("2.12").allow(&share, "cephx", "me").await.fault(400, "badRequest");
    assert_eq!(shares.rules(&share).await.len(), 1);
}

#[tokio::test]
async fn what_the_protocol_does_not_take_ends_in_error_with_an_explanation() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    for (protocol, access_type, access_to, detail) in [
        ("NFS", "cephx", "me", "021"),
        ("CEPHFS", "ip", "10.0.0.9", "021"),
        ("CEPHFS", "cephx", "admin", "020"),
        ("GLUSTERFS", "user", "somebody", "021"),
        ("CIFS", "cert", "name", "021"),
    ] {
        let share = shares.share(json!({"share_proto": protocol})).await;
        let rule = id(&shares.allow(&share, access_type, access_to).await.ok(200)["access"]);
        shares.wait_rule(&rule, "error").await;
        assert_eq!(shares.show(&share).await["access_rules_status"], "error");
        let messages =
            shares.get(&format!("/messages?resource_id={share}")).await.ok(200)["messages"].clone();
        assert_eq!((&messages[0]["detail_id"], &messages[0]["action_id"]), (&json!(detail), &json!("010")));
        assert_eq!(shares.rules(&share).await[0]["access_key"], json!(null));
        // It can be taken away.
        shares.action(&share, json!({"deny_access": {"access_id": rule}})).await;
        shares.wait_rule(&rule, "gone").await;
    }
    for (protocol, access_type, access_to) in
        [("CIFS", "user", "somebody"), ("GLUSTERFS", "cert", "host.example"), ("NFS", "ip", "fd00::9")]
    {
        let share = shares.share(json!({"share_proto": protocol})).await;
        shares.allowed(&share, access_type, access_to).await;
    }
}

#[tokio::test]
async fn a_ceph_key_comes_with_the_rule_in_force() {
    let shares = Shares::start().await;
    shares.faults(json!({"rule_ms": 600})).await;
    let share = shares.share(json!({"share_proto": "CEPHFS"})).await;
    let rule = shares.allow(&share, "cephx", "me").await.ok(200)["access"].clone();
    assert_eq!(rule["access_key"], json!(null));
    shares.wait_rule(&id(&rule), "active").await;
    let key = shares.rules(&share).await[0]["access_key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 40, "{key}");
    let plain = shares.at("2.20").action(&share, json!({"access_list": null})).await.ok(200);
    assert_eq!(plain["access_list"][0].get("access_key"), None);
}

#[tokio::test]
async fn rules_go_with_their_share() {
    let shares = Shares::start().await;
    shares.faults(json!({"delete_ms": 900})).await;
    let share = shares.share(json!({})).await;
    let rule = shares.allowed(&share, "ip", "10.0.0.9").await;
    shares.delete(&format!("/shares/{share}")).await;
    shares.allow(&share, "ip", "10.0.0.8").await.fault(400, "badRequest");
    shares.wait(&format!("/shares/{share}"), "share", "status", "gone").await;
    shares.get(&format!("/share-access-rules/{rule}")).await.fault(404, "itemNotFound");
    assert!(
        shares.cloud.admin("GET", "state", None).await.body["share_rules"].as_array().unwrap().is_empty()
    );
    // Asking for the rules of no share is a bad request, not a missing resource.
    shares.get(&format!("/share-access-rules?share_id={share}")).await.fault(400, "badRequest");
    shares.get("/share-access-rules").await.fault(400, "badRequest");
}

#[tokio::test]
async fn rules_of_others_are_out_of_reach() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let hidden = shares.share(json!({})).await;
    let public = shares.share(json!({"is_public": true})).await;
    let rule = shares.allowed(&public, "ip", "10.0.0.9").await;
    let demo = shares.demo().await;
    demo.allow(&hidden, "ip", "10.0.0.1").await.fault(404, "itemNotFound");
    demo.allow(&public, "ip", "10.0.0.1").await.fault(403, "forbidden");
    demo.action(&public, json!({"deny_access": {"access_id": rule}})).await.fault(403, "forbidden");
    let other = demo.share(json!({})).await;
    demo.action(&other, json!({"deny_access": {"access_id": rule}})).await.fault(404, "itemNotFound");
    assert_eq!(shares.rules(&public).await[0]["state"], "active");
}

#[tokio::test]
async fn a_share_that_is_not_ready_takes_no_rules() {
    let shares = Shares::start().await;
    shares.faults(json!({"stuck_creating": true})).await;
    let share = id(&shares.order(json!({})).await);
    shares.allow(&share, "ip", "10.0.0.9").await.fault(400, "badRequest");
    shares.action(&share, json!({"reset_status": {"status": "error"}})).await.ok(202);
    shares.allow(&share, "ip", "10.0.0.9").await.fault(400, "badRequest");
}

#[tokio::test]
async fn rules_carry_metadata_and_are_found_by_it() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    let rule = shares.allowed(&share, "ip", "10.0.0.9").await;
    shares.allowed(&share, "ip", "10.0.0.10").await;
    let path = format!("/share-access-rules/{rule}/metadata");
    shares.put(&path, json!({"metadata": {"a": "1", "b": "2"}})).await.ok(200);
    let merged = shares.put(&path, json!({"metadata": {"b": "3"}})).await.ok(200);
    assert_eq!(merged["metadata"], json!({"a": "1", "b": "3"}));
    assert_eq!(shares.delete(&format!("{path}/a")).await.status, 200);
    shares.delete(&format!("{path}/a")).await.fault(404, "itemNotFound");
    let query = format!("/share-access-rules?share_id={share}&metadata=%7B%27b%27%3A+%273%27%7D");
    let found = shares.get(&query).await.ok(200)["access_list"].clone();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(rule)));
}
