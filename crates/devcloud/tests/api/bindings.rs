use serde_json::{Value, json};

use crate::client::{Cloud, id};

async fn option(cloud: &Cloud, settings: Value) -> Value {
    let answer = cloud.admin("POST", "options", Some(settings)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn a_direct_port_is_bound_only_where_an_sriov_agent_is() {
    let cloud = Cloud::own().await;
    let network = json!({"provider:network_type": "vlan", "provider:physical_network": "phys",
                         "provider:segmentation_id": 120});
    let network = id(&cloud.create("networks", "network", network).await);
    let shown = option(&cloud, json!({"sriov_hosts": ["h1"]})).await;
    assert_eq!(shown["sriov_hosts"], json!(["h1"]));
    let make = |kind: &str, host: &str| {
        let profile =
            json!({"pci_slot": "0000:03:00.1", "pci_vendor_info": "8086:10ed", "physical_network": "phys"});
        cloud.port(json!({"network_id": network, "binding:vnic_type": kind, "binding:host_id": host,
                          "binding:profile": profile}))
    };
    let port = make("direct", "h1").await.body["port"].clone();
    assert_eq!(port["binding:vif_type"], "hw_veb");
    assert_eq!(
        port["binding:vif_details"],
        json!({"port_filter": false, "connectivity": "l2", "vlan": "120"})
    );
    assert_eq!(port["binding:profile"]["pci_slot"], "0000:03:00.1");
    assert_eq!(make("macvtap", "h1").await.body["port"]["binding:vif_type"], "hw_veb");
    assert_eq!(make("direct-physical", "h1").await.body["port"]["binding:vif_type"], "hostdev_physical");
    for (kind, host) in [("direct", "h2"), ("macvtap", "h2"), ("direct-physical", "h2"), ("vdpa", "h1")] {
        let port = make(kind, host).await.body["port"].clone();
        let failed = (&json!("binding_failed"), &json!("DOWN"), &json!({}));
        assert_eq!(
            (&port["binding:vif_type"], &port["status"], &port["binding:vif_details"]),
            failed,
            "{kind}"
        );
    }
    make("colour", "h1").await.refused(400, "HTTPBadRequest");
    let long = json!({"network_id": network, "binding:profile": {"x": "y".repeat(5000)}});
    cloud.port(long).await.refused(400, "InvalidInput");
}

#[tokio::test]
async fn a_changed_profile_binds_anew_a_failed_binding_is_tried_again_and_a_bound_kind_stays() {
    let cloud = Cloud::own().await;
    let network = cloud.network().await;
    let port = cloud.port(json!({"network_id": network, "binding:host_id": "h1"})).await.body["port"].clone();
    let path = format!("ports/{}", id(&port));
    let change = |body: Value| cloud.put(&path, json!({"port": body}));
    // What is bound stays of its kind.
    change(json!({"binding:vnic_type": "direct"})).await.refused(409, "PortInUse");
    assert_eq!(change(json!({"binding:host_id": ""})).await.status, 200);
    let direct = change(json!({"binding:vnic_type": "direct", "binding:host_id": "h1"})).await;
    assert_eq!(direct.body["port"]["binding:vif_type"], "binding_failed");
    change(json!({"binding:vnic_type": "normal"})).await.refused(409, "PortInUse");
    option(&cloud, json!({"sriov_hosts": ["h1"]})).await;
    let again = change(json!({"binding:host_id": "h1"})).await;
    assert_eq!(again.body["port"]["binding:vif_type"], "hw_veb");
    change(json!({"binding:host_id": ""})).await;
    let normal = change(json!({"binding:vnic_type": "normal", "binding:host_id": "h1"})).await;
    assert_eq!(normal.body["port"]["binding:vif_type"], "bridge");
    // The same again keeps what it has, even where a new port would get something else.
    option(&cloud, json!({"vif_type": "ovs"})).await;
    let same = change(json!({"binding:host_id": "h1"})).await;
    assert_eq!(same.body["port"]["binding:vif_type"], "bridge");
    let profile = change(json!({"binding:profile": {"k": "v"}})).await;
    assert_eq!(profile.body["port"]["binding:vif_type"], "ovs");
}

#[tokio::test]
async fn an_ovs_port_says_its_bridge_and_its_plug() {
    let cloud = Cloud::own().await;
    let network = cloud.network().await;
    let bind = || cloud.port(json!({"network_id": network, "binding:host_id": "h1"}));
    option(&cloud, json!({"vif_type": "ovs"})).await;
    let details = bind().await.body["port"]["binding:vif_details"].clone();
    assert_eq!((&details["bridge_name"], &details["ovs_hybrid_plug"]), (&json!("br-int"), &json!(false)));
    option(&cloud, json!({"ovs_bridge": "br-other", "ovs_hybrid_plug": true})).await;
    let details = bind().await.body["port"]["binding:vif_details"].clone();
    assert_eq!((&details["bridge_name"], &details["ovs_hybrid_plug"]), (&json!("br-other"), &json!(true)));
}

#[tokio::test]
async fn only_administrators_write_a_profile() {
    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let path = "/networking/v2.0/networks";
    let network = cloud.call(&demo, "POST", path, Some(json!({"network": {}}))).await;
    let network = id(&network.body["network"]);
    let make = |more: Value| {
        let mut port = json!({"network_id": network});
        port.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cloud.call(&demo, "POST", "/networking/v2.0/ports", Some(json!({"port": port})))
    };
    make(json!({"binding:profile": {"a": "b"}})).await.refused(403, "PolicyNotAuthorized");
    let port = make(json!({"binding:vnic_type": "direct"})).await;
    assert_eq!(port.body["port"]["binding:vnic_type"], "direct");
    assert!(port.body["port"].get("binding:profile").is_none());
}

#[tokio::test]
async fn without_agents_new_ports_stay_down_until_they_are_back() {
    let cloud = Cloud::own().await;
    let network = cloud.network().await;
    let bind = || cloud.port(json!({"network_id": network, "binding:host_id": "h1"}));
    let old = id(&bind().await.body["port"]);
    option(&cloud, json!({"agents_away": true})).await;
    let new = bind().await.body["port"].clone();
    assert_eq!((&new["status"], &new["binding:vif_type"]), (&json!("DOWN"), &json!("bridge")));
    let status = async |id: &str| cloud.get(&format!("ports/{id}")).await.body["port"]["status"].clone();
    assert_eq!(status(&old).await, "ACTIVE");
    option(&cloud, json!({"agents_away": false})).await;
    assert_eq!(status(&id(&new)).await, "ACTIVE");
}
