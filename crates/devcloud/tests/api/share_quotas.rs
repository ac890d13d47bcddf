use serde_json::json;

use crate::manila::Shares;

#[tokio::test]
async fn a_project_gets_no_more_than_its_quota() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let demo = shares.demo().await;
    let path = format!("/quota-sets/{}", demo.project);
    demo.put(&path, json!({"quota_set": {"shares": 99}})).await.fault(403, "forbidden");
    let set = json!({"quota_set": {"shares": 2, "gigabytes": 5, "snapshots": 1, "per_share_gigabytes": 4}});
    assert_eq!(shares.put(&path, set).await.ok(200)["quota_set"]["shares"], 2);
    let ask = |size: u64| json!({"share": {"share_proto": "NFS", "size": size, "share_type": "snapshots"}});
    demo.post("/shares", ask(5)).await.fault(413, "overLimit");
    let share = demo.share(json!({"size": 3, "share_type": "snapshots"})).await;
    demo.post("/shares", ask(3)).await.fault(413, "overLimit");
    demo.share(json!({"size": 1})).await;
    demo.post("/shares", ask(1)).await.fault(413, "overLimit");
    // Growing too much is forbidden rather than too large.
    shares.put(&path, json!({"quota_set": {"per_share_gigabytes": -1}})).await.ok(200);
    demo.action(&share, json!({"extend": {"new_size": 5}})).await.fault(403, "forbidden");
    assert_eq!(demo.action(&share, json!({"extend": {"new_size": 4}})).await.status, 202);
    demo.wait(&format!("/shares/{share}"), "share", "status", "available").await;
    let snapshot = json!({"snapshot": {"share_id": share}});
    demo.post("/snapshots", snapshot.clone()).await.ok(202);
    demo.post("/snapshots", snapshot).await.fault(413, "overLimit");
    let limits = demo.get("/limits").await.ok(200)["limits"]["absolute"].clone();
    assert_eq!((&limits["maxTotalShares"], &limits["totalSharesUsed"]), (&json!(2), &json!(2)));
    assert_eq!(limits["totalShareGigabytesUsed"], 5);
    assert_eq!(shares.delete(&path).await.status, 202);
    assert_eq!(demo.get(&path).await.ok(200)["quota_set"]["shares"], 50);
    demo.get(&format!("/quota-sets/{}", shares.project)).await.fault(403, "forbidden");
    shares.put(&path, json!({"quota_set": {"cows": 1}})).await.fault(400, "badRequest");
}
