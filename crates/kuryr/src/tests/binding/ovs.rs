//! Open vSwitch.

use super::kinds::{ENDPOINT, PORT, equipped, plugged, setup};
use crate::doubles::Process;

const OVS: &str = r#"{"binding:vif_type": "ovs"}"#;

#[tokio::test]
async fn b26_a_port_is_known_to_neutrons_agent_by_its_external_ids() {
    let world = equipped();
    plugged(&world, OVS).await;
    let cloud = world.snapshot();
    let port = &cloud.switch_ports["tap12345678-9a"];
    assert_eq!(port.bridge, "br-int");
    let text = port.external_ids.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let ids: Vec<(&str, &str)> = text.filter(|(key, _)| *key != "kuryr-mark").collect();
    assert_eq!(
        ids,
        [
            ("attached-mac", "fa:16:3e:01:02:03"),
            ("iface-id", PORT),
            ("iface-status", "active"),
            ("owner", "kuryr"),
            ("vm-uuid", ENDPOINT),
        ]
    );
    let (near, far) = (&cloud.links["tap12345678-9a"], &cloud.links["t_c12345678-9a"]);
    assert_eq!((near.mtu, far.mtu, near.up), (1450, 1450, true));
    assert_eq!(far.mac.unwrap().to_string(), "fa:16:3e:01:02:03");
    assert!(near.mark.as_ref().unwrap().starts_with(&format!("kuryr:{PORT}")));
}

#[tokio::test]
async fn only_a_userspace_datapath_costs_the_checksum_offload() {
    for (details, off) in [("{}", true), (r#"{"bridge_name": "br-kernel"}"#, false)] {
        let world = equipped();
        plugged(&world, &format!(r#"{{"binding:vif_type": "ovs", "binding:vif_details": {details}}}"#)).await;
        let cloud = world.snapshot();
        assert_eq!(cloud.links["t_c12345678-9a"].no_tx_checksums, off, "{details}");
        assert!(!cloud.links["tap12345678-9a"].no_tx_checksums);
    }
}

#[tokio::test]
async fn a_switch_replaced_by_a_userspace_one_is_noticed_at_the_next_plug() {
    let world = equipped();
    world.cloud.lock().unwrap().switch_bridges.insert("br-int".to_owned(), "system".to_owned());
    let plug = plugged(&world, OVS).await;
    assert!(!world.snapshot().links["t_c12345678-9a"].no_tx_checksums);
    world.cloud.lock().unwrap().switch_bridges.insert("br-int".to_owned(), "netdev".to_owned());
    setup(&Process::new(&world).host(), &plug).await.unwrap();
    assert!(world.snapshot().links["t_c12345678-9a"].no_tx_checksums);
}

#[tokio::test]
async fn a_missing_bridge_is_named_and_nothing_is_made() {
    let world = equipped();
    world.cloud.lock().unwrap().switch_bridges.clear();
    let before = world.snapshot();
    let plug = super::kinds::planned(&world, OVS).await;
    let text = setup(&Process::new(&world).host(), &plug).await.unwrap_err().to_string();
    assert!(text.contains("br-int") && text.contains("ovs-vsctl show"), "{text}");
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn a_hybrid_port_goes_through_a_bridge_of_its_own() {
    let world = equipped();
    plugged(&world, r#"{"binding:vif_type": "ovs", "binding:vif_details": {"ovs_hybrid_plug": true}}"#).await;
    let cloud = world.snapshot();
    let under = |link: &str| cloud.links[link].master.as_deref();
    assert_eq!(
        (under("tap12345678-9a"), under("qvb12345678-9a")),
        (Some("qbr12345678-9a"), Some("qbr12345678-9a"))
    );
    assert_eq!(cloud.switch_ports.keys().collect::<Vec<_>>(), ["qvo12345678-9a"]);
    assert!(["qbr12345678-9a", "qvb12345678-9a", "qvo12345678-9a"].iter().all(|link| cloud.links[*link].up));
    assert!(cloud.links.values().all(|link| link.mtu == 1450));
    assert!(cloud.switch_ports["qvo12345678-9a"].external_ids.contains_key("vm-uuid"));
}

/// B26: a text that only looks like the flag is none.
#[tokio::test]
async fn b26_the_hybrid_flag_is_read_as_json_not_searched_in_text() {
    for details in [
        r#"{"ovs_hybrid_plug": false}"#,
        r#"{"ovs_hybrid_plug": "True"}"#,
        r#"{"note": "'ovs_hybrid_plug': True"}"#,
        r#"{"nested": {"ovs_hybrid_plug": true}}"#,
    ] {
        let world = equipped();
        plugged(&world, &format!(r#"{{"binding:vif_type": "ovs", "binding:vif_details": {details}}}"#)).await;
        assert!(world.snapshot().switch_ports.contains_key("tap12345678-9a"), "{details}");
    }
}
