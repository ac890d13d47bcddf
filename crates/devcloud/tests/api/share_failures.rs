use std::time::Duration;

use serde_json::{Value, json};

use crate::client::id;
use crate::manila::Shares;

async fn explanations(shares: &Shares, id: &str) -> Vec<Value> {
    let path = format!("/messages?resource_id={id}&sort_key=created_at&sort_dir=desc");
    shares.get(&path).await.ok(200)["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_step_can_fail_and_says_why() {
    let shares = Shares::start().await;
    shares.faults(json!({"next_create_fails": 1})).await;
    let share = id(&shares.order(json!({})).await);
    shares.wait(&format!("/shares/{share}"), "share", "status", "error").await;
    let told = explanations(&shares, &share).await;
    assert_eq!((&told[0]["action_id"], &told[0]["detail_id"]), (&json!("001"), &json!("002")));
    assert!(told[0]["user_message"].as_str().unwrap().starts_with("allocate host: "));
    // A failed one can be deleted, and what was told stays.
    shares.faults(json!({"next_extend_fails": 1, "next_delete_fails": 1})).await;
    let share = shares.share(json!({})).await;
    let path = format!("/shares/{share}");
    shares.action(&share, json!({"extend": {"new_size": 2}})).await;
    shares.wait(&path, "share", "status", "extending_error").await;
    assert_eq!(shares.show(&share).await["size"], 1);
    shares.delete(&path).await.fault(403, "forbidden");
    shares.action(&share, json!({"reset_status": {"status": "available"}})).await.ok(202);
    assert_eq!(shares.delete(&path).await.status, 202);
    shares.wait(&path, "share", "status", "error_deleting").await;
    let told = explanations(&shares, &share).await;
    let details: Vec<_> = told.iter().map(|m| m["detail_id"].as_str().unwrap()).collect();
    assert_eq!(details, ["001", "015"]);
    let one = format!("/messages/{}", id(&told[0]));
    assert_eq!(shares.get(&one).await.ok(200)["message"], told[0]);
    shares.demo().await.get(&one).await.fault(404, "itemNotFound");
    assert_eq!(shares.delete(&one).await.status, 204);
    assert_eq!(explanations(&shares, &share).await.len(), 1);
    shares.at("2.36").get("/messages").await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn a_rule_can_fail_on_its_way_in_and_out() {
    let shares = Shares::start().await;
    shares.faults(json!({"next_rule_fails": 1})).await;
    let share = shares.share(json!({})).await;
    let rule = id(&shares.allow(&share, "ip", "10.0.0.9").await.ok(200)["access"]);
    shares.wait_rule(&rule, "error").await;
    shares.faults(json!({"next_rule_fails": 1})).await;
    let deny = json!({"deny_access": {"access_id": rule}});
    assert_eq!(shares.action(&share, deny.clone()).await.status, 202);
    shares.wait_rule(&rule, "error").await;
    assert_eq!(shares.action(&share, deny).await.status, 202);
    shares.wait_rule(&rule, "gone").await;
    assert_eq!(shares.show(&share).await["access_rules_status"], "active");
}

#[tokio::test]
async fn creations_and_rules_can_get_stuck() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({})).await;
    shares.faults(json!({"stuck_creating": true, "stuck_rules": true})).await;
    let stuck = id(&shares.order(json!({})).await);
    let rule = id(&shares.allow(&share, "ip", "10.0.0.9").await.ok(200)["access"]);
    shares.faults(json!({})).await;
    let later = shares.allowed(&share, "ip", "10.0.0.10").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(shares.show(&stuck).await["status"], "creating");
    let states: Vec<_> =
        shares.rules(&share).await.iter().map(|r| (r["id"].clone(), r["state"].clone())).collect();
    assert_eq!(states, [(json!(rule), json!("queued_to_apply")), (json!(later), json!("active"))]);
}

#[tokio::test]
async fn rules_in_force_flicker_when_the_storage_applies_them_again() {
    let shares = Shares::start().await;
    shares.faults(json!({"rule_ms": 900})).await;
    let share = shares.share(json!({})).await;
    let rule = shares.allowed(&share, "ip", "10.0.0.9").await;
    let resync = format!("shares/{share}/resync");
    assert_eq!(shares.cloud.admin("POST", &resync, None).await.status, 204);
    assert_eq!(shares.wait_rule(&rule, "active").await, ["applying", "active"]);
    assert_eq!(shares.cloud.admin("POST", "shares/none/resync", None).await.status, 409);
}

#[tokio::test]
async fn before_rules_had_states_all_show_that_of_the_share() {
    let shares = Shares::start().await;
    shares.faults(json!({"rule_ms": 900})).await;
    let share = shares.share(json!({})).await;
    shares.allowed(&share, "ip", "10.0.0.9").await;
    let old = shares.at("2.27");
    let states = || async {
        let listed = old.action(&share, json!({"access_list": null})).await.ok(200)["access_list"].clone();
        let states = listed.as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap().to_owned());
        states.collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["active"]);
    let wrong = id(&shares.allow(&share, "user", "somebody").await.ok(200)["access"]);
    assert_eq!(states().await, ["new", "new"]);
    assert_eq!(old.show(&share).await["access_rules_status"], "out_of_sync");
    shares.wait_rule(&wrong, "error").await;
    assert_eq!(states().await, ["error", "error"]);
    assert_eq!(shares.rules(&share).await[0]["state"], "active");
    old.allow(&share, "ip", "10.0.0.10").await.fault(400, "badRequest");
    shares.allow(&share, "ip", "10.0.0.10").await.ok(200);
}
