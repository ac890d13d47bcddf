//! The metadata service as a machine sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use openstack::instance_metadata::{Error, get};
use serde_json::json;

const ID: &str = "5f0f0f0f-1111-4222-8333-444444444444";

async fn asked(
    reply: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
) -> (Result<String, Error>, Cloud) {
    let cloud = Cloud::start(reply).await;
    let found = get(&cloud.base.parse().unwrap()).await;
    (found.map(|m| format!("{} {}", m.uuid, m.name)), cloud)
}

#[tokio::test]
async fn the_document_names_the_server_and_nothing_is_told_about_the_caller() {
    let document =
        json!({ "uuid": ID, "name": "n", "project_id": "p", "hostname": "n.novalocal", "devices": [] });
    let (found, cloud) = asked(move |_, _| answer(200, &document)).await;
    assert_eq!(found.unwrap(), format!("{ID} n"));
    let calls = cloud.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].line(), "GET /openstack/latest/meta_data.json");
    for header in ["x-auth-token", "authorization", "cookie"] {
        assert_eq!(calls[0].header(header), "");
    }
}

#[tokio::test]
async fn no_service_is_told_from_one_that_makes_no_sense() {
    for status in [404, 503, 302] {
        let (found, _) =
            asked(move |_, _| with_header(text(status, ""), "location", "http://127.0.0.1:1/")).await;
        let error = found.unwrap_err();
        assert!(
            matches!(error, Error::NoAnswer { .. }) && error.to_string().contains(&status.to_string()),
            "{error}"
        );
    }
    for body in ["<html>sign in</html>", "{}", r#"{"uuid": "none"}"#, ""] {
        let (found, _) = asked(move |_, _| text(200, body)).await;
        let error = found.unwrap_err();
        assert!(matches!(error, Error::Nonsense { .. }) && !error.to_string().contains("none"), "{error}");
    }
    let (found, _) = asked(|_, _| text(200, &" ".repeat(2 << 20))).await;
    assert!(matches!(found.unwrap_err(), Error::Nonsense { .. }));
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let error = get(&base.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    drop(listener);
    assert!(matches!(get(&base.parse().unwrap()).await.unwrap_err(), Error::NoAnswer { .. }));
}
