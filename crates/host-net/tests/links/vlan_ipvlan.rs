//! VLAN and ipvlan links. A kernel without them has to say so; nothing here passes without a word about either.

use std::process::Command;
use std::time::Duration;

use host_net::{Error, IpvlanFlag, IpvlanMode, Links, MacvlanMode, SubLinkKind, SubLinkSpec};
use os::netns::{NetNs, run_in};

use crate::namespace::{OWN, in_fresh_namespace, into, ip, on_eth0, reaches, virtual_machine};

const VLAN: SubLinkKind = SubLinkKind::Vlan { id: 7 };
const IPVLAN: SubLinkKind = SubLinkKind::Ipvlan { mode: IpvlanMode::L2, flag: IpvlanFlag::Bridge };
const MACVLAN: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Bridge };
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 7];

/// Whether `ip` can make such a link; if it cannot, the same is asked of [`Links`], whose error must be the clear one.
async fn has(links: &Links, kind: SubLinkKind) -> bool {
    virtual_machine();
    let (words, module) = match kind {
        SubLinkKind::Vlan { .. } => ("vlan id 4000", "8021q"),
        _ => ("ipvlan mode l2", "ipvlan"),
    };
    let probe = format!("link add link eth1 name probe type {words}");
    let probed = Command::new("ip").args(probe.split(' ')).output().unwrap();
    if probed.status.success() {
        ip("link del probe");
        return true;
    }
    let text = String::from_utf8_lossy(&probed.stderr).into_owned();
    assert!(text.contains("Unknown device type") || text.contains("not supported"), "{text}");
    let error = links.ensure_sub_link(&on_eth0("sub0", kind)).await.unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchKind { link, module: named, .. } if link == "sub0" && *named == module),
        "{error}"
    );
    let said = error.to_string();
    assert!(said.contains("eth0") && said.contains(&format!("modprobe {module}")), "{said}");
    assert!(!error.is_vlan_taken() && !error.is_absent());
    assert!(links.link("sub0").await.unwrap().is_none());
    false
}

fn vlan(name: &str) -> SubLinkSpec {
    SubLinkSpec { mac: Some(MAC), mtu: Some(1442), alias: Some("ours".into()), ..on_eth0(name, VLAN) }
}

fn is_refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::SubLink { .. }), "{error} is to say: {words}");
    assert!(error.to_string().contains(words), "{error} is to say: {words}");
}

#[test]
fn a_vlan_is_as_wanted_and_down() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, VLAN).await {
            return;
        }
        // As after a kill behind the creation, bound to its parent's state as the kernel makes it, and raised.
        ip("link add link eth0 name vlan0 type vlan id 7");
        ip("link set vlan0 up");
        let index = links.link("vlan0").await.unwrap().unwrap().index;
        for fresh in [false, false, true, true] {
            if fresh && links.link("vlan0").await.unwrap().is_some_and(|link| link.index == index) {
                links.delete_link("vlan0").await.unwrap();
            }
            links.ensure_sub_link(&vlan("vlan0")).await.unwrap();
            let link = links.link("vlan0").await.unwrap().unwrap();
            assert_eq!((link.sub, link.kind.as_deref()), (Some(VLAN), Some("vlan")));
            assert_eq!((link.mac, link.mtu, link.up), (Some(MAC), 1442, false));
            assert_eq!(link.alias.as_deref(), Some("ours"));
            assert_eq!(link.index == index, !fresh);
            assert_eq!(links.addresses("vlan0").await.unwrap(), []);
            let seen = ip("-d link show vlan0");
            for part in ["802.1Q id 7 ", "LOOSE_BINDING", "addrgenmode none"] {
                assert!(seen.contains(part), "{part} in {seen}");
            }
        }
        // Without a MAC it has the parent's, and without an MTU as well.
        let kind = SubLinkKind::Vlan { id: 4094 };
        links.ensure_sub_link(&on_eth0("vlan1", kind)).await.unwrap();
        let link = links.link("vlan1").await.unwrap().unwrap();
        assert_eq!((link.mac, link.mtu, link.sub), (Some(OWN), 1500, Some(kind)));
        let above = SubLinkSpec { mtu: Some(1501), ..vlan("vlan0") };
        is_refused(&links.ensure_sub_link(&above).await.unwrap_err(), "above the 1500 of eth0");
    });
}

#[test]
fn a_taken_vlan_is_told_apart_from_a_taken_name() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, VLAN).await {
            return;
        }
        links.ensure_sub_link(&vlan("vlan0")).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        for moved in [false, true] {
            if moved {
                into(&container, "vlan0");
            }
            let error = links.ensure_sub_link(&vlan("vlan1")).await.unwrap_err();
            assert!(error.is_vlan_taken(), "{error}");
            assert!(error.to_string().contains("VLAN 7 on eth0"), "{error}");
            assert!(links.link("vlan1").await.unwrap().is_none());
        }
        // Another number, and the same on another parent.
        let other = SubLinkSpec { kind: SubLinkKind::Vlan { id: 8 }, ..vlan("vlan1") };
        links.ensure_sub_link(&other).await.unwrap();
        links.ensure_sub_link(&SubLinkSpec { parent: "eth1".into(), ..vlan("vlan2") }).await.unwrap();
        let error = links.ensure_sub_link(&vlan("vlan2")).await.unwrap_err();
        assert!(error.to_string().contains("is VLAN 7 on eth1 instead of VLAN 7 on eth0"), "{error}");

        for (made, found) in [
            ("add taken type bridge", "a bridge"),
            ("add link eth0 name taken type vlan id 9", "VLAN 9 on eth0"),
            ("add link eth0 name taken type vlan protocol 802.1ad id 7", "a vlan instead"),
            ("add link eth0 name taken type macvlan mode bridge", "a macvlan"),
        ] {
            ip(&format!("link {made}"));
            let error = links.ensure_sub_link(&vlan("taken")).await.unwrap_err();
            assert!(matches!(&error, Error::Foreign { link, .. } if link == "taken"), "{error}");
            assert!(error.to_string().contains(found) && !error.is_vlan_taken(), "{error}");
            ip("link del taken");
        }
        // The container's end frees it, after a moment.
        drop(container);
        let mut tries = 0;
        while let Err(error) = links.ensure_sub_link(&vlan("vlan3")).await {
            tries += 1;
            assert!(error.is_vlan_taken() && tries < 500, "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn of_two_who_want_a_vlan_under_their_own_names_one_gets_it() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, VLAN).await {
            return;
        }
        let (one, other) = (vlan("vlan0"), vlan("vlan1"));
        let (one, other) = tokio::join!(links.ensure_sub_link(&one), links.ensure_sub_link(&other));
        let lost = one.and(other).unwrap_err();
        assert!(lost.is_vlan_taken(), "{lost}");
        let (same, again) =
            (vlan("vlan2"), SubLinkSpec { kind: SubLinkKind::Vlan { id: 8 }, ..vlan("vlan2") });
        let outcomes = tokio::join!(
            links.ensure_sub_link(&again),
            links.ensure_sub_link(&again),
            links.ensure_sub_link(&same)
        );
        let lost = outcomes.2.unwrap_err();
        assert!(matches!((outcomes.0, outcomes.1), (Ok(()), Ok(()))));
        assert!(lost.is_vlan_taken() || matches!(lost, Error::Foreign { .. }), "{lost}");
    });
}

#[test]
fn a_vlan_stays_as_it_is_when_its_parent_goes_down_and_up() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, VLAN).await {
            return;
        }
        links.ensure_sub_link(&vlan("vlan0")).await.unwrap();
        ip("link set eth0 down");
        ip("link set eth0 up");
        assert!(!links.link("vlan0").await.unwrap().unwrap().up, "still not up in the host's namespace");
        assert_eq!(links.addresses("vlan0").await.unwrap(), []);

        let container = NetNs::new_unshared().unwrap();
        into(&container, "vlan0");
        run_in(&container, || {
            ip("addr add 10.5.0.7/24 dev vlan0");
            ip("link set vlan0 up");
            ip("route add default via 10.5.0.1");
        })
        .unwrap();
        ip("link set eth0 down");
        ip("link set eth0 up");
        let seen = run_in(&container, || ip("route show")).unwrap();
        assert!(seen.contains("default via 10.5.0.1"), "{seen}");
        // The carrier is the parent's.
        let there = Links::open_in(container.fd()).unwrap();
        for up in [false, true] {
            links.set_up("far0", up).await.unwrap();
            let mut tries = 0;
            while there.link("vlan0").await.unwrap().unwrap().carrier != up {
                tries += 1;
                assert!(tries < 500, "the carrier is not {up}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
}

#[test]
fn frames_of_a_vlan_are_tagged_on_the_parent() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, VLAN).await {
            return;
        }
        ip("link add link far0 name switch type vlan id 7");
        ip("addr add 10.5.0.9/24 dev switch");
        ip("link set switch up");
        links.ensure_sub_link(&vlan("vlan0")).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        into(&container, "vlan0");
        run_in(&container, || {
            ip("addr add 10.5.0.7/24 dev vlan0");
            ip("link set vlan0 up");
        })
        .unwrap();
        reaches(&container, &NetNs::current().unwrap(), "10.5.0.9");
    });
}

#[test]
fn an_absent_parent_of_a_vlan_is_named_and_a_vlan_may_be_one() {
    in_fresh_namespace(|links, _| async move {
        let error = links.ensure_sub_link(&vlan("vlan0")).await.unwrap_err();
        assert!(matches!(&error, Error::Absent { link, .. } if link == "eth0"), "{error}");
        if !has(&links, VLAN).await {
            return;
        }
        links.ensure_sub_link(&vlan("vlan0")).await.unwrap();
        // A VLAN on a VLAN is fine.
        let inner = SubLinkSpec { parent: "vlan0".into(), ..vlan("vlan1") };
        links.ensure_sub_link(&inner).await.unwrap();
        links.delete_link("vlan0").await.unwrap();
        assert!(links.link("vlan1").await.unwrap().is_none(), "it goes with its parent");
    });
}

#[test]
fn an_ipvlan_of_every_mode_and_flag_is_as_wanted_and_down() {
    in_fresh_namespace(|links, _| async move {
        let own_mac = SubLinkSpec { mac: Some(MAC), ..on_eth0("ipv0", IPVLAN) };
        is_refused(&links.ensure_sub_link(&own_mac).await.unwrap_err(), "the parent's MAC address");
        if !has(&links, IPVLAN).await {
            return;
        }
        let own_mac = links.ensure_sub_link(&own_mac).await.unwrap_err();
        is_refused(&own_mac, "the parent's MAC address");
        for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s] {
            for flag in [IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa] {
                let kind = SubLinkKind::Ipvlan { mode, flag };
                let alias = Some("ours".to_owned());
                let spec = SubLinkSpec { mtu: Some(1442), alias, ..on_eth0("ipv0", kind) };
                for _ in 0..2 {
                    links.ensure_sub_link(&spec).await.unwrap();
                    let link = links.link("ipv0").await.unwrap().unwrap();
                    assert_eq!((link.sub, link.kind.as_deref()), (Some(kind), Some("ipvlan")));
                    assert_eq!((link.mac, link.mtu, link.up), (Some(OWN), 1442, false));
                    assert_eq!(link.alias.as_deref(), Some("ours"));
                    assert_eq!(links.addresses("ipv0").await.unwrap(), []);
                }
                assert!(ip("-d link show ipv0").contains("addrgenmode none"));
                links.delete_link("ipv0").await.unwrap();
            }
        }
        let above = SubLinkSpec { mtu: Some(1501), ..on_eth0("ipv0", IPVLAN) };
        is_refused(&links.ensure_sub_link(&above).await.unwrap_err(), "above the 1500 of eth0");
        assert!(links.link("ipv0").await.unwrap().is_none());
    });
}

#[test]
fn ipvlan_links_of_one_parent_keep_their_common_mode() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, IPVLAN).await {
            return;
        }
        links.ensure_sub_link(&on_eth0("ipv0", IPVLAN)).await.unwrap();
        links.ensure_sub_link(&on_eth0("ipv1", IPVLAN)).await.unwrap();
        for kind in [
            SubLinkKind::Ipvlan { mode: IpvlanMode::L3, flag: IpvlanFlag::Bridge },
            SubLinkKind::Ipvlan { mode: IpvlanMode::L2, flag: IpvlanFlag::Private },
        ] {
            let error = links.ensure_sub_link(&on_eth0("ipv2", kind)).await.unwrap_err();
            is_refused(&error, "is an ipvlan in mode l2 bridge");
            let error = links.ensure_sub_link(&on_eth0("ipv0", kind)).await.unwrap_err();
            assert!(matches!(&error, Error::Foreign { link, .. } if link == "ipv0"), "{error}");
            assert_eq!(links.link("ipv1").await.unwrap().unwrap().sub, Some(IPVLAN));
            // Another parent has its own.
            let elsewhere = SubLinkSpec { parent: "eth1".into(), ..on_eth0("ipv3", kind) };
            links.ensure_sub_link(&elsewhere).await.unwrap();
            links.delete_link("ipv3").await.unwrap();
        }
        let beside = SubLinkSpec { parent: "ipv0".into(), ..on_eth0("ipv2", IPVLAN) };
        is_refused(&links.ensure_sub_link(&beside).await.unwrap_err(), "itself an ipvlan");
    });
}

#[test]
fn a_parent_carries_macvlan_or_ipvlan_and_never_both() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, IPVLAN).await {
            return;
        }
        for (first, second, words) in
            [(MACVLAN, IPVLAN, "carries macvlan links"), (IPVLAN, MACVLAN, "carries ipvlan links")]
        {
            links.ensure_sub_link(&on_eth0("sub0", first)).await.unwrap();
            let container = NetNs::new_unshared().unwrap();
            for moved in [false, true] {
                if moved {
                    into(&container, "sub0");
                }
                is_refused(&links.ensure_sub_link(&on_eth0("sub1", second)).await.unwrap_err(), words);
            }
            run_in(&container, || ip("link del sub0")).unwrap();
        }
        ip("link add br0 type bridge");
        ip("link set eth0 master br0");
        is_refused(&links.ensure_sub_link(&on_eth0("sub1", IPVLAN)).await.unwrap_err(), "in a bridge");
    });
}

#[test]
fn an_ipvlan_goes_into_a_container_and_comes_back() {
    in_fresh_namespace(|links, _| async move {
        if !has(&links, IPVLAN).await {
            return;
        }
        ip("addr add 10.5.0.9/24 dev far0");
        links.ensure_sub_link(&on_eth0("ipv0", IPVLAN)).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        into(&container, "ipv0");
        run_in(&container, || {
            ip("addr add 10.5.0.7/24 dev ipv0");
            ip("link set ipv0 up");
        })
        .unwrap();
        reaches(&container, &NetNs::current().unwrap(), "10.5.0.9");
        let there = Links::open_in(container.fd()).unwrap();
        assert!(there.link("ipv0").await.unwrap().unwrap().peer_elsewhere);
        let here = NetNs::current().unwrap();
        run_in(&container, || {
            ip("link set ipv0 down");
            into(&here, "ipv0");
        })
        .unwrap();
        links.ensure_sub_link(&on_eth0("ipv0", IPVLAN)).await.unwrap();
        assert_eq!(links.addresses("ipv0").await.unwrap(), []);
        assert!(ip("-d link show ipv0").contains("addrgenmode none"));
    });
}
