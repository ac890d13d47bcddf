//! The whole cloud over real bridges, in a network namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use devcloud::bridges::Bridges;
use devcloud::{DevCloud, Options, Running};
use host_net::{Links, VethSpec};
use os::netns::{NetNs, run_in};
use serde_json::{Value, json};

struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    async fn new(running: &Running) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": "admin", "domain": domain, "password": "admin"}}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }});
        let url = format!("{}/v3/auth/tokens", running.auth_url);
        let answer = http.post(url).json(&body).send().await.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        Self { http, base: format!("http://{}/networking/v2.0", running.addr), token }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.base);
        let request = self.http.request(method.parse().unwrap(), url).header("x-auth-token", &self.token);
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }

    async fn wait_for_status(&self, port: &str, wanted: &str) {
        let mut status = Value::Null;
        for _ in 0..250 {
            status = self.call("GET", &format!("ports/{port}"), Value::Null).await["port"]["status"].clone();
            if status == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the port stays {status} instead of {wanted}");
    }
}

fn in_namespace(test: impl AsyncFnOnce(Links) + Send) {
    let netns = NetNs::new_unshared().expect("this test needs root to make network namespaces");
    run_in(&netns, move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let links = Links::open().unwrap();
            links.set_up("lo", true).await.unwrap();
            test(links).await;
        });
    })
    .unwrap();
}

#[test]
fn a_port_is_active_while_its_device_is_up_and_a_stop_leaves_nothing_behind() {
    in_namespace(async |links| {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.network_path = Some(Bridges::open(links.clone(), "wired").await.unwrap());
        let running = DevCloud::start(options).await.unwrap();
        let client = Client::new(&running).await;

        let network = client.call("POST", "networks", json!({"network": {}})).await;
        let network = network["network"]["id"].as_str().unwrap().to_owned();
        let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.5.0.0/24"}});
        client.call("POST", "subnets", subnet).await;
        let bridge = format!("brq{}", &network[..11]);
        assert!(links.link(&bridge).await.unwrap().is_none(), "nobody is plugged into it");
        assert_eq!(links.onlink_routes().await.unwrap(), []);

        let port = json!({"port": {"network_id": network, "binding:host_id": "here"}});
        let port = client.call("POST", "ports", port).await["port"].clone();
        assert_eq!(port["status"], "DOWN");
        let addresses = links.addresses(&bridge).await.unwrap();
        assert!(addresses.contains(&"10.5.0.1/24".parse().unwrap()), "{addresses:?}");
        let id = port["id"].as_str().unwrap();
        let (host, peer) = (format!("tap{}", &id[..11]), format!("t_c{}", &id[..11]));
        let pair = VethSpec { host: host.clone(), peer: peer.clone(), mac: None, mtu: None };
        links.ensure_veth(&pair).await.unwrap();
        links.set_master(&host, Some(&bridge)).await.unwrap();
        links.set_up(&host, true).await.unwrap();
        links.set_up(&peer, true).await.unwrap();
        client.wait_for_status(id, "ACTIVE").await;
        links.delete_link(&host).await.unwrap();
        client.wait_for_status(id, "DOWN").await;
        client.call("DELETE", &format!("ports/{id}"), Value::Null).await;
        assert!(links.link(&bridge).await.unwrap().is_none(), "its last port is gone");

        running.stop().await.unwrap();
        let left: Vec<_> = links.links().await.unwrap().into_iter().map(|link| link.name).collect();
        assert_eq!(left, ["lo"]);
    });
}

#[test]
fn a_restarted_cloud_knows_at_once_which_ports_are_up_and_drops_unused_networks() {
    in_namespace(async |links| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.state_file = Some(folder.path().join("cloud.json"));
        let bridges = Bridges::open(links.clone(), "wired").await.unwrap();
        options.network_path = Some(bridges.clone());
        let running = DevCloud::start(options.clone()).await.unwrap();
        let client = Client::new(&running).await;
        let network = client.call("POST", "networks", json!({"network": {}})).await;
        let network = network["network"]["id"].as_str().unwrap().to_owned();
        let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.5.0.0/24"}});
        client.call("POST", "subnets", subnet).await;
        let bound = json!({"port": {"network_id": network, "binding:host_id": "here"}});
        let port = client.call("POST", "ports", bound).await["port"]["id"].as_str().unwrap().to_owned();
        let (bridge, host, peer) =
            (format!("brq{}", &network[..11]), format!("tap{}", &port[..11]), format!("t_c{}", &port[..11]));
        let pair = VethSpec { host: host.clone(), peer: peer.clone(), mac: None, mtu: None };
        links.ensure_veth(&pair).await.unwrap();
        links.set_master(&host, Some(&bridge)).await.unwrap();
        links.set_up(&host, true).await.unwrap();
        links.set_up(&peer, true).await.unwrap();
        client.wait_for_status(&port, "ACTIVE").await;
        let path = format!("ports/{port}");
        let before = client.call("GET", &path, Value::Null).await["port"].clone();
        running.stop().await.unwrap();
        options.network_path = None;
        drop(bridges);

        // Of a network the cloud forgot; marked as this cloud's.
        links.ensure_bridge("brqffffffff-00", None).await.unwrap();
        links.set_alias("brqffffffff-00", "kuryr-devcloud-wired").await.unwrap();
        links
            .ensure_veth(&VethSpec { host: "tap0".into(), peer: "tap1".into(), mac: None, mtu: None })
            .await
            .unwrap();
        links.set_master("tap0", Some("brqffffffff-00")).await.unwrap();

        options.network_path = Some(Bridges::open(links.clone(), "wired").await.unwrap());
        let running = DevCloud::start(options).await.unwrap();
        let client = Client::new(&running).await;
        assert_eq!(client.call("GET", &path, Value::Null).await["port"], before);
        assert!(links.link("brqffffffff-00").await.unwrap().is_none());
        let index = links.link(&bridge).await.unwrap().unwrap().index;
        assert_eq!(links.link(&host).await.unwrap().unwrap().master, Some(index));
        running.stop().await.unwrap();
        assert!(links.link(&bridge).await.unwrap().is_some(), "a restart goes on from it");
    });
}
