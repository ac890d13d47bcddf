//! The end of a server.

use std::time::{Duration, Instant};

use docker_plugin::server::ServerOptions;

use crate::{
    client::{Client, DOCKER, request},
    rig::Rig,
};

#[tokio::test]
async fn what_runs_is_finished_and_answered() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    rig.stop.cancel();
    while rig.socket.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!rig.server.is_finished());
    rig.recorder.go_on.notify_one();
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.answer().await.is_none(), "the connection is closed after the answer");
    assert_eq!(rig.stop().await.unfinished, 0);
}

#[tokio::test]
async fn a_call_whose_client_has_gone_is_finished_too() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    drop(client);
    rig.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!rig.server.is_finished());
    rig.recorder.go_on.notify_one();
    let recorder = rig.recorder.clone();
    assert_eq!(rig.stop().await.unfinished, 0);
    assert_eq!(recorder.count("finished"), 1);
}

#[tokio::test]
async fn the_time_to_finish_is_bounded() {
    let grace = Duration::from_millis(300);
    let rig = Rig::with(|plugin| plugin, ServerOptions { shutdown_grace: grace, ..ServerOptions::default() });
    let mut client = rig.client().await;
    client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    let start = Instant::now();
    assert_eq!(rig.stop().await.unfinished, 1);
    assert!(start.elapsed() >= grace && start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn idle_connections_are_closed_and_the_socket_is_gone() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    let socket = rig.socket.clone();
    assert!(socket.exists());
    let start = Instant::now();
    rig.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(client.answer().await.is_none());
    assert!(!socket.exists());
}

// One thread: the server cannot accept between the connection and the order to stop.
#[tokio::test(flavor = "current_thread")]
async fn a_request_in_the_queue_is_answered() {
    let rig = Rig::new();
    assert_eq!(rig.client().await.call("/Plugin.Activate", "").await.status, 200);
    let queued = std::os::unix::net::UnixStream::connect(&rig.socket).unwrap();
    rig.stop.cancel();
    queued.set_nonblocking(true).unwrap();
    let mut client = Client::new(tokio::net::UnixStream::from_std(queued).unwrap());
    client.send(&request("/VolumeDriver.Create", DOCKER, r#"{"Name":"v"}"#)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(rig.stop().await.unfinished, 0);
}
