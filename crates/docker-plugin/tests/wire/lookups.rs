//! VolumeDriver.Get: an error in answer to it makes Docker forget the volume.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    client::{DOCKER, request},
    rig::Rig,
};

const LOOKUP: &str = "/VolumeDriver.Get";

#[tokio::test]
async fn a_volume_is_found_or_positively_not_found() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let found = client.call(LOOKUP, r#"{"Name":"v"}"#).await;
    assert_eq!((found.status, found.json()), (200, json!({"Volume": {"Name": "v", "Mountpoint": "/m"}})));
    let missing = client.call(LOOKUP, r#"{"Name":"missing"}"#).await;
    assert_eq!(missing.status, 500);
    assert_eq!(missing.error(), "no such volume: missing");
}

#[tokio::test]
async fn a_request_that_says_nothing_is_closed_without_an_answer() {
    let rig = Rig::with(|plugin| plugin.body_limits(1000, Duration::from_millis(100)), Default::default());
    let long = format!(r#"{{"Name":"{}"}}"#, "x".repeat(2000));
    for body in ["", "\n", "{", "{}", "null", r#"{"Name":""}"#, &long] {
        let mut client = rig.client().await;
        client.send(&request(LOOKUP, DOCKER, body)).await;
        assert!(client.answer().await.is_none(), "{body}");
    }
    let mut client = rig.client().await;
    client.send(b"POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Name\":").await;
    assert!(client.answer().await.is_none(), "half a body");
    assert_eq!(rig.recorder.calls(), []);
}

#[tokio::test]
async fn a_driver_that_panics_is_not_taken_for_not_found() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(&request(LOOKUP, DOCKER, r#"{"Name":"broken"}"#)).await;
    assert!(client.answer().await.is_none());
    assert_eq!(rig.client().await.call(LOOKUP, r#"{"Name":"v"}"#).await.status, 200);
}

#[tokio::test]
async fn a_look_up_without_outcome_is_held_and_then_closed_without_an_answer() {
    let hold = Duration::from_millis(400);
    let rig = Rig::with(|plugin| plugin.hold_lookups(hold, 2), Default::default());
    let start = Instant::now();
    let mut held = rig.client().await;
    held.send(&request(LOOKUP, DOCKER, r#"{"Name":"unknown"}"#)).await;
    rig.recorder.called("VolumeDriver.Get", 1).await;
    // Others are served meanwhile.
    assert_eq!(rig.client().await.call(LOOKUP, r#"{"Name":"v"}"#).await.status, 200);
    assert!(held.answer().await.is_none());
    assert!(start.elapsed() >= hold, "closed after {:?}", start.elapsed());
}

#[tokio::test]
async fn more_look_ups_than_may_be_held_are_closed_at_once() {
    let rig = Rig::with(|plugin| plugin.hold_lookups(Duration::from_secs(60), 2), Default::default());
    let mut held = Vec::new();
    for number in 1..=2 {
        let mut client = rig.client().await;
        client.send(&request(LOOKUP, DOCKER, r#"{"Name":"unknown"}"#)).await;
        rig.recorder.called("VolumeDriver.Get", number).await;
        held.push(client);
    }
    // The two have their places once the third is turned away.
    let mut turned_away = false;
    for _ in 0..20 {
        let mut third = rig.client().await;
        third.send(&request(LOOKUP, DOCKER, r#"{"Name":"unknown"}"#)).await;
        turned_away =
            tokio::time::timeout(Duration::from_millis(500), third.answer()).await.is_ok_and(|a| a.is_none());
        if turned_away {
            break;
        }
    }
    assert!(turned_away);
    // A place is free again when a client gives up.
    held.clear();
    let mut is_held = false;
    for _ in 0..20 {
        let mut next = rig.client().await;
        next.send(&request(LOOKUP, DOCKER, r#"{"Name":"unknown"}"#)).await;
        is_held = tokio::time::timeout(Duration::from_millis(300), next.answer()).await.is_err();
        if is_held {
            break;
        }
    }
    assert!(is_held);
}

#[tokio::test]
async fn a_held_look_up_does_not_hold_up_the_end() {
    let rig = Rig::with(|plugin| plugin.hold_lookups(Duration::from_secs(600), 2), Default::default());
    let mut held = rig.client().await;
    held.send(&request(LOOKUP, DOCKER, r#"{"Name":"unknown"}"#)).await;
    rig.recorder.called("VolumeDriver.Get", 1).await;
    let start = Instant::now();
    assert_eq!(rig.stop().await.unfinished, 0);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(held.answer().await.is_none());
}
