use serde_json::{Value, json};

use crate::manila::Shares;

async fn paths(shares: &Shares, share: &str) -> Vec<String> {
    let body = shares.get(&format!("/shares/{share}/export_locations")).await.ok(200);
    let locations = body["export_locations"].as_array().unwrap();
    locations.iter().map(|location| location["path"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_protocol_has_paths_of_its_form() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let demo = shares.demo().await;
    for (protocol, wanted) in [
        ("NFS", vec!["127.0.0.1:/shares/share-ID", "[::1]:/shares/share-ID"]),
        ("CIFS", vec![r"\\127.0.0.1\share_ID", r"\\::1\share_ID"]),
        ("GLUSTERFS", vec!["127.0.0.1:/share-ID", "::1:/share-ID"]),
        ("CEPHFS", vec!["127.0.0.1:6789,[::1]:6789:/volumes/_nogroup/ID"]),
    ] {
        let share = demo.share(json!({"share_proto": protocol})).await;
        let shown = if protocol == "CIFS" { share.replace('-', "_") } else { share.clone() };
        let wanted: Vec<_> = wanted.into_iter().map(|path| path.replace("ID", &shown)).collect();
        assert_eq!(paths(&demo, &share).await, wanted, "{protocol}");
    }
}

#[tokio::test]
async fn the_best_path_is_marked_and_some_are_for_administrators_only() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let demo = shares.demo().await;
    let share = demo.share(json!({})).await;
    let all = format!("/shares/{share}/export_locations");
    let seen = demo.get(&all).await.ok(200)["export_locations"].clone();
    let preferred: Vec<_> = seen.as_array().unwrap().iter().map(|l| l["preferred"].as_bool()).collect();
    assert_eq!(preferred, [Some(true), Some(false)]);
    assert_eq!(seen[0].get("is_admin_only"), None);
    let seen = shares.get(&all).await.ok(200)["export_locations"].clone();
    let admin_only: Vec<_> = seen.as_array().unwrap().iter().filter(|l| l["is_admin_only"] == true).collect();
    assert_eq!(admin_only.len(), 1);
    let hidden = format!("{all}/{}", admin_only[0]["id"].as_str().unwrap());
    demo.get(&hidden).await.fault(403, "forbidden");
    assert_eq!(shares.get(&hidden).await.status, 200);
    assert_eq!(demo.at("2.13").get(&all).await.ok(200)["export_locations"][0].get("preferred"), None);
    demo.at("2.8").get(&all).await.fault(404, "itemNotFound");
    assert_eq!(demo.at("2.8").show(&share).await["export_location"], seen[0]["path"]);
    demo.get(&format!("{all}/none")).await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn a_share_has_no_path_before_it_is_there() {
    let shares = Shares::start().await;
    shares.faults(json!({"stuck_creating": true})).await;
    let share = crate::client::id(&shares.order(json!({})).await);
    assert_eq!(paths(&shares, &share).await, [] as [&str; 0]);
    shares.get("/shares/none/export_locations").await.fault(404, "itemNotFound");
}

#[tokio::test]
async fn the_storage_can_move_a_share() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let demo = shares.demo().await;
    let share = demo.share(json!({})).await;
    let body = |host: &str| -> Option<Value> { Some(json!({"host": host})) };
    let moved = shares.cloud.admin("POST", &format!("shares/{share}/move"), body("127.0.0.9")).await;
    assert_eq!(moved.status, 204);
    assert_eq!(paths(&demo, &share).await, [format!("127.0.0.9:/shares/share-{share}")]);
    assert_eq!(shares.cloud.admin("POST", "shares/none/move", body("127.0.0.9")).await.status, 409);
    assert_eq!(
        shares.cloud.admin("POST", &format!("shares/{share}/move"), Some(json!({}))).await.status,
        400
    );
}
