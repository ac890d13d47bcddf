//! Links on top of the virtual machine's own: the double behaves as the kernel does.

use std::process::Command;
use std::sync::Arc;

use super::kernel::in_namespace;
use crate::doubles::{Link, Process, World};
use crate::host::{IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind};
use crate::{HostLinks, SubLink, SubLinkError};

const PARENT: &str = "fa:16:3e:00:00:01";
const MACVLAN: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Bridge };
const PRIVATE: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Private };
const VLAN: SubLinkKind = SubLinkKind::Vlan { id: 7 };
const IPVLAN: SubLinkKind = SubLinkKind::Ipvlan { mode: IpvlanMode::L2, flag: IpvlanFlag::Bridge };

fn wanted(name: &str, kind: SubLinkKind) -> SubLink {
    let mac = (kind.name() != "ipvlan").then(|| "fa:16:3e:00:00:07".parse().unwrap());
    SubLink {
        name: name.to_owned(),
        parent: "eth0".to_owned(),
        kind,
        mac,
        mtu: 1400,
        mark: "ours:1".to_owned(),
    }
}

/// What the driver counts on, with `eth0` and `eth1` as parents.
async fn behaves(links: &dyn HostLinks, kind: SubLinkKind, other: SubLinkKind) {
    let link = wanted("tap0", kind);
    for _ in 0..2 {
        links.ensure_sub_link(&link).await.unwrap();
    }
    let marked = links.marked_links("ours:").await.unwrap();
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!((marked[0].name.as_str(), marked[0].mark.as_str()), ("tap0", "ours:1"));
    assert_eq!((marked[0].sub, marked[0].parent.as_deref()), (Some(kind), Some("eth0")));
    assert!(!marked[0].in_use && marked[0].peer.is_none());

    // Of another kind, on another parent, with another mark.
    for wrong in [
        SubLink { kind: other, ..link.clone() },
        SubLink { parent: "eth1".to_owned(), ..link.clone() },
        SubLink { mark: "theirs".to_owned(), ..link.clone() },
    ] {
        let error = links.ensure_sub_link(&wrong).await.unwrap_err();
        assert!(matches!(&error, SubLinkError::Refused(refused) if refused.0.contains("tap0")), "{error}");
    }
    let another = if kind.name() == "vlan" { MACVLAN } else { VLAN };
    for (parent, kind, mark) in
        [("eth1", kind, "ours:1"), ("eth0", another, "ours:1"), ("eth0", kind, "ours:2")]
    {
        links.delete_sub_link("tap0", parent, kind, mark).await.unwrap();
        assert!(links.link_exists("tap0").await.unwrap(), "{parent} {kind} {mark}");
    }
    let above = SubLink { mtu: 1501, ..wanted("tap1", kind) };
    assert!(links.ensure_sub_link(&above).await.unwrap_err().to_string().contains("eth0"));
    let nowhere = SubLink { parent: "eth7".to_owned(), ..wanted("tap1", kind) };
    assert!(links.ensure_sub_link(&nowhere).await.unwrap_err().to_string().contains("eth7"));
    assert!(!links.link_exists("tap1").await.unwrap());

    let parent = links.parent_link("eth0").await.unwrap().unwrap();
    assert_eq!((parent.mac.to_string().as_str(), parent.mtu, parent.up), (PARENT, 1500, true));
    assert!(parent.addresses.contains(&"10.5.0.2".parse().unwrap()));
    assert_eq!(links.parent_link("eth7").await.unwrap(), None);

    for _ in 0..2 {
        links.delete_sub_link("tap0", "eth0", kind, "ours:1").await.unwrap();
        assert!(!links.link_exists("tap0").await.unwrap());
    }
}

fn virtual_machine() -> Arc<World> {
    let world = Arc::new(World::default());
    let parent = Link {
        mac: Some(PARENT.parse().unwrap()),
        mtu: 1500,
        up: true,
        addresses: vec!["10.5.0.2".parse().unwrap()],
        ..Link::default()
    };
    let mut cloud = world.cloud.lock().unwrap();
    cloud.links.insert("eth1".to_owned(), parent.clone());
    cloud.links.insert("eth0".to_owned(), parent);
    drop(cloud);
    world
}

#[tokio::test]
async fn the_double_behaves() {
    for (kind, other) in
        [(VLAN, MACVLAN), (VLAN, SubLinkKind::Vlan { id: 8 }), (MACVLAN, PRIVATE), (IPVLAN, VLAN)]
    {
        let links = Process::new(&virtual_machine());
        behaves(links.as_ref(), kind, other).await;
    }
}

#[test]
fn so_does_the_kernel() {
    in_namespace(|links| async move {
        for command in [
            &format!("link add eth0 address {PARENT} type veth peer name far0"),
            "link add eth1 type veth peer name far1",
            "link set eth0 up",
            "addr add 10.5.0.2/24 dev eth0",
        ] {
            let done = Command::new("ip").args(command.split(' ')).status().unwrap();
            assert!(done.success(), "ip {command}");
        }
        behaves(&links, MACVLAN, PRIVATE).await;
        for (kind, words, module) in [(VLAN, "vlan id 9", "8021q"), (IPVLAN, "ipvlan mode l2", "ipvlan")] {
            let probe = format!("link add link eth1 name probe type {words}");
            if Command::new("ip").args(probe.split(' ')).status().unwrap().success() {
                assert!(Command::new("ip").args(["link", "del", "probe"]).status().unwrap().success());
                behaves(&links, kind, MACVLAN).await;
            } else {
                let error = HostLinks::ensure_sub_link(&links, &wanted("tap0", kind)).await.unwrap_err();
                assert!(error.to_string().contains(&format!("modprobe {module}")), "{error}");
            }
        }
        // A mode that was changed since it was made does not keep it from being removed.
        HostLinks::ensure_sub_link(&links, &wanted("tap0", PRIVATE)).await.unwrap();
        HostLinks::delete_sub_link(&links, "tap0", "eth0", MACVLAN, "ours:1").await.unwrap();
        assert!(links.link("tap0").await.unwrap().is_none());
        let refused = HostLinks::parent_link(&links, "lo").await.unwrap_err();
        assert!(refused.0.contains("lo is no Ethernet link"), "{refused}");
    });
}

#[tokio::test]
async fn a_vlan_is_taken_wherever_the_link_is_that_has_it() {
    let world = virtual_machine();
    let links = Process::new(&world);
    let second = wanted("tap1", VLAN);
    links.ensure_sub_link(&wanted("tap0", VLAN)).await.unwrap();
    for moved in [false, true] {
        if moved {
            world.cloud.lock().unwrap().move_into_container("tap0");
            assert!(links.marked_links("ours:").await.unwrap().is_empty());
        }
        let error = links.ensure_sub_link(&second).await.unwrap_err();
        assert!(matches!(error, SubLinkError::VlanTaken(_)), "{error}");
    }
    let elsewhere = SubLink { parent: "eth1".to_owned(), ..second.clone() };
    links.ensure_sub_link(&elsewhere).await.unwrap();
    links.delete_sub_link("tap1", "eth1", VLAN, "ours:1").await.unwrap();
    world.cloud.lock().unwrap().move_back("tap0");
    links.delete_sub_link("tap0", "eth0", VLAN, "ours:1").await.unwrap();
    links.ensure_sub_link(&second).await.unwrap();
}

#[test]
fn the_journal_says_kinds_in_words() {
    for (kind, text) in [
        (VLAN, r#"{"vlan":{"id":7}}"#),
        (SubLinkKind::Macvlan { mode: MacvlanMode::Passthru }, r#"{"macvlan":{"mode":"passthru"}}"#),
        (
            SubLinkKind::Ipvlan { mode: IpvlanMode::L3s, flag: IpvlanFlag::Vepa },
            r#"{"ipvlan":{"mode":"l3s","flag":"vepa"}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&kind).unwrap(), text);
        assert_eq!(serde_json::from_str::<SubLinkKind>(text).unwrap(), kind);
    }
}
