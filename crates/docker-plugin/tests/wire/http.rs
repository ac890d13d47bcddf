//! What daemons and other clients do with HTTP.

use std::time::Duration;

use docker_plugin::{Plugin, PluginError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{DOCKER, request, request_by},
    rig::Rig,
};

#[tokio::test]
async fn any_host_and_any_content_type_will_do() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let sets: [&[(&str, Option<&str>)]; 6] = [
        &[("Host", Some("")), ("Content-Length", None)],
        &[("Host", Some("plugin")), ("Content-Type", Some("application/json")), ("Content-Length", None)],
        &[("Host", Some("127.0.0.1:23750")), ("Accept-Encoding", Some("gzip")), ("Content-Length", None)],
        &[("Host", Some("/run/docker/plugins/x.sock")), ("Content-Length", None)],
        &[
            ("Host", Some("x")),
            ("Content-Type", Some("text/html; charset=latin-1")),
            ("Content-Length", None),
        ],
        &[("Content-Length", None)],
    ];
    for headers in sets {
        client.send(&request("/VolumeDriver.Create", headers, r#"{"Name":"v","Opts":null}"#)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()), "{headers:?}");
    }
    assert_eq!(rig.recorder.count("VolumeDriver.Create"), sets.len());
}

#[tokio::test]
async fn get_is_as_good_as_post_and_nothing_else_is() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(&request_by("GET", "/Plugin.Activate", &[("Host", Some("x"))], "")).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.json(), json!({"Implements": ["NetworkDriver", "IpamDriver", "VolumeDriver"]}));
    client.send(&request_by("GET", "/VolumeDriver.List", &[("Host", Some("x"))], "")).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.send(&request_by("DELETE", "/VolumeDriver.List", DOCKER, "")).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 405);
    assert!(answer.error().contains("DELETE"));
}

#[tokio::test]
async fn methods_without_arguments_take_an_object_and_nothing_at_all() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for method in [
        "Plugin.Activate",
        "NetworkDriver.GetCapabilities",
        "IpamDriver.GetCapabilities",
        "IpamDriver.GetDefaultAddressSpaces",
        "VolumeDriver.List",
        "VolumeDriver.Capabilities",
    ] {
        for body in ["", "{}", "null", "\n"] {
            let answer = client.call(&format!("/{method}"), body).await;
            assert_eq!(answer.status, 200, "{method} {body:?}");
            assert!(answer.json().is_object());
        }
    }
}

#[tokio::test]
async fn a_body_that_is_needed_and_missing_is_an_error_and_calls_nobody() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for method in [
        "NetworkDriver.GwAllocCheck",
        "NetworkDriver.AllocateNetwork",
        "NetworkDriver.FreeNetwork",
        "NetworkDriver.CreateNetwork",
        "NetworkDriver.DeleteNetwork",
        "NetworkDriver.CreateEndpoint",
        "NetworkDriver.DeleteEndpoint",
        "NetworkDriver.EndpointOperInfo",
        "NetworkDriver.Join",
        "NetworkDriver.Leave",
        "NetworkDriver.ProgramExternalConnectivity",
        "NetworkDriver.RevokeExternalConnectivity",
        "NetworkDriver.DiscoverNew",
        "NetworkDriver.DiscoverDelete",
        "IpamDriver.RequestPool",
        "IpamDriver.ReleasePool",
        "IpamDriver.RequestAddress",
        "IpamDriver.ReleaseAddress",
        "VolumeDriver.Create",
        "VolumeDriver.Path",
        "VolumeDriver.Mount",
        "VolumeDriver.Unmount",
        "VolumeDriver.Remove",
    ] {
        for body in ["", "{", "[]", "null", "\"x\""] {
            let answer = client.call(&format!("/{method}"), body).await;
            assert_eq!(answer.status, 500, "{method} {body:?}");
            answer.error();
        }
    }
    assert_eq!(rig.recorder.calls(), []);
}

#[tokio::test]
async fn a_request_that_names_nothing_calls_nobody() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for (method, body, field) in [
        ("NetworkDriver.DeleteNetwork", "{}", "NetworkID"),
        ("NetworkDriver.CreateEndpoint", r#"{"NetworkID":"n"}"#, "EndpointID"),
        ("IpamDriver.ReleasePool", r#"{"PoolID":null}"#, "PoolID"),
        ("IpamDriver.ReleaseAddress", r#"{"PoolID":"p","Address":""}"#, "Address"),
        ("VolumeDriver.Remove", r#"{"Name":""}"#, "Name"),
    ] {
        let answer = client.call(&format!("/{method}"), body).await;
        assert_eq!(answer.status, 500);
        assert!(answer.error().contains(field), "{}", answer.error());
    }
    assert_eq!(rig.recorder.calls(), []);
}

#[tokio::test]
async fn keys_may_be_missing_null_or_unknown() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for (method, body) in [
        ("NetworkDriver.CreateNetwork", r#"{"NetworkID":"n"}"#),
        (
            "NetworkDriver.CreateNetwork",
            r#"{"NetworkID":"n","Options":null,"IPv4Data":null,"IPv6Data":null,"New":{"a":[1]}}"#,
        ),
        (
            "NetworkDriver.CreateNetwork",
            r#"{"NetworkID":"n","IPv4Data":[{"AddressSpace":null,"Pool":"10.0.0.0/24","Gateway":null,"AuxAddresses":null,"X":1}]}"#,
        ),
        (
            "NetworkDriver.CreateEndpoint",
            r#"{"NetworkID":"n","EndpointID":"e","Interface":null,"Options":null}"#,
        ),
        (
            "NetworkDriver.CreateEndpoint",
            r#"{"NetworkID":"n","EndpointID":"e","Interface":{"MacAddress":null}}"#,
        ),
        ("NetworkDriver.Join", r#"{"NetworkID":"n","EndpointID":"e","SandboxKey":null}"#),
        ("NetworkDriver.DiscoverNew", r#"{"DiscoveryType":null,"DiscoveryData":null}"#),
        ("IpamDriver.RequestPool", "{}"),
        (
            "IpamDriver.RequestPool",
            r#"{"AddressSpace":null,"Pool":null,"SubPool":null,"Options":null,"V6":null}"#,
        ),
        ("IpamDriver.RequestAddress", r#"{"PoolID":"p","Address":null,"Options":null}"#),
        ("VolumeDriver.Create", r#"{"Name":"v"}"#),
        ("VolumeDriver.Create", r#"{"Name":"v","Opts":{"size":1,"none":null}}"#),
        ("VolumeDriver.Mount", r#"{"Name":"v","ID":null}"#),
    ] {
        let answer = client.call(&format!("/{method}"), body).await;
        assert_eq!(answer.status, 200, "{method} {body}: {answer:?}");
    }
    let created =
        rig.recorder.calls().into_iter().rfind(|(method, _)| method == "VolumeDriver.Create").unwrap().1;
    assert_eq!(created, json!({"Name": "v", "Opts": {"size": "1"}}));
}

#[tokio::test]
async fn a_refusal_is_500_with_one_line_under_both_names() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let answer = client.call("/NetworkDriver.CreateNetwork", r#"{"NetworkID":"refused"}"#).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.error(), "no network for you: ask the operator");
    assert_eq!(answer.header("content-type"), Some("application/vnd.docker.plugins.v1.2+json"));
}

#[tokio::test]
async fn only_an_unknown_method_is_404() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for path in
        ["/", "/NetworkDriver", "/NetworkDriver.Nonsense", "/Nonsense.Get", "/VolumeDriver.get", "/Plugin.X"]
    {
        let answer = client.call(path, "{}").await;
        assert_eq!(answer.status, 404, "{path}");
        answer.error();
    }
}

#[tokio::test]
async fn a_driver_that_is_not_there_is_not_announced_and_404() {
    let rig = Rig::new();
    let driver = std::sync::Arc::new(crate::drivers::Recording(rig.recorder.clone()));
    let plugin = Plugin::builder("partial").ipam(driver).build();
    let ask = async |path: &str| {
        let request =
            ::http::Request::post(path).body(http_body_util::Full::<bytes::Bytes>::from("{}")).unwrap();
        let answer = plugin.handle(request, &CancellationToken::new()).await.unwrap();
        let status = answer.status().as_u16();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    assert_eq!(ask("/Plugin.Activate").await, (200, json!({"Implements": ["IpamDriver"]})));
    assert_eq!(ask("/VolumeDriver.Get").await.0, 404);
    assert_eq!(ask("/NetworkDriver.Join").await.0, 404);
    assert_eq!(ask("/IpamDriver.GetCapabilities").await.0, 200);
}

#[tokio::test]
async fn many_connections_and_many_calls_go_side_by_side() {
    let rig = Rig::new();
    let mut slow = rig.client().await;
    slow.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    let mut others = Vec::new();
    for number in 0..50 {
        let mut client = rig.client().await;
        others.push(tokio::spawn(async move {
            for _ in 0..5 {
                let answer = client.call("/VolumeDriver.Get", &format!(r#"{{"Name":"v{number}"}}"#)).await;
                assert_eq!(answer.json()["Volume"]["Name"], json!(format!("v{number}")));
            }
        }));
    }
    for other in others {
        other.await.unwrap();
    }
    rig.recorder.go_on.notify_one();
    assert_eq!(slow.answer().await.unwrap().json(), json!({"Mountpoint": "/mnt/slow"}));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413_and_the_next_one_is_served() {
    let rig = Rig::with(|plugin| plugin.body_limits(1000, Duration::from_secs(10)), Default::default());
    let mut client = rig.client().await;
    let long = format!(r#"{{"Name":"v","Opts":{{"x":"{}"}}}}"#, "y".repeat(1000));
    let answer = client.call("/VolumeDriver.Create", &long).await;
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("1000 bytes"));
    assert_eq!(client.call("/VolumeDriver.Create", r#"{"Name":"v"}"#).await.status, 200);
    assert_eq!(rig.recorder.count("VolumeDriver.Create"), 1);
}

#[tokio::test]
async fn four_mebibytes_fit_and_more_does_not() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let body = |length: usize| {
        let frame = r#"{"Name":"v","Opts":{"x":""}}"#.len();
        format!(r#"{{"Name":"v","Opts":{{"x":"{}"}}}}"#, "y".repeat(length - frame))
    };
    assert_eq!(client.call("/VolumeDriver.Create", &body(4 << 20)).await.status, 200);
    assert_eq!(client.call("/VolumeDriver.Create", &body((4 << 20) + 1)).await.status, 413);
}

#[tokio::test]
async fn half_a_body_is_an_error_within_the_time_allowed() {
    let rig = Rig::with(|plugin| plugin.body_limits(1000, Duration::from_millis(100)), Default::default());
    let mut client = rig.client().await;
    client
        .send(b"POST /VolumeDriver.Create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Name\":")
        .await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 500);
    answer.error();
    assert!(client.answer().await.is_none(), "the rest would be taken for the next request");
    assert_eq!(rig.recorder.calls(), []);
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client
        .send(b"POST /VolumeDriver.Create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"Name\":\r\n4\r\n\"v\"}\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_panic_is_500_and_kills_nobody() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    let answer = client.call("/VolumeDriver.Mount", r#"{"Name":"broken","ID":"1"}"#).await;
    assert_eq!(answer.status, 500);
    assert!(answer.error().contains("VolumeDriver.Mount"));
    assert!(!answer.error().contains("on purpose"), "the text of a panic is not for users");
    assert_eq!(client.call("/VolumeDriver.Mount", r#"{"Name":"v","ID":"1"}"#).await.status, 200);
}

#[tokio::test]
async fn a_call_goes_on_when_its_client_goes_away() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(&request("/VolumeDriver.Mount", DOCKER, r#"{"Name":"slow","ID":"1"}"#)).await;
    rig.recorder.called("VolumeDriver.Mount", 1).await;
    drop(client);
    // The server has seen the end of the connection by the time it has served another.
    assert_eq!(rig.client().await.call("/VolumeDriver.List", "{}").await.status, 200);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.recorder.count("finished"), 0);
    rig.recorder.go_on.notify_one();
    rig.recorder.called("finished", 1).await;
}

#[tokio::test]
async fn rubbish_ends_its_connection_only() {
    let rig = Rig::new();
    for rubbish in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"NONSENSE\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
    {
        let mut client = rig.client().await;
        client.send(rubbish).await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(200), client.try_answer()).await {
            assert!(answer.is_none_or(|status| status == 400), "{rubbish:?}");
        }
    }
    assert_eq!(rig.client().await.call("/Plugin.Activate", "").await.status, 200);
}

#[test]
fn an_error_can_be_made_of_text_and_of_errors() {
    let chain = docker_plugin::Error::PluginName { name: "a/b".into() };
    assert!(PluginError::from_chain(&chain).text().contains("a/b"));
    assert_eq!(PluginError::from("x").to_string(), "x");
}
