//! Requests recorded from real daemons, sent again byte by byte.

use std::{collections::BTreeSet, path::Path};

use docker_plugin::{Options, ipam, network};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    client::{self, Answer},
    rig::Rig,
};

#[derive(Deserialize)]
struct Daemon {
    daemon: String,
    headers: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Recorded {
    method: String,
    body: String,
}

fn load(name: &str) -> (Daemon, Vec<Recorded>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let daemon = serde_json::from_str(lines.next().unwrap()).unwrap();
    (daemon, lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// What Go would read the same: without members that are null, empty or a message's default.
fn essence(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), essence(value)))
                .filter(|(_, value)| !is_nothing(value))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(essence).collect()),
        other => other.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

const WITHOUT_ARGUMENTS: [&str; 6] = [
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
    "VolumeDriver.List",
    "VolumeDriver.Capabilities",
];

/// Sends everything recorded over one connection and checks every answer and every typed message.
/// Returns the typed messages as JSON.
async fn replay(name: &str) -> Vec<(String, Value)> {
    let (daemon, recorded) = load(name);
    let rig = Rig::new();
    let mut connection = rig.client().await;
    let headers: Vec<_> =
        daemon.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    assert!(recorded.len() >= 9, "{}: fixture cut short", daemon.daemon);

    let mut expected = Vec::new();
    for one in &recorded {
        let Recorded { method, body } = one;
        connection.send(&client::request(&format!("/{method}"), &headers, body)).await;
        let answer = connection.answer().await;
        let needs_body = !WITHOUT_ARGUMENTS.contains(&method.as_str());
        match answer {
            None => {
                assert!(
                    body.is_empty() && method == "VolumeDriver.Get",
                    "{}: {method} {body}",
                    daemon.daemon
                );
                connection = rig.client().await;
            }
            Some(answer) if body.is_empty() && needs_body => {
                assert_ne!(method, "VolumeDriver.Get", "an answer makes Docker forget the volume");
                assert_eq!(answer.status, 500, "{method}");
                answer.error();
            }
            Some(answer) => {
                check_answer(method, &answer);
                if needs_body {
                    expected.push((method.clone(), serde_json::from_str::<Value>(body).unwrap()));
                } else if method == "VolumeDriver.List" {
                    expected.push((method.clone(), json!({})));
                }
            }
        }
    }
    let calls = rig.recorder.calls();
    assert_eq!(calls.len(), expected.len(), "{}: calls lost or repeated", daemon.daemon);
    for ((method, sent), (called, got)) in expected.iter().zip(&calls) {
        assert_eq!(method, called);
        assert_eq!(essence(sent), essence(got), "{}: {method} lost something", daemon.daemon);
    }
    assert_eq!(rig.stop().await.unfinished, 0);
    calls
}

fn check_answer(method: &str, answer: &Answer) {
    assert_eq!(answer.status, 200, "{method}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/vnd.docker.plugins.v1.2+json"), "{method}");
    let json = answer.json();
    assert!(json.is_object(), "{method}: {json}");
    assert!(json.get("Err").is_none() && json.get("Error").is_none(), "{method}: {json}");
    let form = match method {
        "Plugin.Activate" => json!({"Implements": ["NetworkDriver", "IpamDriver", "VolumeDriver"]}),
        "NetworkDriver.GetCapabilities" => {
            json!({"Scope": "local", "ConnectivityScope": "global", "GwAllocChecker": true})
        }
        "NetworkDriver.GwAllocCheck" => json!({"SkipIPv4": true, "SkipIPv6": false}),
        "NetworkDriver.AllocateNetwork" => json!({"Options": json["Options"]}),
        "NetworkDriver.CreateEndpoint" if json["Interface"] == json!({}) => json!({"Interface": {}}),
        "NetworkDriver.CreateEndpoint" => json!({"Interface": {"MacAddress": "fa:16:3e:00:00:01"}}),
        "NetworkDriver.EndpointOperInfo" => json!({"Value": {}}),
        "NetworkDriver.Join" => json!({
            "InterfaceName": {"SrcName": "tap0", "DstPrefix": "eth"},
            "Gateway": "10.0.0.1",
            "StaticRoutes": [
                {"Destination": "192.0.2.0/24", "RouteType": 0, "NextHop": "10.0.0.9"},
                {"Destination": "169.254.1.1/32", "RouteType": 1},
            ],
            "DisableGatewayService": true,
        }),
        "IpamDriver.GetCapabilities" => json!({"RequiresMACAddress": false, "RequiresRequestReplay": false}),
        "IpamDriver.GetDefaultAddressSpaces" => {
            json!({"LocalDefaultAddressSpace": "here", "GlobalDefaultAddressSpace": "everywhere"})
        }
        "IpamDriver.RequestPool" => json!({"PoolID": "pool-1", "Pool": json["Pool"], "Data": {}}),
        "IpamDriver.RequestAddress" => json!({"Address": "10.9.0.7/24", "Data": {}}),
        "VolumeDriver.Get" => json!({"Volume": {"Name": json["Volume"]["Name"], "Mountpoint": "/m"}}),
        "VolumeDriver.List" => json!({"Volumes": [{"Name": "v"}]}),
        "VolumeDriver.Path" => json!({"Mountpoint": ""}),
        "VolumeDriver.Mount" => json!({"Mountpoint": json["Mountpoint"]}),
        "VolumeDriver.Capabilities" => json!({"Capabilities": {"Scope": "global"}}),
        _ => json!({}),
    };
    assert_eq!(json, form, "{method}");
}

fn of<'a>(calls: &'a [(String, Value)], method: &'a str) -> impl Iterator<Item = &'a Value> {
    calls.iter().filter(move |(called, _)| called == method).map(|(_, request)| request)
}

/// What every generation of Docker was made to send, in typed form.
fn check_docker(calls: &[(String, Value)]) {
    let endpoints: Vec<network::CreateEndpointRequest> = of(calls, "NetworkDriver.CreateEndpoint")
        .map(|call| serde_json::from_value(call.clone()).unwrap())
        .collect();
    let mut exposed = BTreeSet::new();
    let mut published = 0;
    let mut addresses = 0;
    for endpoint in &endpoints {
        assert_eq!(endpoint.network_id.len(), 64);
        assert_eq!(endpoint.endpoint_id.len(), 64);
        exposed
            .extend(endpoint.options.exposed_ports().unwrap().iter().map(|port| (port.protocol, port.port)));
        for port in endpoint.options.published_ports().unwrap() {
            published += 1;
            assert!(port.host_port_end >= port.host_port && port.port > 0);
        }
        if let Some(address) = endpoint.options.mac_address().unwrap() {
            addresses += 1;
            assert_eq!(address.to_string(), endpoint.interface.mac_address);
        }
    }
    for port in [(17, 1234), (17, 1235), (17, 1236), (6, 80)] {
        assert!(exposed.contains(&port), "{port:?} not in {exposed:?}");
    }
    assert!(published > 0 && addresses > 0);
    assert!(
        endpoints.iter().any(|endpoint| endpoint.options.get("ek") == Some(&json!("ev"))),
        "driver-opt lost"
    );
    assert!(endpoints.iter().any(|endpoint| endpoint.options.dns_servers() == ["8.8.8.8"]), "--dns lost");

    let networks: Vec<network::CreateNetworkRequest> = of(calls, "NetworkDriver.CreateNetwork")
        .map(|call| serde_json::from_value(call.clone()).unwrap())
        .collect();
    let first = &networks[0];
    assert_eq!(first.options.generic().get("foo").map(String::as_str), Some("bar"));
    assert!(first.options.enable_ipv4() && !first.options.enable_ipv6() && !first.options.internal());
    assert_eq!(first.ipv4_data[0].pool, "10.10.0.0/16");
    assert_eq!(first.ipv4_data[0].gateway, "10.10.0.1/16");
    assert_eq!(first.ipv4_data[0].aux_addresses.get("a1").map(String::as_str), Some("10.10.0.9/16"));
    assert!(networks.iter().any(|network| network.options.internal() && network.options.enable_ipv6()));
    assert!(networks.iter().any(|network| !network.ipv6_data.is_empty()));

    let pool: ipam::RequestPoolRequest =
        serde_json::from_value(of(calls, "IpamDriver.RequestPool").next().unwrap().clone()).unwrap();
    assert_eq!((pool.pool.as_str(), pool.sub_pool.as_str()), ("10.10.0.0/16", "10.10.5.0/24"));
    assert_eq!(pool.options.to_text().get("pk").map(String::as_str), Some("pv"));
    assert!(of(calls, "IpamDriver.RequestPool").any(|call| call["V6"] == json!(true)));

    let addresses: Vec<ipam::RequestAddressRequest> = of(calls, "IpamDriver.RequestAddress")
        .map(|call| serde_json::from_value(call.clone()).unwrap())
        .collect();
    assert!(addresses.iter().any(|one| one.options.is_gateway_request() && one.address == "10.10.0.1"));
    assert!(addresses.iter().any(|one| !one.options.is_gateway_request() && one.address == "10.10.5.7"));
    // Kuryr's driver of old asked for the address of the endpoint.
    assert!(addresses.iter().any(|one| one.options.mac_address().unwrap().is_some()), "--requires mac lost");
}

#[tokio::test]
async fn docker_20_10_is_understood() {
    let (daemon, _) = load("docker-20.10.jsonl");
    assert_eq!(daemon.headers[0], ("Host".to_owned(), Some(String::new())), "the empty Host is the point");
    let calls = replay("docker-20.10.jsonl").await;
    check_docker(&calls);
    assert_eq!(of(&calls, "NetworkDriver.GwAllocCheck").count(), 0);
}

#[tokio::test]
async fn docker_26_1_is_understood() {
    check_docker(&replay("docker-26.1.jsonl").await);
}

#[tokio::test]
async fn docker_28_5_is_understood() {
    let calls = replay("docker-28.5.jsonl").await;
    check_docker(&calls);
    let asked = of(&calls, "NetworkDriver.GwAllocCheck").next().unwrap();
    let options: Options = serde_json::from_value(asked["Options"].clone()).unwrap();
    assert_eq!(options.generic().get("foo").map(String::as_str), Some("bar"));
    let v6_only = of(&calls, "NetworkDriver.CreateNetwork")
        .map(|call| serde_json::from_value::<network::CreateNetworkRequest>(call.clone()).unwrap())
        .find(|network| !network.options.enable_ipv4())
        .expect("no network without IPv4 recorded");
    assert!(v6_only.ipv4_data.is_empty() && !v6_only.ipv6_data.is_empty());
}

#[tokio::test]
async fn docker_28_5_in_swarm_mode_is_understood() {
    let calls = replay("docker-28.5-swarm.jsonl").await;
    let allocated = of(&calls, "NetworkDriver.AllocateNetwork").next().unwrap();
    assert_eq!(allocated["NetworkID"].as_str().unwrap().len(), 25);
    assert_eq!(of(&calls, "NetworkDriver.FreeNetwork").count(), 1);
    let discovered: network::DiscoveryNotification =
        serde_json::from_value(of(&calls, "NetworkDriver.DiscoverNew").next().unwrap().clone()).unwrap();
    assert_eq!(discovered.discovery_type, 1);
    assert_eq!(discovered.discovery_data["Self"], json!(true));
}

#[tokio::test]
async fn podman_5_4_is_understood() {
    let (daemon, recorded) = load("podman-5.4.jsonl");
    assert!(daemon.headers.iter().any(|(name, _)| name == "Content-Type"));
    assert!(recorded.iter().any(|one| one.method == "VolumeDriver.List" && one.body.is_empty()));
    let calls = replay("podman-5.4.jsonl").await;
    assert!(of(&calls, "VolumeDriver.Create").any(|call| call["Opts"] == json!({})), "options left out");
    assert!(of(&calls, "VolumeDriver.Create").any(|call| call["Opts"] == json!({"size": "1"})));
}
