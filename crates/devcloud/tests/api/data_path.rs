use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use devcloud::datapath::{DataPathError, NetworkDataPath, NetworkView, PortView, Result};
use serde_json::json;
use tokio::sync::broadcast;

use crate::client::{Cloud, id, options};

/// Remembers what it was told; can be told to fail for ports.
#[derive(Debug)]
struct Recorder {
    networks: Mutex<BTreeMap<String, NetworkView>>,
    ports: Mutex<BTreeMap<String, PortView>>,
    fail_ports: Mutex<bool>,
    up: Mutex<BTreeSet<String>>,
    links: broadcast::Sender<(String, bool)>,
}

impl Recorder {
    fn port(&self, id: &str) -> Option<PortView> {
        self.ports.lock().unwrap().get(id).cloned()
    }
}

#[async_trait]
impl NetworkDataPath for Recorder {
    async fn network_up(&self, network: &NetworkView) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.networks.lock().unwrap().insert(network.id.clone(), network.clone());
        Ok(())
    }
    async fn network_down(&self, id: &str) -> Result<()> {
        self.networks.lock().unwrap().remove(id);
        Ok(())
    }
    async fn port_up(&self, port: &PortView) -> Result<()> {
        // Slow on purpose: an answer that does not wait for it would be seen too early.
        tokio::time::sleep(Duration::from_millis(20)).await;
        if *self.fail_ports.lock().unwrap() {
            return Err(DataPathError("planned".into()));
        }
        self.ports.lock().unwrap().insert(port.id.clone(), port.clone());
        Ok(())
    }
    async fn port_down(&self, id: &str) -> Result<()> {
        self.ports.lock().unwrap().remove(id);
        Ok(())
    }
    fn link_events(&self) -> broadcast::Receiver<(String, bool)> {
        self.links.subscribe()
    }
    async fn links_up(&self) -> Option<BTreeSet<String>> {
        Some(self.up.lock().unwrap().clone())
    }
}

fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder {
        networks: Mutex::default(),
        ports: Mutex::default(),
        fail_ports: Mutex::default(),
        up: Mutex::default(),
        links: broadcast::Sender::new(16),
    })
}

async fn start() -> (Cloud, Arc<Recorder>, String) {
    let path = recorder();
    let mut chosen = options();
    chosen.network_path = Some(path.clone());
    let cloud = Cloud::with(chosen).await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    (cloud, path, network)
}

#[tokio::test]
async fn a_network_is_up_while_a_port_of_it_is_bound() {
    let (cloud, path, network) = start().await;
    let seen = || path.networks.lock().unwrap().get(&network).cloned();
    // The subnet's DHCP port does not count, nor does a port that is not bound.
    let waiting = id(&cloud.port(json!({"network_id": network})).await.body["port"]);
    assert_eq!(seen(), None);
    let bind = |host: &str| json!({"port": {"binding:host_id": host}});
    cloud.put(&format!("ports/{waiting}"), bind("h")).await;
    let view = seen().unwrap();
    assert_eq!((view.mtu, view.gateways), (1450, vec!["10.1.0.1/24".parse().unwrap()]));
    let other = id(&cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await.body["port"]);
    cloud.put(&format!("ports/{waiting}"), bind("")).await;
    assert!(seen().is_some());
    cloud.delete(&format!("ports/{other}")).await;
    assert_eq!(seen(), None);
}

#[tokio::test]
async fn a_network_whose_only_binding_failed_is_not_up() {
    let (cloud, path, network) = start().await;
    *path.fail_ports.lock().unwrap() = true;
    cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await;
    assert!(path.networks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn many_ports_that_come_and_go_at_once_never_lack_their_network() {
    let (cloud, path, network) = start().await;
    let live = async |_| {
        for _ in 0..4 {
            let bound = json!({"network_id": network, "binding:host_id": "h"});
            let port = id(&cloud.port(bound).await.body["port"]);
            assert!(path.networks.lock().unwrap().contains_key(&network), "bound, hence up");
            assert!(path.port(&port).is_some());
            cloud.delete(&format!("ports/{port}")).await;
        }
    };
    futures_util::future::join_all((0..8).map(live)).await;
    assert!(path.networks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn filtering_is_in_place_when_the_answer_comes_and_members_reach_other_ports_rules() {
    let (cloud, path, network) = start().await;
    let bound = json!({"network_id": network, "binding:host_id": "h"});
    let a = id(&cloud.port(bound.clone()).await.body["port"]);
    let view = path.port(&a).unwrap();
    assert_eq!(view.vif_type, "bridge");
    let peers = |id: &str| {
        let view = path.port(id).unwrap();
        view.rules.into_iter().find(|r| r.ingress && !r.ipv6).unwrap().peers.unwrap()
    };
    assert_eq!(peers(&a), ["10.1.0.2/32".parse().unwrap()]);
    let b = id(&cloud.port(bound).await.body["port"]);
    assert_eq!(peers(&a).len(), 2);
    cloud.delete(&format!("ports/{b}")).await;
    assert_eq!(peers(&a).len(), 1);
    assert!(path.port(&b).is_none());

    let group = id(&cloud.create("security-groups", "security_group", json!({"name": "g"})).await);
    cloud.put(&format!("ports/{a}"), json!({"port": {"security_groups": [group]}})).await;
    assert!(path.port(&a).unwrap().rules.iter().all(|r| !r.ingress));
    let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "udp",
                      "port_range_min": 1234, "port_range_max": 1238});
    cloud.create("security-group-rules", "security_group_rule", rule).await;
    let opened = path.port(&a).unwrap().rules.into_iter().find(|r| r.ingress).unwrap();
    assert_eq!((opened.ports, opened.peers), (Some((1234, 1238)), None));
    cloud.put(&format!("ports/{a}"), json!({"port": {"binding:host_id": ""}})).await;
    assert!(path.port(&a).is_none());
}

#[tokio::test]
async fn pairs_and_switched_off_port_security_reach_the_data_path() {
    let (cloud, path, network) = start().await;
    let pairs =
        json!([{"ip_address": "10.7.0.0/24"}, {"ip_address": "fd07::1", "mac_address": "02:00:00:00:00:01"}]);
    let body = json!({"network_id": network, "binding:host_id": "h", "allowed_address_pairs": pairs});
    let port = cloud.port(body).await.body["port"].clone();
    let view = path.port(&id(&port)).unwrap();
    let own = port["mac_address"].as_str().unwrap().to_owned();
    let wanted = [("02:00:00:00:00:01".to_owned(), "fd07::1/128"), (own, "10.7.0.0/24")];
    assert_eq!(view.pairs, wanted.map(|(mac, net)| (mac, net.parse().unwrap())));
    assert!(view.port_security);
    let off = json!({"port_security_enabled": false, "allowed_address_pairs": [], "security_groups": []});
    cloud.put(&format!("ports/{}", id(&port)), json!({"port": off})).await;
    assert!(!path.port(&id(&port)).unwrap().port_security);
}

#[tokio::test]
async fn a_port_follows_its_device() {
    let (cloud, path, network) = start().await;
    let port = cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await.body["port"].clone();
    assert_eq!(port["status"], "DOWN");
    let id = id(&port);
    for (up, status, revision) in [(true, "ACTIVE", 4), (false, "DOWN", 5)] {
        path.links.send((id[..11].to_owned(), up)).unwrap();
        let mut seen = serde_json::Value::Null;
        for _ in 0..100 {
            seen = cloud.get(&format!("ports/{id}")).await.body["port"].clone();
            if seen["status"] == status {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((&seen["status"], &seen["revision_number"]), (&json!(status), &json!(revision)));
    }
}

#[tokio::test]
async fn a_port_that_cannot_be_filtered_is_not_bound() {
    let (cloud, path, network) = start().await;
    *path.fail_ports.lock().unwrap() = true;
    let port = cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await.body["port"].clone();
    assert_eq!((&port["binding:vif_type"], &port["status"]), (&json!("binding_failed"), &json!("DOWN")));
    *path.fail_ports.lock().unwrap() = false;
    let again = json!({"port": {"binding:host_id": "h"}});
    let port = cloud.put(&format!("ports/{}", id(&port)), again).await.body["port"].clone();
    assert_eq!(port["binding:vif_type"], "bridge");
}

#[tokio::test]
async fn stopping_a_cloud_that_saves_nothing_takes_its_data_path_down() {
    let (cloud, path, network) = start().await;
    cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await;
    cloud.stop().await;
    assert!(path.networks.lock().unwrap().is_empty() && path.ports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_restarted_cloud_wires_what_it_saved_and_finds_the_devices_that_are_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut chosen = options();
    chosen.state_file = Some(folder.path().join("cloud.json"));
    let cloud = Cloud::with(chosen.clone()).await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    let port = id(&cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await.body["port"]);
    cloud.stop().await;

    let path = recorder();
    path.up.lock().unwrap().insert(port[..11].to_owned());
    chosen.network_path = Some(path.clone());
    let cloud = Cloud::with(chosen).await;
    assert!(path.port(&port).is_some() && path.networks.lock().unwrap().contains_key(&network));
    let mut status = serde_json::Value::Null;
    for _ in 0..100 {
        status = cloud.get(&format!("ports/{port}")).await.body["port"]["status"].clone();
        if status == "ACTIVE" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status, "ACTIVE");
    cloud.stop().await;
    assert!(path.port(&port).is_some(), "what was saved stays wired for the next start");
}

#[tokio::test]
async fn a_subport_has_no_device_and_follows_that_of_its_parent() {
    let (cloud, path, network) = start().await;
    let make = async || id(&cloud.port(json!({"network_id": network})).await.body["port"]);
    let (parent, child) = (make().await, make().await);
    let carried = json!([{"port_id": child, "segmentation_type": "vlan", "segmentation_id": 1}]);
    let trunk = cloud.create("trunks", "trunk", json!({"port_id": parent, "sub_ports": carried})).await;
    let trunk = format!("trunks/{}", id(&trunk));
    let bind = json!({"port": {"binding:host_id": "h"}});
    cloud.put(&format!("ports/{parent}"), bind).await;
    let statuses = async || {
        let one = async |id: &str| cloud.get(&format!("ports/{id}")).await.body["port"]["status"].clone();
        let trunk = cloud.get(&trunk).await.body["trunk"]["status"].clone();
        [one(&parent).await, one(&child).await, trunk].map(|status| status.as_str().unwrap().to_owned())
    };
    assert_eq!(statuses().await, ["DOWN"; 3]);
    // That the VM is off does not concern the trunk.
    for (up, wanted) in [(true, ["ACTIVE"; 3]), (false, ["DOWN", "DOWN", "ACTIVE"]), (true, ["ACTIVE"; 3])] {
        path.links.send((parent[..11].to_owned(), up)).unwrap();
        for _ in 0..100 {
            if statuses().await == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(statuses().await, wanted);
    }
    assert!(path.port(&parent).is_some() && path.port(&child).is_none());
    cloud.put(&format!("{trunk}/remove_subports"), json!({"sub_ports": carried})).await;
    assert!(path.port(&child).is_none());
    // Somebody else's from now on.
    let taken = json!({"port": {"device_owner": "compute:other", "binding:host_id": "h"}});
    cloud.put(&format!("ports/{child}"), taken).await;
    assert!(path.port(&child).is_some());
}
