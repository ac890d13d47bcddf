//! Peers that say nothing, or half of something, or are too many.

use std::time::{Duration, Instant};

use docker_plugin::server::ServerOptions;

use crate::{
    client::{DOCKER, request},
    rig::Rig,
};

fn options() -> ServerOptions {
    ServerOptions { head_timeout: Duration::from_secs(1), max_connections: 3, ..ServerOptions::default() }
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_half_a_head_is_cut_off_and_stops_nobody() {
    let rig = Rig::with(|plugin| plugin, ServerOptions { max_connections: 100, ..options() });
    let start = Instant::now();
    let mut silent = rig.client().await;
    let mut half = rig.client().await;
    half.send(b"POST /Plugin.Activate HTTP/1.1\r\nHost: ").await;
    assert_eq!(rig.client().await.call("/Plugin.Activate", "").await.status, 200);
    assert!(silent.answer().await.is_none());
    assert!(half.try_answer().await.is_none_or(|status| status == 408));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn half_a_second_request_is_cut_off_too() {
    let rig = Rig::with(|plugin| plugin, options());
    let mut client = rig.client().await;
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    client.send(b"POST /Plug").await;
    assert!(client.try_answer().await.is_none_or(|status| status == 408));
}

#[tokio::test]
async fn a_connection_idle_between_requests_is_kept() {
    let rig = Rig::with(|plugin| plugin, options());
    let mut client = rig.client().await;
    for _ in 0..2 {
        assert_eq!(client.call("/VolumeDriver.Create", r#"{"Name":"v"}"#).await.status, 200);
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
}

#[tokio::test]
async fn a_call_longer_than_the_time_for_a_head_is_not_cut_off() {
    let rig = Rig::with(|plugin| plugin, options());
    let mut client = rig.client().await;
    client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    rig.recorder.go_on.notify_one();
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn when_all_places_are_taken_the_longest_idle_makes_room() {
    let rig = Rig::with(|plugin| plugin, options());
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = rig.client().await;
        assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
        clients.push(client);
    }
    assert_eq!(rig.client().await.call("/Plugin.Activate", "").await.status, 200);
    assert!(clients[0].answer().await.is_none(), "the first was idle longest");
    assert_eq!(clients[2].call("/Plugin.Activate", "").await.status, 200);
}

#[tokio::test]
async fn when_all_places_are_busy_a_new_peer_waits_its_turn() {
    let rig = Rig::with(|plugin| plugin, options());
    let mut busy = Vec::new();
    for number in 1..=3 {
        let mut client = rig.client().await;
        client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
        rig.recorder.called("VolumeDriver.Mount", number).await;
        busy.push(client);
    }
    let mut waiting = rig.client().await;
    waiting.send(&request("/Plugin.Activate", DOCKER, "")).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), waiting.answer()).await.is_err());
    rig.recorder.go_on.notify_one();
    assert_eq!(waiting.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_peer_that_takes_no_answers_is_cut_off() {
    let rig = Rig::with(
        |plugin| plugin,
        ServerOptions { write_timeout: Duration::from_millis(300), ..ServerOptions::default() },
    );
    let mut client = rig.client().await;
    let many = request("/NetworkDriver.Join", DOCKER, r#"{"NetworkID":"n","EndpointID":"e"}"#).repeat(20_000);
    let send = async { client.try_send(&many).await };
    let cut_off = tokio::time::timeout(Duration::from_secs(20), send).await.expect("never cut off");
    assert!(cut_off.is_err());
    assert_eq!(rig.client().await.call("/Plugin.Activate", "").await.status, 200);
}
