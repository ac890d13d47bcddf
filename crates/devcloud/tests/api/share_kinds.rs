use serde_json::json;

use crate::client::id;
use crate::manila::Shares;

#[tokio::test]
async fn types_say_what_their_shares_can() {
    let shares = Shares::start().await;
    let demo = shares.demo().await;
    let types = demo.get("/types").await.ok(200);
    assert_eq!(types["share_types"], types["volume_types"]);
    let shown: Vec<_> = types["share_types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let specs = &kind["extra_specs"];
            (
                kind["name"].as_str().unwrap(),
                kind["is_default"].as_bool().unwrap(),
                specs["driver_handles_share_servers"].as_str().unwrap(),
                specs["snapshot_support"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("default", true, "False", "False"),
            ("servers", false, "True", "False"),
            ("snapshots", false, "False", "True")
        ]
    );
    let first = &types["share_types"][0];
    assert_eq!(first["extra_specs"].get("share_backend_name"), None);
    let path = format!("/types/{}", id(first));
    assert_eq!(
        shares.get(&path).await.ok(200)["share_type"]["extra_specs"]["share_backend_name"],
        "devcloud"
    );
    assert_eq!(demo.get("/types/default").await.ok(200)["share_type"]["id"], first["id"]);
    assert_eq!(demo.at("2.45").get(&path).await.ok(200)["share_type"].get("is_default"), None);
    demo.get("/types/none").await.fault(404, "itemNotFound");
    assert_eq!(demo.get("/availability-zones").await.ok(200)["availability_zones"][0]["name"], "nova");
}

#[tokio::test]
async fn a_type_that_handles_servers_asks_for_a_network() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let without = json!({"share": {"share_proto": "NFS", "size": 1, "share_type": "servers"}});
    shares.post("/shares", without).await.fault(400, "badRequest");
    let body = json!({"share_network": {"name": "n"}});
    let network = id(&shares.post("/share-networks", body).await.ok(200)["share_network"]);
    let share = shares.share(json!({"share_type": "servers", "share_network_id": network})).await;
    assert_eq!(shares.show(&share).await["share_network_id"], json!(network));
    shares.delete(&format!("/share-networks/{network}")).await.fault(409, "conflictingRequest");
    let demo = shares.demo().await;
    let foreign = json!({"share": {"share_proto": "NFS", "size": 1, "share_network_id": network}});
    demo.post("/shares", foreign).await.fault(404, "itemNotFound");
    assert_eq!(demo.get("/share-networks").await.ok(200)["share_networks"], json!([]));
}

#[tokio::test]
async fn a_network_too_many_is_found_out_later_and_explained() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let body = json!({"share_network": {}});
    let network = id(&shares.post("/share-networks", body).await.ok(200)["share_network"]);
    let share = id(&shares.order(json!({"share_network_id": network})).await);
    shares.wait(&format!("/shares/{share}"), "share", "status", "error").await;
    let messages = shares.get(&format!("/messages?resource_id={share}")).await.ok(200)["messages"].clone();
    assert_eq!(messages[0]["detail_id"], "003");
    assert!(messages[0]["user_message"].as_str().unwrap().contains("share network"));
}
