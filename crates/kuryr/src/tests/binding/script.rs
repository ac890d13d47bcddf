//! Scripts of a site.

use super::kinds::{ENDPOINT, PORT, equipped, planned, plugged, setup, teardown};
use crate::doubles::{Process, Script};

const MIDONET: &str = r#"{"binding:vif_type": "midonet",
    "binding:vif_details": {"port_filter": true, "ovs_hybrid_plug": true}}"#;
const NETWORK: &str = "99999999-8888-7777-6666-555555555555";
const MAC: &str = "fa:16:3e:01:02:03";

#[tokio::test]
async fn both_verbs_get_the_arguments_the_peers_scripts_get() {
    let world = equipped();
    let plug = plugged(&world, MIDONET).await;
    let details = r#""{'ovs_hybrid_plug': True, 'port_filter': True}""#;
    let bound = world.snapshot().scripts["midonet"].bound["tap12345678-9a"].clone();
    assert_eq!(bound, ["bind", PORT, "tap12345678-9a", ENDPOINT, MAC, NETWORK, "project-1", details]);
    teardown(&Process::new(&world).host(), &plug).await.unwrap();
    let unbound = world.cloud.lock().unwrap().scripts["midonet"].unbound.clone();
    assert_eq!(unbound, ["unbind", PORT, "tap12345678-9a", ENDPOINT, MAC, details, NETWORK]);
}

#[tokio::test]
async fn details_are_written_the_way_python_prints_them() {
    for (json, python) in [
        ("{}", "None"),
        (r#"{"a": null, "b": false, "c": 1, "d": 1.5}"#, r#""{'a': None, 'b': False, 'c': 1, 'd': 1.5}""#),
        (r#"{"a": [1, "x", {"k": true}], "b": []}"#, r#""{'a': [1, 'x', {'k': True}], 'b': []}""#),
        (r#"{"a": "it's"}"#, r#""{'a': "it's"}""#),
        (r#"{"a": "it's \"so\""}"#, r#""{'a': 'it\'s "so"'}""#),
        (r#"{"a": "x\\y\n\u0001é"}"#, r#""{'a': 'x\\y\n\x01é'}""#),
    ] {
        let world = equipped();
        plugged(&world, &format!(r#"{{"binding:vif_type": "midonet", "binding:vif_details": {json}}}"#))
            .await;
        assert_eq!(world.snapshot().scripts["midonet"].bound["tap12345678-9a"][7], python, "{json}");
    }
}

#[tokio::test]
async fn b26_a_script_that_fails_is_quoted_and_its_link_goes() {
    let world = equipped();
    let before = world.snapshot();
    let plug = planned(&world, MIDONET).await;
    let broken = |with: Option<&str>| {
        let broken = with.map(str::to_owned);
        world
            .cloud
            .lock()
            .unwrap()
            .scripts
            .insert("midonet".to_owned(), Script { broken, ..Script::default() });
    };
    broken(Some("no such datapath"));
    let host = Process::new(&world).host();
    let text = setup(&host, &plug).await.unwrap_err().to_string();
    assert!(text.contains("no such datapath") && text.contains("midonet") && text.contains(PORT), "{text}");
    // The first time it is reported; when the link is gone there is nothing left that it could undo.
    let text = teardown(&host, &plug).await.unwrap_err().to_string();
    assert!(text.contains("unbind"), "{text}");
    assert!(world.snapshot().links.is_empty());
    teardown(&host, &plug).await.unwrap();
    broken(None);
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn without_its_script_a_port_is_not_plugged_but_unplugged() {
    let world = equipped();
    let plug = planned(&world, MIDONET).await;
    world.cloud.lock().unwrap().scripts.clear();
    let before = world.snapshot();
    let host = Process::new(&world).host();
    let text = setup(&host, &plug).await.unwrap_err().to_string();
    assert!(text.contains("midonet") && text.contains("bindir"), "{text}");
    teardown(&host, &plug).await.unwrap();
    assert_eq!(world.snapshot(), before);
}
