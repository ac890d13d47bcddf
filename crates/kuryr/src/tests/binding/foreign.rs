//! Links of others on this kernel, in the way of ours or under them.

use std::process::Command;

use super::kernel::{HYBRID, Ovs, in_namespace, names};
use super::kinds::{PORT, port, setup, teardown, validate};
use crate::{Host, HostPaths};

fn ip(arguments: &str) -> String {
    let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn links_of_others_under_our_names_stay() {
    in_namespace(|links| async move {
        let host = Host::new(links.clone(), HostPaths::default());
        let plug = validate(&host, &port(r#"{"binding:vif_type": "tap"}"#)).await.unwrap();
        // Another kind, a pair with another end, our pair with another mark.
        for made in [
            "link add tap12345678-9a type bridge",
            "link add tap12345678-9a type veth peer name other",
            "link add tap12345678-9a type veth peer name t_c12345678-9a",
        ] {
            ip(made);
            ip("link set tap12345678-9a alias another");
            let text = setup(&host, &plug).await.unwrap_err().to_string();
            assert!(text.contains("tap12345678-9a"), "{text}");
            teardown(&host, &plug).await.unwrap();
            assert!(links.link("tap12345678-9a").await.unwrap().is_some(), "{made}");
            ip("link del tap12345678-9a");
        }
        // Of a crash before the mark was set.
        ip("link add tap12345678-9a type veth peer name t_c12345678-9a");
        setup(&host, &plug).await.unwrap();
        let mark = links.link("tap12345678-9a").await.unwrap().unwrap().alias;
        assert!(mark.unwrap().starts_with(&format!("kuryr:{PORT}")));
        teardown(&host, &plug).await.unwrap();
        assert!(links.link("tap12345678-9a").await.unwrap().is_none());
    });
}

#[test]
fn our_hybrid_bridge_stays_while_somebodys_link_is_in_it() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let before = names(&links).await;
        let plug = validate(&host, &port(HYBRID)).await.unwrap();
        setup(&host, &plug).await.unwrap();
        ip("link add guest type veth peer name t_guest");
        ip("link set guest master qbr12345678-9a");
        for _ in 0..2 {
            let text = teardown(&host, &plug).await.unwrap_err().to_string();
            assert!(text.contains("ip link set guest nomaster"), "{text}");
            let bridge = links.link("qbr12345678-9a").await.unwrap().unwrap();
            assert_eq!(links.link("guest").await.unwrap().unwrap().master, Some(bridge.index));
        }
        // All the rest is gone.
        assert_eq!(ovs.vsctl("list-ports br-int"), "");
        assert_eq!(names(&links).await.len(), before.len() + 3);
        ip("link set guest nomaster");
        teardown(&host, &plug).await.unwrap();
        ip("link del guest");
        assert_eq!(names(&links).await, before);
    });
}

#[test]
fn a_bridge_in_use_without_our_mark_is_neither_taken_nor_removed() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let plug = validate(&host, &port(HYBRID)).await.unwrap();
        ip("link add qbr12345678-9a type bridge");
        ip("link add guest type veth peer name t_guest");
        ip("link set guest master qbr12345678-9a");
        let text = setup(&host, &plug).await.unwrap_err().to_string();
        assert!(text.contains("qbr12345678-9a") && text.contains("guest"), "{text}");
        teardown(&host, &plug).await.unwrap();
        let bridge = links.link("qbr12345678-9a").await.unwrap().unwrap();
        assert_eq!(bridge.alias, None);
        assert_eq!(links.link("guest").await.unwrap().unwrap().master, Some(bridge.index));
        // Empty, it is what a crash leaves before the mark is set.
        ip("link set guest nomaster");
        setup(&host, &plug).await.unwrap();
        teardown(&host, &plug).await.unwrap();
        assert!(links.link("qbr12345678-9a").await.unwrap().is_none());
    });
}

#[test]
fn a_shared_bridge_keeps_what_its_owner_set() {
    in_namespace(|links| async move {
        let host = Host::new(links.clone(), HostPaths::default());
        let facts = r#"{"binding:vif_type": "bridge", "binding:vif_details": {"bridge_name": "br-theirs"}}"#;
        let plug = validate(&host, &port(facts)).await.unwrap();
        ip("link add br-theirs type bridge stp_state 1 forward_delay 500");
        ip("link set br-theirs mtu 1400");
        ip("link set br-theirs up");
        let settings = || {
            let text = ip("-d link show br-theirs");
            ["stp_state 1", "forward_delay 500", "mtu 1400"].map(|setting| text.contains(setting))
        };
        assert_eq!(settings(), [true; 3]);
        for _ in 0..2 {
            setup(&host, &plug).await.unwrap();
        }
        let bridge = links.link("br-theirs").await.unwrap().unwrap();
        assert_eq!(links.link("tap12345678-9a").await.unwrap().unwrap().master, Some(bridge.index));
        assert_eq!(settings(), [true; 3]);
        teardown(&host, &plug).await.unwrap();
        assert_eq!(settings(), [true; 3]);
    });
}
