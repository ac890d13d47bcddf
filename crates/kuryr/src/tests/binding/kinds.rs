//! A port for each driver, on a host that has what the driver needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use journal::StateDir;
use openstack::network::Port;
use serde_json::{Value, json};

use crate::binding::Binding;
use crate::doubles::{Cloud, Function, Process, Script, World};
use crate::guest::Guest;
use crate::host::{FunctionSettings, VirtualFunction};
use crate::marks::Marks;
use crate::state::Plug;
use crate::{Host, Result};

pub(super) const PORT: &str = "12345678-9abc-def0-1111-222222222222";
pub(in crate::tests) const SLOT: &str = "0000:06:10.1";
pub(super) const ENDPOINT: &str = "endpoint-1";

/// What Neutron says about a port, by driver.
pub(super) const KINDS: [(&str, &str); 8] = [
    ("tap", r#"{"binding:vif_type": "tap"}"#),
    ("bridge", r#"{"binding:vif_type": "bridge"}"#),
    (
        "ovs in the kernel",
        r#"{"binding:vif_type": "ovs", "binding:vif_details": {"bridge_name": "br-kernel"}}"#,
    ),
    ("ovs in user space", r#"{"binding:vif_type": "ovs"}"#),
    ("ovs hybrid", r#"{"binding:vif_type": "ovs", "binding:vif_details": {"ovs_hybrid_plug": true}}"#),
    ("script", r#"{"binding:vif_type": "midonet", "binding:vif_details": {"port_filter": true}}"#),
    (
        "virtual function",
        r#"{"binding:vif_type": "hw_veb", "binding:vnic_type": "direct", "binding:vif_details": {"vlan": "42"},
            "binding:profile": {"pci_slot": "0000:06:10.1"}}"#,
    ),
    (
        "macvtap",
        r#"{"binding:vif_type": "hw_veb", "binding:vnic_type": "macvtap", "binding:vif_details": {"vlan": 7},
            "binding:profile": {"pci_slot": "0000:06:10.1"}}"#,
    ),
];

pub(super) fn port(facts: &str) -> Port {
    let mut port = json!({
        "id": PORT, "name": "p", "network_id": "99999999-8888-7777-6666-555555555555", "project_id": "project-1",
        "mac_address": "FA:16:3E:01:02:03",
    });
    let facts: Value = serde_json::from_str(facts).unwrap();
    port.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    serde_json::from_value(port).unwrap()
}

/// Gives a host what all drivers need.
pub(in crate::tests) fn equip(cloud: &mut Cloud) {
    let bridges = [("br-int", "netdev"), ("br-kernel", "system")];
    cloud.switch_bridges.extend(bridges.map(|(name, datapath)| (name.to_owned(), datapath.to_owned())));
    cloud.scripts.insert("midonet".to_owned(), Script::default());
    let function = VirtualFunction { physical: "ens1".to_owned(), index: 3, link: Some("ens1v3".to_owned()) };
    let settings = FunctionSettings { mac: None, vlan: 0 };
    cloud.functions.insert(SLOT.to_owned(), Function { function, settings });
}

pub(super) fn equipped() -> Arc<World> {
    let world = Arc::new(World::default());
    equip(&mut world.cloud.lock().unwrap());
    world
}

/// Those of one installation.
pub(super) fn marks() -> Marks {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("installation"), "0123456789abcdef").unwrap();
    Marks::open(&StateDir::open(state.path()).unwrap()).unwrap()
}

pub(super) async fn validate(host: &Host, port: &Port) -> Result<Plug> {
    let (scripted, marks, guest) = (BTreeSet::new(), marks(), no_guest(host));
    binding(host, &scripted, &marks, &guest).validate(port, ENDPOINT, 1450, &[]).await
}

/// On bare metal containers share nothing.
pub(super) fn no_guest(host: &Host) -> Guest {
    let nothing = Process::new(&Arc::new(World::default()));
    Guest::new(None, &(nothing as Arc<dyn crate::Neutron>), &host.links)
}

pub(super) fn binding<'a>(
    host: &'a Host,
    scripted: &'a BTreeSet<String>,
    marks: &'a Marks,
    guest: &'a Guest,
) -> Binding<'a> {
    Binding { host, name: "node-1", integration_bridge: "br-int", scripted, marks, guest }
}

pub(super) async fn setup(host: &Host, plug: &Plug) -> Result<()> {
    let (scripted, marks, guest) = (BTreeSet::new(), marks(), no_guest(host));
    binding(host, &scripted, &marks, &guest).setup(plug).await
}

pub(super) async fn teardown(host: &Host, plug: &Plug) -> Result<()> {
    let (scripted, marks, guest) = (BTreeSet::new(), marks(), no_guest(host));
    binding(host, &scripted, &marks, &guest).teardown(plug, false).await
}

/// The plug as a process finds it in the journal.
pub(super) async fn planned(world: &Arc<World>, facts: &str) -> Plug {
    let plug = validate(&Process::new(world).host(), &port(facts)).await.unwrap();
    world.all_calls();
    serde_json::from_str(&serde_json::to_string(&plug).unwrap()).unwrap()
}

pub(super) async fn plugged(world: &Arc<World>, facts: &str) -> Plug {
    let plug = planned(world, facts).await;
    setup(&Process::new(world).host(), &plug).await.unwrap();
    plug
}
