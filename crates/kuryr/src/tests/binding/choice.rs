//! Which driver plugs what, and what an operator is told about the rest.

use std::collections::BTreeSet;

use super::kinds::{KINDS, binding, equipped, marks, no_guest, planned, port, validate};
use crate::doubles::{Process, Script};
use crate::state::{Driver, Plug};

#[tokio::test]
async fn what_nobody_plugs_is_refused_in_one_line_that_says_what_to_do() {
    let world = equipped();
    let host = Process::new(&world).host();
    for (facts, advice) in [
        (r#"{"binding:vif_type": "binding_failed"}"#, "agent on this host is up"),
        (r#"{"binding:vif_type": "unbound"}"#, "credentials may bind"),
        (r#"{"binding:vif_type": ""}"#, "credentials may bind"),
        (r#"{}"#, "credentials may bind"),
        (r#"{"binding:vif_type": "vhostuser"}"#, "virtual machines only"),
        (r#"{"binding:vif_type": "distributed"}"#, "bindir"),
        (r#"{"binding:vif_type": "../../bin/sh"}"#, "bindir"),
        (r#"{"binding:vif_type": "ovs", "binding:vnic_type": "vdpa"}"#, "vnic_type is not served"),
        (r#"{"binding:vif_type": "ovs", "binding:vnic_type": "direct"}"#, "representors"),
        (r#"{"binding:vif_type": "binding_failed", "binding:vnic_type": "direct"}"#, "agent on this host"),
    ] {
        let text = validate(&host, &port(facts)).await.unwrap_err().to_string();
        assert!(text.contains(advice) && text.contains("node-1") && !text.contains('\n'), "{facts}: {text}");
    }
}

#[tokio::test]
async fn a_script_for_a_native_type_runs_only_where_the_operator_says_so() {
    let world = equipped();
    for vif in ["ovs", "bridge", "tap"] {
        world.cloud.lock().unwrap().scripts.insert(vif.to_owned(), Script::default());
    }
    let process = Process::new(&world);
    let host = process.host();
    let ovs = port(r#"{"binding:vif_type": "ovs"}"#);
    let scripted = BTreeSet::from(["ovs".to_owned()]);
    let marks = marks();
    let driver = async |scripted: &BTreeSet<String>| {
        let guest = no_guest(&host);
        binding(&host, scripted, &marks, &guest).validate(&ovs, "e", 1500, &[]).await.map(|plug| plug.driver)
    };
    assert!(matches!(driver(&BTreeSet::new()).await.unwrap(), Driver::Ovs { .. }));
    assert!(matches!(driver(&scripted).await.unwrap(), Driver::Hook(call) if call.vif_type == "ovs"));
    world.cloud.lock().unwrap().scripts.clear();
    let text = driver(&scripted).await.unwrap_err().to_string();
    assert!(text.contains("script_vif_types"), "{text}");
}

#[tokio::test]
async fn a_bridge_name_the_kernel_does_not_take_is_refused() {
    let world = equipped();
    let host = Process::new(&world).host();
    for (vif, name) in
        [("ovs", "a-name-of-more-than-15"), ("bridge", ".."), ("ovs", "a/b"), ("bridge", "a b")]
    {
        let facts =
            format!(r#"{{"binding:vif_type": "{vif}", "binding:vif_details": {{"bridge_name": "{name}"}}}}"#);
        let text = validate(&host, &port(&facts)).await.unwrap_err().to_string();
        assert!(text.contains("names the bridge"), "{text}");
    }
}

/// A record of the first release.
#[test]
fn a_record_without_driver_is_a_pair() {
    let old = r#"{"port_id": "p", "host": "tap1", "container": "t_c1", "bridge": "brq1",
        "mac": "fa:16:3e:00:00:01", "mtu": 1450}"#;
    let plug: Plug = serde_json::from_str(old).unwrap();
    assert_eq!((plug.driver, plug.bridge.as_deref()), (Driver::Veth, Some("brq1")));
}

#[tokio::test]
async fn every_record_survives_the_journal() {
    for (kind, facts) in KINDS {
        let world = equipped();
        let written = validate(&Process::new(&world).host(), &port(facts)).await.unwrap();
        assert_eq!(planned(&world, facts).await, written, "{kind}");
    }
}
