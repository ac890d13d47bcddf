//! The front alone, before a cloud in another place and before a service that notes what it is asked.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use devcloud::upstream::{RunningFront, Upstream, UpstreamFront, UpstreamOptions};
use http::request::Parts;
use serde_json::{Value, json};

use crate::client::{Cloud, read};
use crate::faults::{only_hold, plan};

async fn front(upstreams: &[String]) -> RunningFront {
    let upstreams: Vec<Upstream> = upstreams.iter().map(|u| u.parse().unwrap()).collect();
    let options =
        UpstreamOptions { listen: "127.0.0.1:0".parse().unwrap(), upstreams, latency: Duration::ZERO };
    UpstreamFront::start(options).await.unwrap()
}

/// A cloud, the front before it and a client of that front.
async fn before_a_cloud() -> (Cloud, RunningFront, Cloud) {
    let behind = Cloud::own().await;
    let front = front(&[
        format!("identity={}/identity", behind.base),
        format!("networking={}/networking", behind.base),
    ])
    .await;
    let client = Cloud::at(&format!("http://{}", front.addr), "admin").await;
    (behind, front, client)
}

async fn networks(cloud: &Cloud) -> usize {
    cloud.get("networks").await.body["networks"].as_array().unwrap().len()
}

#[tokio::test]
async fn calls_go_through_and_are_logged_once_with_the_services_own_request_id() {
    let (behind, front, client) = before_a_cloud().await;
    assert_eq!(client.admin("GET", "ready", None).await.status, 200);
    client.admin("DELETE", "log", None).await;
    behind.admin("DELETE", "log", None).await;
    let made = client.post("networks", json!({"network": {"name": "n"}})).await;
    assert_eq!(made.status, 201);
    assert_eq!(client.get("networks?name=n").await.body["networks"][0]["name"], "n");
    client.get("networks/nothing").await.refused(404, "NetworkNotFound");

    let entries = client.admin("GET", "log", None).await.body["entries"].clone();
    let seen: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (e["service"].as_str().unwrap(), e["method"].as_str().unwrap(), e["status"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(seen, [("network", "POST", 201), ("network", "GET", 200), ("network", "GET", 404)]);
    assert_eq!(
        (&entries[1]["path"], &entries[1]["query"]),
        (&json!("/networking/v2.0/networks"), &json!("name=n"))
    );
    let there = behind.admin("GET", "log", None).await.body["entries"].clone();
    assert_eq!(there[0]["request_id"], made.request_id.as_str());
    assert_eq!(entries[0]["request_id"], made.request_id.as_str());
    assert_eq!(there[0]["user_agent"], "test/1", "headers go along");
    front.stop().await;
}

#[tokio::test]
async fn faults_before_the_effect_leave_the_service_unasked() {
    let (behind, _front, client) = before_a_cloud().await;
    let body = || json!({"network": {"name": "n"}});
    plan(&client, json!({"method": "POST", "path": "/v2.0/networks", "action": {"status": 503}})).await;
    let planned = client.post("networks", body()).await;
    assert_eq!((planned.status, planned.kind()), (503, "HTTPError"));
    plan(&client, json!({"method": "POST", "path": "*/networks", "action": {"drop": true}})).await;
    let request = client.request(&client.token, "POST", "/networking/v2.0/networks", Some(body()));
    assert!(request.send().await.is_err());
    assert_eq!(networks(&behind).await, 0);
    plan(&client, json!({"path": "*/networks", "action": {"delay_ms": 200}})).await;
    let start = Instant::now();
    assert_eq!(client.post("networks", body()).await.status, 201);
    assert!(start.elapsed() >= Duration::from_millis(200));
    client.admin("POST", "options", Some(json!({"latency_ms": 150}))).await;
    let start = Instant::now();
    client.get("networks").await;
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_lost_answer_has_had_its_effect() {
    let (behind, _front, client) = before_a_cloud().await;
    plan(&client, json!({"method": "POST", "path": "*/networks", "action": {"lose_answer": true}})).await;
    let body = Some(json!({"network": {}}));
    let lost = client.request(&client.token, "POST", "/networking/v2.0/networks", body).send().await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(networks(&behind).await, 1);
}

#[tokio::test]
async fn a_request_is_held_on_either_side_of_its_effect() {
    let (behind, _front, client) = before_a_cloud().await;
    for (phase, meanwhile) in [("before", 0), ("after", 2)] {
        plan(&client, json!({"method": "POST", "path": "*/networks", "action": {"hold": phase}})).await;
        let body = Some(json!({"network": {}}));
        let request = client.request(&client.token, "POST", "/networking/v2.0/networks", body);
        let waiting = tokio::spawn(async move { read(request.send().await.unwrap()).await.status });
        let hold = only_hold(&client).await;
        assert_eq!(networks(&behind).await, meanwhile, "{phase}");
        assert!(!waiting.is_finished());
        client.admin("POST", &format!("holds/{}/release", hold["id"]), None).await;
        assert_eq!(waiting.await.unwrap(), 201);
    }
}

#[tokio::test]
async fn what_only_the_service_knows_is_not_invented() {
    let (_behind, _front, client) = before_a_cloud().await;
    for (method, path, body) in [
        ("GET", "state", None),
        ("POST", "tokens/revoke", Some(json!({}))),
        ("POST", "options", Some(json!({"vif_type": "tap"}))),
        ("POST", "options", Some(json!({"latency_ms": 5000, "demo_is_admin": true}))),
    ] {
        let refused = client.admin(method, path, body).await;
        assert_eq!(refused.status, 501, "{method} {path}");
        assert!(refused.body["error"].as_str().unwrap().contains("their own API"), "{refused:?}");
    }
    assert_eq!(client.admin("GET", "options", None).await.body, json!({"latency_ms": 0}));
}

/// What a service was asked: method, path with query, headers, body.
type Asked = Arc<Mutex<Vec<(Parts, Bytes)>>>;

/// A service that notes everything and answers `answer`.
async fn noting(answer: fn() -> Response) -> (String, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let router = Router::new().fallback(move |request: http::Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            noted.lock().unwrap().push((parts, body));
            answer()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20)).build().unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_without_its_prefix_and_the_answer_likewise() {
    let (service, asked) = noting(|| {
        Response::builder()
            .status(299)
            .header("x-openstack-request-id", "req-theirs")
            .header("x-subject-token", "t0ken")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .body(Body::from("text"))
            .unwrap()
    })
    .await;
    let front = front(&[format!("networking=http://{service}")]).await;
    let url = format!("http://{}/networking/v2.0/ports/?a=b%20c&tags=x,y", front.addr);
    let request = client().put(url).header("x-auth-token", "mine").header("if-match", "revision_number=1");
    let answer = request.header("connection", "x-mine").header("x-mine", "1").body("{\"port\": {}}");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 299);
    assert_eq!(answer.headers()["x-openstack-request-id"], "req-theirs");
    assert_eq!(answer.headers()["x-subject-token"], "t0ken");
    assert!(!answer.headers().contains_key("x-hop"), "it concerned the other connection");
    assert_eq!(answer.text().await.unwrap(), "text");

    let asked = asked.lock().unwrap();
    let (parts, body) = &asked[0];
    assert_eq!(
        (parts.method.as_str(), parts.uri.to_string().as_str()),
        ("PUT", "/v2.0/ports/?a=b%20c&tags=x,y")
    );
    assert_eq!(parts.headers["x-auth-token"], "mine");
    assert_eq!(parts.headers["if-match"], "revision_number=1");
    assert_eq!(parts.headers["host"], service.as_str());
    assert_eq!(parts.headers["connection"], "close");
    assert_eq!(parts.headers["x-forwarded-host"], front.addr.to_string());
    assert_eq!(parts.headers["x-forwarded-prefix"], "/networking");
    assert!(!parts.headers.contains_key("x-mine"));
    assert_eq!(body.as_ref(), b"{\"port\": {}}");
}

#[tokio::test]
async fn a_service_that_is_away_is_named_and_one_that_is_unknown_too() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let front = front(&[format!("networking=http://{away}")]).await;
    let ask = |path: &'static str| {
        let url = format!("http://{}{path}", front.addr);
        async move {
            let answer = client().get(url).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap()["error"].as_str().unwrap().to_owned())
        }
    };
    let (status, text) = ask("/admin/ready").await;
    assert!(status == 503 && text.contains(&away), "{status} {text}");
    let (status, text) = ask("/networking/v2.0/ports").await;
    assert!(status == 502 && text.contains(&away), "{status} {text}");
    assert_eq!(ask("/volume/v3").await.0, 404);
}

#[tokio::test]
async fn a_large_listing_comes_through_whole() {
    let (service, _) = noting(|| Response::new(Body::from(vec![b'x'; 20 << 20]))).await;
    let front = front(&[format!("networking=http://{service}")]).await;
    let answer = client().get(format!("http://{}/networking/", front.addr)).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), 20 << 20);
}

/// The front of a service that hangs up on its first caller without a word and answers the others.
async fn before_one_that_hangs_up_once() -> RunningFront {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answers = false;
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_exact(&mut [0; 16]).await.unwrap();
            if std::mem::replace(&mut answers, true) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    front(&[format!("identity={base}")]).await
}

#[tokio::test]
async fn a_service_that_hangs_up_is_asked_again_if_that_changes_nothing() {
    for (method, path, status) in [
        (http::Method::GET, "users", 200),
        (http::Method::POST, "auth/tokens", 200),
        (http::Method::POST, "users", 502),
        (http::Method::DELETE, "users/1", 502),
    ] {
        let front = before_one_that_hangs_up_once().await;
        let url = format!("http://{}/identity/v3/{path}", front.addr);
        let answer = reqwest::Client::new().request(method.clone(), url).send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
    }
}
