use serde_json::{Value, json};

use crate::client::{Answer, Cloud, id};

const NOTHING: &str = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";

/// A trunk and its parent.
async fn trunk(cloud: &Cloud, network: &str) -> (String, String) {
    let parent = port(cloud, network).await;
    (id(&cloud.create("trunks", "trunk", json!({"name": "t", "port_id": parent})).await), parent)
}

async fn port(cloud: &Cloud, network: &str) -> String {
    id(&cloud.create("ports", "port", json!({"network_id": network})).await)
}

fn vlan(port: &str, number: u16) -> Value {
    json!({"port_id": port, "segmentation_type": "vlan", "segmentation_id": number})
}

async fn add(cloud: &Cloud, trunk: &str, subports: Value) -> Answer {
    cloud.put(&format!("trunks/{trunk}/add_subports"), json!({"sub_ports": subports})).await
}

async fn remove(cloud: &Cloud, trunk: &str, ports: &[&str]) -> Answer {
    let subports: Vec<_> = ports.iter().map(|port| json!({"port_id": port})).collect();
    cloud.put(&format!("trunks/{trunk}/remove_subports"), json!({"sub_ports": subports})).await
}

/// The VLANs of a trunk's subports, which Neutron lists in any order.
fn vlans(trunk: &Value) -> Vec<u64> {
    let subports = trunk["sub_ports"].as_array().unwrap();
    let mut vlans: Vec<_> = subports.iter().map(|s| s["segmentation_id"].as_u64().unwrap()).collect();
    vlans.sort_unstable();
    vlans
}

#[tokio::test]
async fn a_trunk_is_listed_shown_renamed_and_known_to_its_parent() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (parent, child) = (port(&cloud, &network).await, port(&cloud, &network).await);
    let body = json!({"port_id": parent, "name": "a", "description": "d", "sub_ports": [vlan(&child, 7)]});
    let made = cloud.create("trunks", "trunk", body).await;
    assert_eq!((&made["status"], &made["admin_state_up"]), (&json!("DOWN"), &json!(true)), "{made}");
    assert_eq!((&made["name"], &made["description"], &made["tags"]), (&json!("a"), &json!("d"), &json!([])));
    assert_eq!((&made["port_id"], &made["sub_ports"]), (&json!(parent), &json!([vlan(&child, 7)])));
    assert_eq!(made["tenant_id"], made["project_id"]);
    let path = format!("trunks/{}", id(&made));
    assert_eq!(cloud.get(&path).await.body["trunk"], made);
    let subports = cloud.get(&format!("{path}/get_subports")).await;
    assert_eq!(subports.body, json!({"sub_ports": [vlan(&child, 7)]}));
    for (filter, count) in [
        (format!("port_id={parent}"), 1),
        (format!("port_id={child}"), 0),
        (format!("port_id={parent}&port_id={child}"), 1),
        ("name=a".to_owned(), 1),
        ("name=b".to_owned(), 0),
        ("admin_state_up=false".to_owned(), 0),
    ] {
        let found = cloud.get(&format!("trunks?{filter}")).await;
        assert_eq!(found.body["trunks"].as_array().map(Vec::len), Some(count), "{filter}: {found:?}");
    }
    cloud.get("trunks?status=DOWN").await.refused(400, "HTTPBadRequest");
    cloud.get("trunks?sub_ports=x").await.refused(400, "HTTPBadRequest");
    assert_eq!(cloud.get("trunks?sort_key=status&sort_dir=asc").await.status, 200);
    let chosen = cloud.get(&format!("trunks?fields=id&fields=sub_ports&port_id={parent}")).await;
    assert_eq!(chosen.body["trunks"], json!([{"id": made["id"], "sub_ports": [vlan(&child, 7)]}]));

    let shown = cloud.get(&format!("ports/{parent}")).await.body["port"].clone();
    let mut subport = vlan(&child, 7);
    subport["mac_address"] = cloud.get(&format!("ports/{child}")).await.body["port"]["mac_address"].clone();
    assert_eq!(shown["trunk_details"], json!({"trunk_id": made["id"], "sub_ports": [subport]}));
    let listed = cloud.get(&format!("ports?id={parent}")).await.body["ports"][0]["trunk_details"].clone();
    assert_eq!((&listed["trunk_id"], vlans(&listed)), (&made["id"], vec![7]));
    let other = cloud.get(&format!("ports/{child}")).await.body["port"].clone();
    assert_eq!(other.get("trunk_details"), None, "{other}");

    assert_eq!(made["revision_number"], 0);
    for (name, revision) in [("a", 0), ("b", 1)] {
        let renamed = cloud.put(&path, json!({"trunk": {"name": name}})).await.body["trunk"].clone();
        assert_eq!((&renamed["name"], &renamed["revision_number"]), (&json!(name), &json!(revision)));
    }
    for wrong in [json!({"port_id": child}), json!({"sub_ports": []}), json!({"status": "ACTIVE"})] {
        cloud.put(&path, json!({"trunk": wrong})).await.refused(400, "HTTPBadRequest");
    }
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.get(&path).await.refused(404, "TrunkNotFound");
    cloud.delete(&path).await.refused(404, "TrunkNotFound");
    assert_eq!(cloud.delete(&format!("ports/{child}")).await.status, 204);
    assert_eq!(cloud.delete(&format!("ports/{parent}")).await.status, 204);
}

#[tokio::test]
async fn both_extensions_and_the_quota_are_known() {
    let cloud = Cloud::start().await;
    for alias in ["trunk", "trunk-details"] {
        assert_eq!(cloud.get(&format!("extensions/{alias}")).await.body["extension"]["alias"], alias);
    }
    let network = cloud.create("networks", "network", json!({})).await;
    let project = network["project_id"].as_str().unwrap();
    let quota = format!("quotas/{project}");
    assert_eq!(cloud.get(&quota).await.body["quota"]["trunk"], -1);
    assert_eq!(cloud.put(&quota, json!({"quota": {"trunk": 1}})).await.status, 200);
    trunk(&cloud, &id(&network)).await;
    let second = port(&cloud, &id(&network)).await;
    cloud.post("trunks", json!({"trunk": {"port_id": second}})).await.refused(409, "OverQuota");
}

#[tokio::test]
async fn a_trunk_needs_a_port_of_its_own_that_no_host_has() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let make = |body: Value| cloud.post("trunks", json!({"trunk": body}));
    make(json!({})).await.refused(400, "HTTPBadRequest");
    make(json!({"port_id": "x"})).await.refused(400, "HTTPBadRequest");
    make(json!({"port_id": NOTHING})).await.refused(404, "PortNotFound");
    make(json!({"port_id": NOTHING, "colour": "red"})).await.refused(400, "HTTPBadRequest");
    let (first, parent) = trunk(&cloud, &network).await;
    make(json!({"port_id": parent})).await.refused(409, "ParentPortInUse");
    let child = port(&cloud, &network).await;
    assert_eq!(add(&cloud, &first, json!([vlan(&child, 1)])).await.status, 200);
    let nested = make(json!({"port_id": child})).await;
    nested.refused(409, "TrunkPortInUse");
    assert_eq!(nested.body["NeutronError"]["message"], format!("Port {child} is in use by another trunk."));
    let bound = json!({"network_id": network, "binding:host_id": "nowhere"});
    let bound = id(&cloud.create("ports", "port", bound).await);
    make(json!({"port_id": bound})).await.refused(409, "ParentPortInUse");
    // What is wrong with a subport is the same as later, but for the form.
    let free = port(&cloud, &network).await;
    let with = |subports: Value| make(json!({"port_id": free, "sub_ports": subports}));
    with(json!("x")).await.refused(400, "HTTPBadRequest");
    with(json!([{"port_id": "x"}])).await.refused(400, "HTTPBadRequest");
    with(json!([vlan(&child, 5)])).await.refused(409, "TrunkPortInUse");
    with(json!([vlan(&free, 5)])).await.refused(409, "ParentPortInUse");
    with(json!([vlan(NOTHING, 5)])).await.refused(404, "PortNotFound");
    assert_eq!(cloud.get(&format!("trunks?port_id={free}")).await.body["trunks"], json!([]));
}

#[tokio::test]
async fn subports_come_and_go_all_or_none_and_once_each() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, _) = trunk(&cloud, &network).await;
    let mut ports = Vec::new();
    for _ in 0..4 {
        ports.push(port(&cloud, &network).await);
    }
    let [a, b, c, d] = &ports[..] else { panic!("four ports") };
    let path = format!("trunks/{trunk}");
    let now = async || vlans(&cloud.get(&path).await.body["trunk"]);
    let added = add(&cloud, &trunk, json!([vlan(a, 1), vlan(b, 4094)])).await;
    assert_eq!((added.status, &added.body["id"]), (200, &json!(trunk)), "the trunk itself: {added:?}");
    assert_eq!((vlans(&added.body), &added.body["status"]), (vec![1, 4094], &json!("DOWN")));

    // The same again.
    add(&cloud, &trunk, json!([vlan(a, 1)])).await.refused(409, "TrunkPortInUse");
    let taken = add(&cloud, &trunk, json!([vlan(c, 2), vlan(d, 1)])).await;
    taken.refused(409, "DuplicateSubPort");
    assert_eq!(
        taken.body["NeutronError"]["message"],
        format!("segmentation_type vlan and segmentation_id 1 already in use on trunk {trunk}.")
    );
    add(&cloud, &trunk, json!([vlan(c, 2), vlan(NOTHING, 3)])).await.refused(404, "PortNotFound");
    assert_eq!(now().await, [1, 4094]);
    // Numbers are each trunk's own.
    let (second, _) = self::trunk(&cloud, &network).await;
    assert_eq!(add(&cloud, &second, json!([vlan(c, 1)])).await.status, 200);
    add(&cloud, &trunk, json!([vlan(c, 9)])).await.refused(409, "TrunkPortInUse");

    let missing = remove(&cloud, &trunk, &[a, c]).await;
    missing.refused(404, "SubPortNotFound");
    assert_eq!(
        missing.body["NeutronError"]["message"],
        format!("SubPort {c} on trunk {trunk} could not be found.")
    );
    assert_eq!(now().await, [1, 4094]);
    let removed = remove(&cloud, &trunk, &[b]).await;
    assert_eq!((removed.status, vlans(&removed.body)), (200, vec![1]), "{removed:?}");
    remove(&cloud, &trunk, &[b]).await.refused(404, "SubPortNotFound");
    // It can come back, under any number, written as text too.
    let text = json!([{"port_id": b, "segmentation_type": "vlan", "segmentation_id": "77"}]);
    assert_eq!(vlans(&add(&cloud, &trunk, text).await.body), [1, 77]);
    assert_eq!(vlans(&remove(&cloud, &trunk, &[a, b]).await.body), Vec::<u64>::new());
    assert_eq!(add(&cloud, &trunk, json!([])).await.status, 200);
    let action = format!("trunks/{trunk}/add_subports");
    cloud.put(&action, json!({})).await.refused(500, "HTTPInternalServerError");

    add(&cloud, NOTHING, json!([vlan(a, 1)])).await.refused(404, "TrunkNotFound");
    remove(&cloud, NOTHING, &[a]).await.refused(404, "TrunkNotFound");
    cloud.get(&format!("trunks/{NOTHING}/get_subports")).await.refused(404, "TrunkNotFound");
}

#[tokio::test]
async fn a_subport_is_a_free_port_with_a_vlan_of_its_own() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, parent) = trunk(&cloud, &network).await;
    let (_, other) = self::trunk(&cloud, &network).await;
    let (free, free2) = (port(&cloud, &network).await, port(&cloud, &network).await);
    let used = json!({"network_id": network, "device_id": "somebody"});
    let used = id(&cloud.create("ports", "port", used).await);
    let table = [
        (json!([vlan(&parent, 5)]), 409, "ParentPortInUse"),
        (json!([vlan(&other, 5)]), 409, "ParentPortInUse"),
        (json!([vlan(&used, 5)]), 409, "PortInUse"),
        (json!([vlan(&free, 0)]), 400, "InvalidInput"),
        (json!([vlan(&free, 4095)]), 400, "InvalidInput"),
        (json!([vlan(&free, 5), vlan(&free2, 5)]), 400, "InvalidInput"),
        (json!([vlan(&free, 5), vlan(&free, 6)]), 400, "InvalidInput"),
        (json!([{"port_id": free}]), 400, "InvalidInput"),
        (json!([{"port_id": free, "segmentation_id": 5}]), 400, "InvalidInput"),
        (json!([{"port_id": free, "segmentation_type": "vlan"}]), 400, "InvalidInput"),
        (
            json!([{"port_id": free, "segmentation_type": "vlan", "segmentation_id": "x"}]),
            400,
            "InvalidInput",
        ),
        (json!([{"port_id": free, "segmentation_type": "vxlan", "segmentation_id": 5}]), 400, "InvalidInput"),
        (json!([{"port_id": free, "segmentation_type": "inherit"}]), 400, "InvalidInput"),
        (json!([vlan("x", 5)]), 400, "InvalidInput"),
        (json!([{"segmentation_type": "vlan", "segmentation_id": 5}]), 400, "InvalidInput"),
        (json!(["x"]), 400, "InvalidInput"),
        (json!("x"), 400, "InvalidInput"),
    ];
    for (subports, status, kind) in table {
        let answer = add(&cloud, &trunk, subports.clone()).await;
        assert_eq!((answer.status, answer.kind()), (status, kind), "{subports}: {answer:?}");
    }
    let shown = cloud.get(&format!("trunks/{trunk}")).await.body["trunk"]["sub_ports"].clone();
    assert_eq!(shown, json!([]));
    // An owner alone does not count, nor does a host.
    let owned = json!({"network_id": network, "device_owner": "compute:kuryr", "binding:host_id": "nowhere"});
    let owned = id(&cloud.create("ports", "port", owned).await);
    assert_eq!(add(&cloud, &trunk, json!([vlan(&owned, 5)])).await.status, 200);
    // Nor does what is written later.
    let later = json!({"port": {"device_id": "container"}});
    assert_eq!(cloud.put(&format!("ports/{owned}"), later).await.status, 200);
    assert_eq!(remove(&cloud, &trunk, &[&owned]).await.status, 200);
}

#[tokio::test]
async fn a_subports_network_has_no_larger_packets_than_the_parents() {
    let cloud = Cloud::start().await;
    let small = id(&cloud.create("networks", "network", json!({"mtu": 1400})).await);
    let smaller = id(&cloud.create("networks", "network", json!({"mtu": 1300})).await);
    let large = cloud.network().await;
    let (trunk, _) = trunk(&cloud, &small).await;
    let (fits, beyond) = (port(&cloud, &smaller).await, port(&cloud, &large).await);
    add(&cloud, &trunk, json!([vlan(&fits, 1), vlan(&beyond, 2)]))
        .await
        .refused(409, "SubPortMtuGreaterThanTrunkPortMtu");
    assert_eq!(add(&cloud, &trunk, json!([vlan(&fits, 1)])).await.status, 200);
}

#[tokio::test]
async fn what_a_trunk_needs_is_not_deleted() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, parent) = trunk(&cloud, &network).await;
    let child = port(&cloud, &network).await;
    add(&cloud, &trunk, json!([vlan(&child, 1)])).await;
    let refused = cloud.delete(&format!("ports/{child}")).await;
    refused.refused(409, "PortInUseAsSubPort");
    let text = format!("Port {child} is currently a subport for trunk {trunk}.");
    assert_eq!(refused.body["NeutronError"]["message"], text);
    let refused = cloud.delete(&format!("ports/{parent}")).await;
    refused.refused(409, "PortInUseAsTrunkParent");
    let text = format!("Port {parent} is currently a parent port for trunk {trunk}.");
    assert_eq!(refused.body["NeutronError"]["message"], text);
    cloud.delete(&format!("networks/{network}")).await.refused(409, "NetworkInUse");
    remove(&cloud, &trunk, &[&child]).await;
    assert_eq!(cloud.delete(&format!("ports/{child}")).await.status, 204);

    // While a host has the parent the trunk stays, even if no mechanism took it.
    let bind = |host: &str| json!({"port": {"binding:host_id": host}});
    cloud.put(&format!("ports/{parent}"), bind("nowhere")).await;
    cloud.delete(&format!("trunks/{trunk}")).await.refused(409, "TrunkInUse");
    cloud.put(&format!("ports/{parent}"), bind("")).await;
    assert_eq!(cloud.delete(&format!("trunks/{trunk}")).await.status, 204);
    assert_eq!(cloud.delete(&format!("ports/{parent}")).await.status, 204);
}

#[tokio::test]
async fn a_disabled_trunk_keeps_what_it_has() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, _) = trunk(&cloud, &network).await;
    let (a, b) = (port(&cloud, &network).await, port(&cloud, &network).await);
    add(&cloud, &trunk, json!([vlan(&a, 1)])).await;
    let path = format!("trunks/{trunk}");
    let set = |up: bool| cloud.put(&path, json!({"trunk": {"admin_state_up": up}}));
    assert_eq!(set(false).await.body["trunk"]["admin_state_up"], false);
    add(&cloud, &trunk, json!([vlan(&b, 2)])).await.refused(409, "TrunkDisabled");
    // What is wrong with the subport is said first.
    add(&cloud, &trunk, json!([vlan(&a, 2)])).await.refused(409, "TrunkPortInUse");
    remove(&cloud, &trunk, &[&a]).await.refused(409, "TrunkDisabled");
    cloud.delete(&path).await.refused(409, "TrunkDisabled");
    set(true).await;
    assert_eq!(remove(&cloud, &trunk, &[&a]).await.status, 200);
}

#[tokio::test]
async fn subports_of_a_parent_that_no_host_has_stay_as_they_are() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, parent) = trunk(&cloud, &network).await;
    let child = port(&cloud, &network).await;
    let ports = async || {
        let one = async |id: &str| cloud.get(&format!("ports/{id}")).await.body["port"].clone();
        let (mut parent, child) = (one(&parent).await, one(&child).await);
        parent.as_object_mut().unwrap().remove("trunk_details");
        (parent, child)
    };
    let before = ports().await;
    let revision = cloud.get(&format!("trunks/{trunk}")).await.body["trunk"]["revision_number"].clone();
    let added = add(&cloud, &trunk, json!([vlan(&child, 1)])).await;
    assert_eq!((&added.body["status"], &added.body["revision_number"]), (&json!("DOWN"), &revision));
    assert_eq!(ports().await, before);
    assert_eq!(before.1["device_owner"], "");
    let removed = remove(&cloud, &trunk, &[&child]).await;
    assert_eq!((&removed.body["status"], &removed.body["revision_number"]), (&json!("DOWN"), &revision));
    assert_eq!(ports().await, before);
}

#[tokio::test]
async fn a_trunk_has_tags_and_a_revision_to_be_matched() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (trunk, _) = trunk(&cloud, &network).await;
    let child = port(&cloud, &network).await;
    let tags = format!("trunks/{trunk}/tags");
    assert_eq!(cloud.put(&tags, json!({"tags": ["a"]})).await.body["tags"], json!(["a"]));
    assert_eq!(cloud.put(&format!("{tags}/b"), json!(null)).await.status, 201);
    assert_eq!(cloud.get("trunks?tags=a,b").await.body["trunks"].as_array().map(Vec::len), Some(1));
    assert_eq!(cloud.delete(&format!("{tags}/b")).await.status, 204);
    assert_eq!(cloud.get("trunks?tags=a,b").await.body["trunks"], json!([]));
    let path = format!("/networking/v2.0/trunks/{trunk}");
    let revision =
        cloud.get(&format!("trunks/{trunk}")).await.body["trunk"]["revision_number"].as_u64().unwrap();
    let guarded = async |path: String, body: Value, revision: u64| {
        let request = cloud.request(&cloud.token, "PUT", &path, Some(body));
        let request = request.header("if-match", format!("revision_number={revision}"));
        request.send().await.unwrap().status().as_u16()
    };
    for (wanted, status) in [(revision + 1, 412), (revision, 200)] {
        let subports = json!({"sub_ports": [vlan(&child, 1)]});
        assert_eq!(guarded(format!("{path}/add_subports"), subports, wanted).await, status);
    }
    for (wanted, status) in [(revision + 1, 412), (revision, 200), (revision, 412)] {
        assert_eq!(guarded(path.clone(), json!({"trunk": {"name": "n"}}), wanted).await, status);
    }
}
