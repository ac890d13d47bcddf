use serde_json::{Value, json};

use crate::client::id;
use crate::manila::Shares;

#[tokio::test]
async fn shares_are_found_by_what_they_are() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let first = shares.share(json!({"name": "a one", "metadata": {"by": "us", "n": "1"}})).await;
    shares.share(json!({"name": "b two", "metadata": {"by": "us", "n": "2"}})).await;
    shares.share(json!({"name": "c", "metadata": {"by": "them"}, "share_type": "snapshots"})).await;
    let newest_first = ["c", "b two", "a one"];
    assert_eq!(shares.names("").await, newest_first);
    assert_eq!(shares.names("?metadata=%7B%27by%27%3A+%27us%27%7D").await, newest_first[1..]);
    assert_eq!(shares.names("?metadata=%7B'by':'us','n':'1'%7D").await, ["a one"]);
    assert_eq!(shares.names("?name=a+one").await, ["a one"]);
    assert_eq!(shares.names("?name~=o").await, newest_first[1..]);
    // Before it was a filter, it was nothing.
    assert_eq!(shares.at("2.35").names("?name~=o").await, newest_first);
    assert_eq!(shares.names("?status=error").await, [] as [&str; 0]);
    assert_eq!(shares.names("?extra_specs=%7B'snapshot_support':'True'%7D").await, ["c"]);
    assert_eq!(shares.names("?colour=red").await, newest_first);
    let path =
        shares.get(&format!("/shares/{first}/export_locations")).await.body["export_locations"][0]["path"]
            .clone();
    assert_eq!(shares.names(&format!("?export_location_path={}", path.as_str().unwrap())).await, ["a one"]);
    shares.get("/shares/detail?metadata=['a']").await.fault(400, "badRequest");
    shares.get("/shares/detail?metadata=a").await.fault(500, "computeFault");
}

#[tokio::test]
async fn public_shares_of_others_are_listed_only_when_asked_for() {
    let shares = Shares::start().await;
    shares.faults(json!({})).await;
    let public = shares.share(json!({"name": "public", "is_public": true})).await;
    let hidden = shares.share(json!({"name": "hidden"})).await;
    let demo = shares.demo().await;
    demo.share(json!({"name": "own"})).await;
    assert_eq!(demo.names("").await, ["own"]);
    assert_eq!(demo.names("?is_public=False").await, ["own"]);
    assert_eq!(demo.names("?is_public=True").await, ["own", "public"]);
    assert_eq!(demo.show(&public).await["project_id"], json!(shares.project));
    demo.get(&format!("/shares/{hidden}")).await.fault(404, "itemNotFound");
    demo.delete(&format!("/shares/{public}")).await.fault(403, "forbidden");
    demo.post("/shares", json!({"share": {"size": 1, "share_proto": "NFS", "is_public": true}}))
        .await
        .fault(403, "forbidden");
    // Only an administrator sees all.
    assert_eq!(demo.names("?all_tenants=1").await, ["own"]);
    assert_eq!(shares.names("?all_tenants=1&sort_key=name&sort_dir=asc").await, ["hidden", "own", "public"]);
    let one = format!("?all_tenants=1&project_id={}", demo.project);
    assert_eq!(shares.names(&one).await, ["own"]);
}

#[tokio::test]
async fn pages_go_by_offset_and_the_link_to_the_next_leads_nowhere() {
    let shares = Shares::start().await;
    shares.faults(json!({"stuck_creating": true})).await;
    for n in 0..5 {
        shares.order(json!({"name": format!("s{n}")})).await;
    }
    let order = "sort_key=created_at&sort_dir=asc";
    assert_eq!(shares.names(&format!("?{order}&limit=2")).await, ["s0", "s1"]);
    assert_eq!(shares.names(&format!("?{order}&limit=2&offset=4")).await, ["s4"]);
    assert_eq!(shares.names(&format!("?{order}&limit=2&offset=5")).await, [] as [&str; 0]);
    let body = shares.get(&format!("/shares/detail?{order}&limit=2&with_count=True")).await.ok(200);
    assert_eq!(body["count"], 5);
    let next = body["shares_links"][0]["href"].as_str().unwrap();
    let query = next.split_once('?').unwrap().1;
    assert!(query.contains("marker="), "{next}");
    // As Manila's: the marker is not heeded.
    assert_eq!(shares.names(&format!("?{query}")).await, ["s0", "s1"]);
    for query in ["limit=x", "limit=-1", "offset=-1", "sort_key=colour", "sort_dir=up"] {
        shares.get(&format!("/shares/detail?{query}")).await.fault(400, "badRequest");
    }
    let summary = shares.get("/shares?limit=1&sort_key=name").await.ok(200)["shares"][0].clone();
    let keys: Vec<_> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((keys, &summary["name"]), (vec!["id", "links", "name"], &json!("s4")));
}

#[tokio::test]
async fn a_client_that_pages_sees_every_share() {
    let shares = Shares::start().await;
    shares.faults(json!({"stuck_creating": true})).await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(id(&shares.order(json!({"name": format!("s{n}")})).await));
    }
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let query = format!("/shares?sort_dir=asc&limit=3&offset={}", seen.len());
        let page = shares.get(&query).await.ok(200)["shares"].as_array().unwrap().clone();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(id).collect::<Vec<_>>(), made);
}
