//! Adding, deleting and finding ports.

use std::collections::BTreeMap;
use std::time::Duration;

use host_net::ovs::{Error, PortSpec};
use host_net::{Links, VethSpec};

use crate::switch::{Switch, ip, with_switch};

pub(crate) fn port(bridge: &str, name: &str) -> PortSpec {
    let ids = [("iface-id", "2f3a-port"), ("attached-mac", "02:00:00:00:00:07"), ("iface-status", "active")];
    PortSpec {
        bridge: bridge.into(),
        name: name.into(),
        external_ids: ids.map(|(name, value)| (name.into(), value.into())).into(),
    }
}

pub(crate) async fn pair(links: &Links, host: &str, peer: &str) {
    let spec = VethSpec { host: host.into(), peer: peer.into(), mac: None, mtu: Some(1442) };
    links.ensure_veth(&spec).await.unwrap();
}

fn interface(switch: &Switch, name: &str, column: &str) -> String {
    switch.vsctl(&format!("get interface {name} {column}")).trim().trim_matches('"').to_owned()
}

#[test]
fn a_port_is_added_once_and_deleted_once_however_often_it_is_asked_for() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        for _ in 0..2 {
            ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        }
        assert_eq!(switch.vsctl("list-ports br-int"), "tap0\n");
        assert_eq!(interface(&switch, "tap0", "external_ids:iface-id"), "2f3a-port");
        assert_eq!(interface(&switch, "tap0", "external_ids:attached-mac"), "02:00:00:00:00:07");
        assert_eq!(interface(&switch, "tap0", "external_ids:owner"), "kuryr");
        assert_eq!(interface(&switch, "tap0", "error"), "[]");
        assert_eq!(interface(&switch, "tap0", "ofport"), "1");
        // The switch changes neither MTU nor addresses.
        assert_eq!(links.link("tap0").await.unwrap().unwrap().mtu, 1442);
        assert_eq!(links.addresses("tap0").await.unwrap(), []);
        for _ in 0..2 {
            ovs.delete_port("tap0").await.unwrap();
        }
        assert_eq!(switch.vsctl("list-ports br-int"), "");
        assert!(!switch.vsctl("list interface").contains("tap0"));
        assert!(links.link("tap0").await.unwrap().is_some(), "the link stays");
    });
}

#[test]
fn ids_of_others_stay_and_ours_are_brought_up_to_date() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        switch.vsctl("set interface tap0 external_ids:ovn-installed=true external_ids:iface-status=old");
        let mut wanted = port("br-int", "tap0");
        wanted.external_ids.insert("vm-uuid".into(), "a \"quoted\" endpoint".into());
        ovs.ensure_port(&wanted).await.unwrap();
        assert_eq!(interface(&switch, "tap0", "external_ids:ovn-installed"), "true");
        assert_eq!(interface(&switch, "tap0", "external_ids:iface-status"), "active");
        assert_eq!(interface(&switch, "tap0", "external_ids:vm-uuid"), r#"a \"quoted\" endpoint"#);
    });
}

#[test]
fn a_missing_bridge_is_named_and_nothing_is_left() {
    with_switch(|switch, links| async move {
        pair(&links, "tap0", "t_c0").await;
        let error = switch.client().ensure_port(&port("br-ex", "tap0")).await.unwrap_err();
        assert!(matches!(&error, Error::NoBridge { bridge } if bridge == "br-ex"), "{error}");
        assert!(error.to_string().contains("agent"), "{error}");
        assert!(!switch.vsctl("list interface").contains("tap0"));
    });
}

#[test]
fn a_missing_link_is_named_and_nothing_is_left() {
    with_switch(|switch, _| async move {
        let error = switch.client().ensure_port(&port("br-int", "tap0")).await.unwrap_err();
        assert!(error.is_absent() && error.to_string().contains("tap0"), "{error}");
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn a_link_that_vanishes_before_ovs_vswitchd_opens_it_is_told_in_its_words() {
    with_switch(|mut switch, links| async move {
        pair(&links, "tap0", "t_c0").await;
        switch.stop_switch();
        let ovs = switch.client();
        let adding = {
            let ovs = ovs.clone();
            tokio::spawn(async move { ovs.ensure_port(&port("br-int", "tap0")).await })
        };
        while ovs.ports_of("kuryr").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        links.delete_veth("tap0").await.unwrap();
        switch.start_switch();
        let error = adding.await.unwrap().unwrap_err();
        assert!(
            matches!(&error, Error::OvsPort { cause, .. } if cause.contains("No such device")),
            "{error}"
        );
        ovs.delete_port("tap0").await.unwrap();
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn a_port_ovs_vswitchd_does_not_number_is_a_failure() {
    with_switch(|switch, links| async move {
        // A name it keeps for tunnels; the database has no reason for it.
        pair(&links, "vxlan_sys_9", "t_c0").await;
        let error = switch.client().ensure_port(&port("br-int", "vxlan_sys_9")).await.unwrap_err();
        assert!(matches!(&error, Error::OvsPort { cause, .. } if cause.contains("number")), "{error}");
        switch.client().delete_port("vxlan_sys_9").await.unwrap();
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn ports_of_others_are_neither_taken_nor_deleted() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        for number in 0..4 {
            pair(&links, &format!("tap{number}"), &format!("t_c{number}")).await;
        }
        switch.vsctl("add-br br-two -- set bridge br-two datapath_type=netdev");
        switch.vsctl("add-port br-int tap0");
        switch.vsctl("add-port br-two tap1 -- set interface tap1 external_ids:owner=kuryr");
        switch.vsctl("add-bond br-int bond0 tap2 tap3");
        let before = switch.vsctl("--columns=name,ports,external_ids list bridge");
        for (name, why) in [
            ("tap0", "lacks owner=kuryr"),
            ("tap1", "is in bridge br-two"),
            ("tap2", "another name"),
            ("bond0", "bond"),
            ("br-int", "lacks owner=kuryr"),
        ] {
            if name == "bond0" {
                ip("link add bond0 type veth peer name t_b0");
            }
            let error = ovs.ensure_port(&port("br-int", name)).await.unwrap_err();
            assert!(matches!(error, Error::OvsForeign { .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
        for name in ["tap0", "bond0", "br-int"] {
            let error = ovs.delete_port(name).await.unwrap_err();
            assert!(matches!(error, Error::OvsForeign { .. }), "{error}");
        }
        // An interface of a bond is no port.
        ovs.delete_port("tap2").await.unwrap();
        assert_eq!(switch.vsctl("--columns=name,ports,external_ids list bridge"), before);
    });
}

#[test]
fn a_port_in_use_for_another_neutron_port_is_neither_taken_nor_deleted() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        let mut other = port("br-int", "tap0");
        other.external_ids.insert("iface-id".into(), "77aa-port".into());
        for error in [
            ovs.ensure_port(&other).await.unwrap_err(),
            ovs.delete_port_of("tap0", "77aa-port").await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::OvsForeign { .. }), "{error}");
            assert!(error.to_string().contains("Neutron port 2f3a-port"), "{error}");
        }
        assert_eq!(interface(&switch, "tap0", "external_ids:iface-id"), "2f3a-port");
        for _ in 0..2 {
            ovs.delete_port_of("tap0", "2f3a-port").await.unwrap();
        }
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn ports_of_an_owner_are_found_with_whether_their_link_exists() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        for number in 0..3 {
            pair(&links, &format!("tap{number}"), &format!("t_c{number}")).await;
        }
        switch.vsctl("add-br br-two -- set bridge br-two datapath_type=netdev");
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        ovs.ensure_port(&port("br-two", "tap1")).await.unwrap();
        switch.vsctl("add-port br-int tap2 -- set interface tap2 external_ids:owner=nova");
        links.delete_veth("tap0").await.unwrap();
        let mut found = ovs.ports_of("kuryr").await.unwrap();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        let seen: Vec<_> =
            found.iter().map(|port| (port.bridge.as_str(), port.name.as_str(), port.exists)).collect();
        assert_eq!(seen, [("br-int", "tap0", false), ("br-two", "tap1", true)]);
        assert_eq!(found[0].external_ids["iface-id"], "2f3a-port");
        assert_eq!(ovs.ports_of("nobody").await.unwrap(), []);
        // The port of a link that is gone can go too.
        ovs.delete_port("tap0").await.unwrap();
        assert_eq!(ovs.ports_of("kuryr").await.unwrap().len(), 1);
    });
}

#[test]
fn the_datapath_of_a_bridge_is_told() {
    with_switch(|switch, _| async move {
        let ovs = switch.client();
        assert_eq!(ovs.datapath_type("br-int").await.unwrap().as_deref(), Some("netdev"));
        switch.vsctl("--no-wait add-br br-kernel");
        assert_eq!(ovs.datapath_type("br-kernel").await.unwrap().as_deref(), Some("system"));
        assert_eq!(ovs.datapath_type("br-none").await.unwrap(), None);
    });
}

#[test]
fn a_hundred_ports_come_and_go_at_once() {
    with_switch(|switch, links| async move {
        let names: Vec<String> = (0..100).map(|number| format!("tap{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            pair(&links, name, &format!("t_c{number}")).await;
        }
        let ovs = switch.client();
        let specs: Vec<PortSpec> = names.iter().map(|name| port("br-int", name)).collect();
        let added = futures_util::future::join_all(specs.iter().map(|spec| ovs.ensure_port(spec))).await;
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        let found: BTreeMap<_, _> =
            ovs.ports_of("kuryr").await.unwrap().into_iter().map(|port| (port.name, port.bridge)).collect();
        assert_eq!(found.len(), 100);
        let deleted = futures_util::future::join_all(names.iter().map(|name| ovs.delete_port(name))).await;
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn a_port_that_tells_no_link_is_attached_anew_and_one_without_neutron_port_is_not_deleted_as_one() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        let before = interface(&switch, "tap0", "_uuid");
        switch.vsctl("remove interface tap0 external_ids kuryr-link-index");
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        assert_ne!(interface(&switch, "tap0", "_uuid"), before);
        switch.vsctl("remove interface tap0 external_ids iface-id");
        let error = ovs.delete_port_of("tap0", "2f3a-port").await.unwrap_err();
        assert!(
            matches!(error, Error::OvsForeign { .. }) && error.to_string().contains("iface-id"),
            "{error}"
        );
        assert_eq!(switch.vsctl("list-ports br-int"), "tap0\n");
    });
}
