//! What agents do about trunks, as far as the development cloud plays their part. A real one acts only once a VM hangs
//! on the trunk's bridge.

use serde_json::{Value, json};

use crate::client::{Cloud, id, options};

struct Trunked {
    cloud: Cloud,
    network: String,
    trunk: String,
    parent: String,
    child: String,
}

impl Trunked {
    async fn new(cloud: Cloud) -> Self {
        let network = cloud.network().await;
        let make = async || id(&cloud.create("ports", "port", json!({"network_id": network})).await);
        let (parent, child) = (make().await, make().await);
        let body = json!({"port_id": parent, "sub_ports": [subport(&child, 1)]});
        let trunk = id(&cloud.create("trunks", "trunk", body).await);
        Self { cloud, network, trunk, parent, child }
    }

    async fn option(&self, settings: Value) {
        assert_eq!(self.cloud.admin("POST", "options", Some(settings)).await.status, 200);
    }

    async fn port(&self, id: &str) -> Value {
        self.cloud.get(&format!("ports/{id}")).await.body["port"].clone()
    }

    async fn new_port(&self) -> String {
        id(&self.cloud.create("ports", "port", json!({"network_id": self.network})).await)
    }

    async fn trunk(&self) -> Value {
        self.cloud.get(&format!("trunks/{}", self.trunk)).await.body["trunk"].clone()
    }

    async fn bind(&self, host: &str) -> Value {
        let body = json!({"port": {"binding:host_id": host}});
        self.cloud.put(&format!("ports/{}", self.parent), body).await.body["port"].clone()
    }

    async fn change(&self, action: &str, subports: Value) -> crate::client::Answer {
        let path = format!("trunks/{}/{action}", self.trunk);
        self.cloud.put(&path, json!({"sub_ports": subports})).await
    }

    /// Status, owner and host of a port.
    async fn wiring(&self, id: &str) -> (String, String, String) {
        let port = self.port(id).await;
        let text = |key: &str| port[key].as_str().unwrap().to_owned();
        (text("status"), text("device_owner"), text("binding:host_id"))
    }
}

fn subport(port: &str, number: u16) -> Value {
    json!({"port_id": port, "segmentation_type": "vlan", "segmentation_id": number})
}

fn wiring(status: &str, owner: &str, host: &str) -> (String, String, String) {
    (status.to_owned(), owner.to_owned(), host.to_owned())
}

#[tokio::test]
async fn subports_are_bound_to_their_parents_host_when_it_is_plugged() {
    let world = Trunked::new(Cloud::own().await).await;
    world.option(json!({"vif_type_by_host": {"h": "ovs"}})).await;
    assert_eq!(world.wiring(&world.child).await, wiring("DOWN", "", ""));
    let before = world.trunk().await["revision_number"].as_u64().unwrap();
    let parent = world.bind("h").await;
    let bridge = format!("tbr-{}", &world.trunk[..10]);
    assert_eq!(parent["binding:vif_details"]["bridge_name"], bridge);
    assert_eq!(world.wiring(&world.child).await, wiring("ACTIVE", "trunk:subport", "h"));
    let child = world.port(&world.child).await;
    assert_eq!(child["binding:vif_details"]["bridge_name"], "br-int");
    // Owner and host, twice for the binding, and the status.
    assert_eq!(child["revision_number"], 5);
    let trunk = world.trunk().await;
    // BUILD counts, too.
    assert_eq!((&trunk["status"], &trunk["revision_number"]), (&json!("ACTIVE"), &json!(before + 2)));

    // Nobody has the VM any more: subports keep what they were given.
    world.bind("").await;
    assert_eq!(world.trunk().await["status"], "DOWN");
    assert_eq!(world.wiring(&world.child).await, wiring("DOWN", "trunk:subport", "h"));
    // It is started elsewhere.
    for host in ["h2", "h3"] {
        world.bind(host).await;
        assert_eq!(world.wiring(&world.child).await, wiring("ACTIVE", "trunk:subport", host));
        assert_eq!(world.trunk().await["status"], "ACTIVE");
    }
}

#[tokio::test]
async fn a_subport_added_to_a_plugged_trunk_is_wired_after_the_answer() {
    let world = Trunked::new(Cloud::own().await).await;
    world.bind("h").await;
    let late = world.new_port().await;
    let before = world.trunk().await["revision_number"].as_u64().unwrap();
    let added = world.change("add_subports", json!([subport(&late, 2)])).await;
    let seen = (&added.body["status"], &added.body["revision_number"]);
    assert_eq!(seen, (&json!("DOWN"), &json!(before + 1)), "{added:?}");
    assert_eq!(world.wiring(&late).await, wiring("ACTIVE", "trunk:subport", "h"));
    let trunk = world.trunk().await;
    assert_eq!((&trunk["status"], &trunk["revision_number"]), (&json!("ACTIVE"), &json!(before + 3)));
    let removed = world.change("remove_subports", json!([{"port_id": late}])).await;
    assert_eq!(removed.body["status"], "DOWN");
    // The owner and the host stay, and it may come back or be deleted.
    assert_eq!(world.wiring(&late).await, wiring("DOWN", "trunk:subport", "h"));
    assert_eq!(world.trunk().await["status"], "ACTIVE");
    assert_eq!(world.change("add_subports", json!([subport(&late, 3)])).await.status, 200);
    assert_eq!(world.wiring(&late).await, wiring("ACTIVE", "trunk:subport", "h"));
    world.change("remove_subports", json!([{"port_id": late}])).await;
    assert_eq!(world.cloud.delete(&format!("ports/{late}")).await.status, 204);
    // Nobody is told of nothing.
    world.change("add_subports", json!([])).await;
    assert_eq!(world.trunk().await["status"], "DOWN");
}

#[tokio::test]
async fn a_parent_that_becomes_active_takes_its_subports_back() {
    let world = Trunked::new(Cloud::own().await).await;
    world.bind("h").await;
    let set = async |id: &str, more: Value| {
        assert_eq!(world.cloud.put(&format!("ports/{id}"), json!({"port": more})).await.status, 200);
    };
    set(&world.parent, json!({"admin_state_up": false})).await;
    assert_eq!(world.port(&world.parent).await["status"], "DOWN");
    assert_eq!(world.wiring(&world.child).await, wiring("ACTIVE", "trunk:subport", "h"));
    set(&world.child, json!({"device_owner": "compute:kuryr", "device_id": "container"})).await;
    assert_eq!(world.wiring(&world.child).await, wiring("ACTIVE", "compute:kuryr", "h"));
    set(&world.child, json!({"binding:host_id": ""})).await;
    assert_eq!(world.wiring(&world.child).await, wiring("DOWN", "compute:kuryr", ""));
    let trunk = world.trunk().await;
    set(&world.parent, json!({"admin_state_up": true})).await;
    assert_eq!(world.wiring(&world.child).await, wiring("ACTIVE", "trunk:subport", "h"));
    assert_eq!(world.port(&world.child).await["device_id"], "container");
    assert_eq!(world.trunk().await, trunk);
}

#[tokio::test]
async fn agents_that_were_away_wire_what_they_missed() {
    let world = Trunked::new(Cloud::own().await).await;
    world.bind("h").await;
    world.option(json!({"agents_away": true})).await;
    let late = world.new_port().await;
    world.change("add_subports", json!([subport(&late, 2)])).await;
    assert_eq!(world.trunk().await["status"], "DOWN");
    assert_eq!(world.wiring(&late).await, wiring("DOWN", "", ""));
    world.option(json!({"agents_away": false})).await;
    assert_eq!(world.trunk().await["status"], "ACTIVE");
    assert_eq!(world.wiring(&late).await, wiring("ACTIVE", "trunk:subport", "h"));
}

#[tokio::test]
async fn a_subport_that_no_mechanism_takes_puts_the_trunk_into_error_until_it_goes() {
    let world = Trunked::new(Cloud::own().await).await;
    world.bind("h").await;
    let bad = world.new_port().await;
    world.option(json!({"vif_type_by_network": {&world.network: "binding_failed"}})).await;
    assert_eq!(world.change("add_subports", json!([subport(&bad, 2)])).await.status, 200);
    assert_eq!(world.trunk().await["status"], "ERROR");
    assert_eq!(world.port(&bad).await["binding:vif_type"], "binding_failed");
    let another = world.new_port().await;
    let more = json!([subport(&another, 3)]);
    world.change("add_subports", more.clone()).await.refused(409, "TrunkInErrorState");
    assert_eq!(world.change("remove_subports", json!([{"port_id": bad}])).await.status, 200);
    assert_eq!(world.trunk().await["status"], "ACTIVE");
    world.option(json!({"vif_type_by_network": {}})).await;
    assert_eq!(world.change("add_subports", more).await.status, 200);
    assert_eq!(world.trunk().await["status"], "ACTIVE");
}

#[tokio::test]
async fn trunks_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut chosen = options();
    chosen.state_file = Some(folder.path().join("cloud.json"));
    let world = Trunked::new(Cloud::with(chosen.clone()).await).await;
    world.bind("h").await;
    let (trunk, parent, child) =
        (world.trunk().await, world.port(&world.parent).await, world.port(&world.child).await);
    let state = world.cloud.admin("GET", "state", None).await.body;
    assert_eq!(state["trunks"][0]["sub_ports"], json!([subport(&world.child, 1)]));
    let Trunked { cloud, trunk: trunk_id, parent: parent_id, child: child_id, network } = world;
    cloud.stop().await;
    let cloud = Cloud::with(chosen).await;
    let world = Trunked { cloud, network, trunk: trunk_id, parent: parent_id, child: child_id };
    assert_eq!(world.trunk().await, trunk);
    assert_eq!((world.port(&world.parent).await, world.port(&world.child).await), (parent, child));
}

#[tokio::test]
async fn a_member_sees_and_changes_only_trunks_of_its_project() {
    let world = Trunked::new(Cloud::own().await).await;
    let demo = world.cloud.login("demo", "demo", "demo").await;
    let path = |rest: &str| format!("/networking/v2.0/trunks{rest}");
    let listed = world.cloud.call(&demo, "GET", &path(""), None).await;
    assert_eq!(listed.body["trunks"], json!([]));
    let none = Some(json!({"sub_ports": []}));
    for (method, rest, body) in [
        ("GET", String::new(), None),
        ("DELETE", String::new(), None),
        ("GET", "/get_subports".to_owned(), None),
        ("PUT", "/add_subports".to_owned(), none.clone()),
        ("PUT", "/remove_subports".to_owned(), none),
    ] {
        let path = path(&format!("/{}{rest}", world.trunk));
        world.cloud.call(&demo, method, &path, body).await.refused(404, "TrunkNotFound");
    }
    let body = Some(json!({"trunk": {"port_id": world.new_port().await}}));
    world.cloud.call(&demo, "POST", &path(""), body).await.refused(404, "PortNotFound");
}
