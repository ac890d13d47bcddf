//! What is sent again, what is not, and when it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::*;
use openstack::network::{Client, NewPort, PortUpdate, SubPort};
use openstack::{AuthSettings, Error, Session};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_passing_fault_is_survived_by_what_is_safe_to_repeat() {
    for status in [429, 502, 503, 504] {
        let cloud = Cloud::start(move |_, n| match n {
            0 | 1 => text(status, "busy"),
            _ => answer(200, &json!({ "port": port("p") })),
        })
        .await;
        cloud.network().get_port("p").await.unwrap();
        assert_eq!(cloud.calls().len(), 3, "{status}");
        let cloud = Cloud::start(move |_, _| text(status, "busy")).await;
        assert_eq!(cloud.network().delete_port("p").await.unwrap_err().status(), Some(status));
        assert_eq!(cloud.calls().len(), 3, "{status}: three tries and no more");
        assert_eq!(
            cloud.network().create_port(&NewPort::default()).await.unwrap_err().status(),
            Some(status)
        );
        assert_eq!(cloud.calls().len(), 4, "{status}: a POST may have been executed");
    }
    for status in [400, 403, 409, 412, 500] {
        let cloud = Cloud::start(move |_, _| neutron_fault(status, "Some", "no")).await;
        assert_eq!(cloud.network().get_port("p").await.unwrap_err().status(), Some(status));
        assert_eq!(cloud.calls().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_post_is_repeated_when_the_service_turned_it_away() {
    for status in [429, 503] {
        let cloud = Cloud::start(move |_, n| match n {
            0 => with_header(text(status, "later"), "retry-after", "1"),
            _ => answer(201, &json!({ "port": port("p") })),
        })
        .await;
        let from = Instant::now();
        cloud.network().create_port(&NewPort::default()).await.unwrap();
        assert!(from.elapsed() >= Duration::from_secs(1), "{status}");
        assert_eq!(cloud.calls().len(), 2);
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_is_not_waited_for() {
    let cloud = Cloud::start(|_, _| with_header(text(503, "maintenance"), "retry-after", "120")).await;
    let from = Instant::now();
    assert_eq!(cloud.network().list_ports(&[]).await.unwrap_err().status(), Some(503));
    assert!(from.elapsed() < Duration::from_secs(2));
    assert_eq!(cloud.calls().len(), 1);
}

/// A service that reads each request and then closes the connection without an answer; how many it read.
async fn closes_after_reading() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 65536];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    (url, count)
}

fn without_keystone(url: &str, more: &[(&str, &str)]) -> Client {
    let options = [&[("auth_type", "none"), ("endpoint_override", url)], more].concat();
    Client::new(Session::new(AuthSettings::from_keystoneauth_map("[x]", &map(&options)).unwrap()).unwrap())
}

#[tokio::test]
async fn after_a_lost_connection_only_repeatable_calls_are_repeated() {
    let (url, count) = closes_after_reading().await;
    let network = without_keystone(&url, &[]);
    let error = network.create_port(&NewPort::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { sent: true, .. }) && error.effect_unknown(), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    network.delete_port("p").await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 4);
    // The repetition of a conditional change would fail on the success of the first.
    network.update_port("p", &PortUpdate::default(), Some(3)).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 5);
    network.update_port("p", &PortUpdate::default(), None).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 8);
    // So would that of a change of subports.
    let subport = SubPort { port_id: "p".into(), segmentation_type: "vlan".into(), segmentation_id: 7 };
    let error = network.add_subports("t", &[subport]).await.unwrap_err();
    assert!(error.effect_unknown(), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), 9);
    network.remove_subports("t", &["p".into()]).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_leaves_no_doubt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let network = without_keystone(&format!("http://{address}"), &[]);
    let error = network.create_port(&NewPort::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { sent: false, .. }) && !error.effect_unknown(), "{error}");
    assert!(
        error.to_string().contains("refused") && error.to_string().contains("check that http://127"),
        "{error}"
    );
    // A service that comes up between two tries gets even a POST.
    let late = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 65536];
        let _ = stream.read(&mut buffer).await.unwrap();
        let body = json!({ "port": port("p") }).to_string();
        let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    network.create_port(&NewPort::default()).await.unwrap();
    late.await.unwrap();
}

#[tokio::test]
async fn a_silent_service_ends_in_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let network = without_keystone(&url, &[("timeout", "1")]);
    let from = Instant::now();
    let error = network.delete_port("p").await.unwrap_err();
    assert!((900..1900).contains(&from.elapsed().as_millis()));
    assert_eq!(
        error.to_string(),
        "network: delete port p: no answer within 1 s; the request may still take effect"
    );
    assert!(error.effect_unknown());
    drop(listener);
}

#[tokio::test]
async fn a_service_that_ignores_the_marker_does_not_loop() {
    let cloud = Cloud::start(|seen, _| {
        let next = format!("http://internal.example/v2.0/ports?marker=b&again={}", seen.target.len());
        answer(
            200,
            &json!({ "ports": [port("a"), port("b")], "ports_links": [{ "rel": "next", "href": next }] }),
        )
    })
    .await;
    assert_eq!(cloud.network().list_ports(&[]).await.unwrap().len(), 2);
    assert_eq!(cloud.calls().len(), 2);
}

#[tokio::test]
async fn pages_are_followed_on_our_own_endpoint() {
    let cloud = Cloud::start(|_, n| {
        let page = |id, links| answer(200, &json!({ "ports": [port(id)], "ports_links": links }));
        let next = |marker| json!([{ "rel": "previous", "href": "x" }, { "rel": "next", "href": format!("http://other.example:9696/v2.0/ports?device_id=d&marker={marker}") }]);
        match n {
            0 => page("a", next("a")),
            1 => page("b", next("b")),
            _ => page("c", json!([])),
        }
    })
    .await;
    let ids: Vec<_> =
        cloud.network().list_ports(&[("device_id", "d")]).await.unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let lines: Vec<_> = cloud.calls().iter().map(Seen::line).collect();
    assert_eq!(
        lines,
        [
            "GET /net/v2.0/ports?device_id=d",
            "GET /net/v2.0/ports?device_id=d&marker=a",
            "GET /net/v2.0/ports?device_id=d&marker=b"
        ]
    );
}
