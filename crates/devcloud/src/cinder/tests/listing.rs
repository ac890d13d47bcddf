//! Filters, sorting and pages.

use super::*;

fn names(body: &Value) -> Vec<&str> {
    body["volumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect()
}

async fn three() -> Client {
    let client = Client::new();
    client.volume(json!({"size": 1, "name": "a", "metadata": {"k": "1", "who": "it's"}})).await;
    client.volume(json!({"size": 10, "name": "b", "metadata": {"k": "1"}})).await;
    client.volume(json!({"size": 2, "name": "c"})).await;
    client
}

#[tokio::test]
async fn the_newest_comes_first_unless_told_otherwise() {
    let client = three().await;
    for (query, wanted) in [
        ("", ["c", "b", "a"]),
        ("?sort=created_at:asc", ["a", "b", "c"]),
        ("?sort=size:asc,name:desc", ["a", "c", "b"]),
        ("?sort_key=name&sort_dir=asc", ["a", "b", "c"]),
    ] {
        assert_eq!(names(&client.get(&format!("/volumes{query}")).await.ok(200)), wanted, "{query}");
    }
    for query in ["sort=size:up", "sort=nonsense", "sort=size&sort_key=name"] {
        client.get(&format!("/volumes?{query}")).await.fault(400, "badRequest");
    }
}

#[tokio::test]
async fn filters_select() {
    let client = three().await;
    let none: [&str; 0] = [];
    for (query, wanted) in [
        ("name=b", vec!["b"]),
        ("name=zzz", none.to_vec()),
        ("status=available", vec!["c", "b", "a"]),
        ("status=error", none.to_vec()),
        ("size=10", vec!["b"]),
        ("metadata=%7B%27k%27%3A%20%271%27%7D", vec!["b", "a"]),
        ("metadata=%7B%22k%22%3A%221%22%7D", vec!["b", "a"]),
        ("metadata=%7Bu%27k%27:%271%27,%22who%22:%22it%27s%22%7D", vec!["a"]),
        ("metadata=%7B%7D", vec!["c", "b", "a"]),
        ("metadata=nonsense", none.to_vec()),
        ("name=a&metadata=%7B%27k%27:%272%27%7D", none.to_vec()),
        ("name~=a", vec!["a"]),
    ] {
        let body = client.get(&format!("/volumes/detail?{query}")).await.ok(200);
        assert_eq!(names(&body), wanted, "{query}");
    }
    client.get("/volumes?host=x").await.fault(400, "badRequest");
    assert_eq!(names(&client.at("volume 3.30").get("/volumes?host=x").await.ok(200)).len(), 3);
}

#[tokio::test]
async fn pages_link_to_the_next_one_until_the_end() {
    let client = three().await;
    let mut path = "/volumes/detail?limit=1&sort=name:asc&status=available".to_owned();
    let mut seen = Vec::new();
    for _ in 0..10 {
        let body = client.get(&path).await.ok(200);
        seen.extend(names(&body).into_iter().map(str::to_owned));
        let Some(next) = body["volumes_links"][0]["href"].as_str() else { break };
        assert_eq!(body["volumes_links"][0]["rel"], "next");
        path = next.strip_prefix(&format!("http://cloud.test/v3/{PROJECT}")).unwrap().to_owned();
    }
    assert_eq!(seen, ["a", "b", "c"]);
    client.get(&format!("/volumes?marker={NONE}")).await.fault(404, "itemNotFound");
    for query in ["limit=x", "limit=-1", "offset=-1"] {
        client.get(&format!("/volumes?{query}")).await.fault(400, "badRequest");
    }
    assert_eq!(names(&client.get("/volumes?limit=0").await.ok(200)).len(), 0);
}

#[tokio::test]
async fn no_page_is_longer_than_the_service_allows() {
    let client = Client::with(CinderOptions { max_limit: 2, ..CinderOptions::default() });
    for name in ["a", "b", "c"] {
        client.volume(json!({"size": 1, "name": name})).await;
    }
    let body = client.get("/volumes?limit=50&with_count=true").await.ok(200);
    assert_eq!(names(&body), ["c", "b"]);
    assert_eq!(body["count"], 3);
    assert!(body["volumes_links"][0]["href"].as_str().unwrap().contains("limit=50"));
    assert!(client.get("/volumes").await.ok(200).get("volumes_links").is_some());
}

#[tokio::test]
async fn only_administrators_see_all_projects() {
    let client = three().await;
    let other = Client { project: "fedcba9876543210fedcba9876543210".into(), ..client.again() };
    other.volume(json!({"size": 1, "name": "d"})).await;
    assert_eq!(names(&other.get("/volumes?all_tenants=1").await.ok(200)), ["d"]);
    let admin = client.admin();
    assert_eq!(names(&admin.get("/volumes").await.ok(200)), ["c", "b", "a"]);
    assert_eq!(names(&admin.get("/volumes?all_tenants=true").await.ok(200)), ["d", "c", "b", "a"]);
    let one = format!("/volumes?all_tenants=1&project_id={}", other.project);
    assert_eq!(names(&admin.get(&one).await.ok(200)), ["d"]);
    admin.get("/volumes?all_tenants=perhaps").await.fault(400, "badRequest");
}
