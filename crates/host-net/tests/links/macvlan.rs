//! Macvlan links, which every kernel for tests has.

use std::time::Duration;

use host_net::{Error, LinkEvent, Links, MacvlanMode, SubLinkKind, SubLinkSpec};
use os::netns::{NetNs, run_in};

use crate::namespace::{OWN, in_fresh_namespace, into, ip, on_eth0, reaches, virtual_machine};

const BRIDGE: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Bridge };
const PASSTHRU: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Passthru };
const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 7];

fn wanted() -> SubLinkSpec {
    SubLinkSpec { mac: Some(MAC), mtu: Some(1442), alias: Some("ours".into()), ..on_eth0("mac0", BRIDGE) }
}

fn is_refused(error: &Error, words: &str) {
    assert!(matches!(error, Error::SubLink { parent, .. } if parent == "eth0"), "{error} is to say: {words}");
    assert!(error.to_string().contains(words), "{error} is to say: {words}");
}

#[test]
fn a_macvlan_of_every_mode_is_as_wanted_and_down() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        for (mode, word, mac) in [
            (MacvlanMode::Bridge, "bridge", MAC),
            (MacvlanMode::Private, "private", MAC),
            (MacvlanMode::Vepa, "vepa", MAC),
            (MacvlanMode::Passthru, "passthru", OWN),
        ] {
            let kind = SubLinkKind::Macvlan { mode };
            let spec = SubLinkSpec { kind, mac: Some(mac), ..wanted() };
            let mut indices = Vec::new();
            for _ in 0..2 {
                links.ensure_sub_link(&spec).await.unwrap();
                let link = links.link("mac0").await.unwrap().unwrap();
                let parent = links.link("eth0").await.unwrap().unwrap();
                assert_eq!((link.sub, link.kind.as_deref()), (Some(kind), Some("macvlan")));
                assert_eq!((link.mac, link.mtu, link.up), (Some(mac), 1442, false));
                assert_eq!((link.peer, link.peer_elsewhere), (Some(parent.index), false));
                assert_eq!(link.alias.as_deref(), Some("ours"));
                assert_eq!(links.addresses("mac0").await.unwrap(), []);
                indices.push(link.index);
            }
            assert_eq!(indices[0], indices[1], "it is the same one");
            let seen = ip("-d link show mac0");
            assert!(seen.contains(&format!("macvlan mode {word} ")), "{seen}");
            assert!(seen.contains("addrgenmode none") && seen.contains("alias ours"), "{seen}");
            links.delete_link("mac0").await.unwrap();
        }
        assert_eq!(links.link("eth0").await.unwrap().unwrap().mac, Some(OWN));
    });
}

#[test]
fn what_is_not_said_is_the_kernels_choice() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        ip("link set eth0 mtu 1400");
        links.ensure_sub_link(&on_eth0("mac0", BRIDGE)).await.unwrap();
        let link = links.link("mac0").await.unwrap().unwrap();
        assert_eq!((link.mtu, link.alias), (1400, None));
        assert!(link.mac.is_some_and(|mac| mac != OWN));
        let listed = links.links().await.unwrap().into_iter().find(|link| link.name == "mac0").unwrap();
        assert_eq!(listed.sub, Some(BRIDGE));
    });
}

#[test]
fn a_half_made_or_meddled_with_macvlan_is_finished_by_the_repeat() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        // As after a kill right behind the creation, and somebody raised it; with and without room for IPv6.
        for mtu in [1500, 1000] {
            ip("link add link eth0 name mac0 type macvlan mode bridge");
            ip(&format!("link set mac0 up mtu {mtu}"));
            let index = links.link("mac0").await.unwrap().unwrap().index;
            links.ensure_sub_link(&wanted()).await.unwrap();
            let link = links.link("mac0").await.unwrap().unwrap();
            assert_eq!((link.index, link.mac, link.mtu, link.up), (index, Some(MAC), 1442, false));
            assert_eq!(link.alias.as_deref(), Some("ours"));
            assert!(ip("-d link show mac0").contains("addrgenmode none"));
            assert_eq!(links.addresses("mac0").await.unwrap(), [], "the kernel's own is gone");
            links.delete_link("mac0").await.unwrap();
        }
    });
}

#[test]
fn several_who_want_the_same_one_get_it() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        let spec = wanted();
        let once = || links.ensure_sub_link(&spec);
        let outcomes = tokio::join!(once(), once(), once(), once());
        assert!(matches!(outcomes, (Ok(()), Ok(()), Ok(()), Ok(()))), "{outcomes:?}");
        assert_eq!(ip("-o link show type macvlan").lines().count(), 1);
    });
}

#[test]
fn a_link_of_another_kind_mode_or_parent_is_named_and_left_alone() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        for (made, found) in [
            ("add mac0 type bridge", "a bridge"),
            ("add mac0 type veth peer name other", "a veth"),
            ("add link eth0 name mac0 type macvlan mode private", "a macvlan in mode private on eth0"),
            ("add link eth1 name mac0 type macvlan mode bridge", "a macvlan in mode bridge on eth1"),
            ("add link eth0 name mac0 type macvlan mode source", "a macvlan instead"),
        ] {
            ip(&format!("link {made}"));
            let before = ip("-d link show mac0");
            let error = links.ensure_sub_link(&wanted()).await.unwrap_err();
            assert!(matches!(&error, Error::Foreign { link, .. } if link == "mac0"), "{error}");
            assert!(error.to_string().contains(found), "{error}");
            assert!(error.to_string().contains("instead of a macvlan in mode bridge on eth0"), "{error}");
            assert_eq!(ip("-d link show mac0"), before);
            ip("link del mac0");
        }
        // One from another namespace stands on a link there, which may have the number of eth0.
        let other = NetNs::new_unshared().unwrap();
        run_in(&other, virtual_machine).unwrap();
        let here = NetNs::current().unwrap();
        run_in(&other, || {
            ip("link add link eth0 name mac0 type macvlan mode bridge");
            into(&here, "mac0");
        })
        .unwrap();
        let error = links.ensure_sub_link(&wanted()).await.unwrap_err();
        assert!(error.to_string().contains("on a link of another network namespace"), "{error}");
        assert!(links.link("mac0").await.unwrap().is_some());
    });
}

#[test]
fn an_absent_parent_is_named_and_so_is_one_that_vanishes_meanwhile() {
    in_fresh_namespace(|links, _| async move {
        let error = links.ensure_sub_link(&wanted()).await.unwrap_err();
        assert!(matches!(&error, Error::Absent { link, .. } if link == "eth0"), "{error}");
        // The deletion comes after as many steps of the making, until that is done first.
        for after in 0.. {
            virtual_machine();
            let delete = async {
                for _ in 0..after {
                    links.link("eth0").await.unwrap();
                }
                links.delete_link("eth0").await
            };
            let (deleted, made) = tokio::join!(delete, async { links.ensure_sub_link(&wanted()).await });
            deleted.unwrap();
            assert!(links.link("mac0").await.unwrap().is_none());
            links.delete_link("eth1").await.unwrap();
            match made {
                Ok(()) => {
                    assert!((4..20).contains(&after), "{after} steps");
                    break;
                }
                Err(error) => {
                    let parent = matches!(&error, Error::Absent { link, .. } if link == "eth0");
                    assert!(parent, "{after}: {error}");
                }
            }
        }
    });
}

#[test]
fn what_cannot_be_a_parent_is_told_why_before_anything_is_made() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        ip("link add below0 link eth0 type macvlan mode bridge");
        for (parent, words) in [("lo", "no Ethernet link"), ("below0", "itself a macvlan in mode bridge")] {
            let spec = SubLinkSpec { parent: parent.into(), mtu: None, ..wanted() };
            let error = links.ensure_sub_link(&spec).await.unwrap_err();
            assert!(matches!(&error, Error::SubLink { .. }), "{error}");
            assert!(error.to_string().contains(words) && error.to_string().contains(parent), "{error}");
        }
        for bad in ["", "a b", "sixteen-bytes-xx"] {
            let spec = SubLinkSpec { name: bad.into(), ..wanted() };
            assert!(matches!(links.ensure_sub_link(&spec).await, Err(Error::Name { .. })));
            let spec = SubLinkSpec { parent: bad.into(), ..wanted() };
            assert!(matches!(links.ensure_sub_link(&spec).await, Err(Error::Name { .. })));
        }
        let vlan = |id| on_eth0("vlan0", SubLinkKind::Vlan { id });
        for id in [0, 4095, 4096, u16::MAX] {
            is_refused(&links.ensure_sub_link(&vlan(id)).await.unwrap_err(), "give a number from 1 to 4094");
        }
        ip("link add br0 type bridge");
        ip("link set eth0 nomaster");
        ip("link del below0");
        ip("link set eth0 master br0");
        is_refused(&links.ensure_sub_link(&wanted()).await.unwrap_err(), "in a bridge");
        assert!(links.link("mac0").await.unwrap().is_none());
    });
}

#[test]
fn an_mtu_above_the_parents_is_an_error_that_has_both() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        for there in [false, true] {
            let spec = SubLinkSpec { mtu: Some(1501), ..wanted() };
            let error = links.ensure_sub_link(&spec).await.unwrap_err();
            is_refused(&error, "MTU of 1501 bytes is above the 1500 of eth0");
            assert_eq!(links.link("mac0").await.unwrap().is_some(), there);
            links.ensure_sub_link(&wanted()).await.unwrap();
        }
        let error = links.ensure_sub_link(&SubLinkSpec { mtu: Some(60), ..wanted() }).await.unwrap_err();
        assert!(error.to_string().contains("mtu less than device minimum"), "{error}");
    });
}

#[test]
fn passthru_has_the_parent_for_itself_and_never_changes_its_address() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        let other_mac = SubLinkSpec { kind: PASSTHRU, ..wanted() };
        is_refused(&links.ensure_sub_link(&other_mac).await.unwrap_err(), "the parent's MAC address");

        let second = on_eth0("mac1", BRIDGE);
        links.ensure_sub_link(&second).await.unwrap();
        let passthru = on_eth0("mac0", PASSTHRU);
        is_refused(&links.ensure_sub_link(&passthru).await.unwrap_err(), "it carries others");
        links.delete_link("mac1").await.unwrap();

        links.ensure_sub_link(&passthru).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        for moved in [false, true] {
            if moved {
                into(&container, "mac0");
            }
            for kind in [BRIDGE, PASSTHRU] {
                let error = links.ensure_sub_link(&on_eth0("mac1", kind)).await.unwrap_err();
                is_refused(
                    &error,
                    if kind == PASSTHRU { "for one link alone" } else { "one in mode passthru" },
                );
            }
        }
        let there = Links::open_in(container.fd()).unwrap();
        assert_eq!(there.link("mac0").await.unwrap().unwrap().mac, Some(OWN));
        assert_eq!(links.link("eth0").await.unwrap().unwrap().mac, Some(OWN));
    });
}

#[test]
fn an_address_that_is_taken_or_none_is_told() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        let group = SubLinkSpec { mac: Some([1, 0, 0x5e, 0, 0, 1]), ..wanted() };
        is_refused(&links.ensure_sub_link(&group).await.unwrap_err(), "not one station's");
        assert!(links.link("mac0").await.unwrap().is_none());
        links.ensure_sub_link(&wanted()).await.unwrap();
        is_refused(&links.ensure_sub_link(&group).await.unwrap_err(), "not one station's");
        // The kernel finds the parent's own address when an existing link shall get it.
        let own = SubLinkSpec { mac: Some(OWN), ..wanted() };
        is_refused(&links.ensure_sub_link(&own).await.unwrap_err(), "another link on it has this MAC");
    });
}

#[test]
fn a_macvlan_goes_into_a_container_and_comes_back_as_it_was_made() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        links.ensure_sub_link(&wanted()).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        into(&container, "mac0");
        assert!(links.link("mac0").await.unwrap().is_none());
        // As Docker does: another name, up, an address.
        run_in(&container, || {
            ip("link set mac0 name eth0");
            ip("addr add 10.5.0.7/24 dev eth0");
            ip("link set eth0 up");
        })
        .unwrap();
        let there = Links::open_in(container.fd()).unwrap();
        let link = there.link("eth0").await.unwrap().unwrap();
        assert_eq!((link.mac, link.mtu, link.alias.as_deref()), (Some(MAC), 1442, Some("ours")));
        assert!(link.up && link.carrier && link.peer_elsewhere);
        assert_eq!(link.sub, Some(BRIDGE));

        // And back when the container ends.
        let here = NetNs::current().unwrap();
        run_in(&container, || {
            ip("link set eth0 down");
            ip("link set eth0 name mac0");
            into(&here, "mac0");
        })
        .unwrap();
        assert!(ip("-d link show mac0").contains("addrgenmode eui64"), "the kernel forgot it on the way");
        links.ensure_sub_link(&wanted()).await.unwrap();
        let back = links.link("mac0").await.unwrap().unwrap();
        assert_eq!((back.mac, back.up, back.peer_elsewhere), (Some(MAC), false, false));
        assert!(ip("-d link show mac0").contains("addrgenmode none"));
        assert_eq!(links.addresses("mac0").await.unwrap(), []);
    });
}

#[test]
fn a_macvlan_goes_with_its_container_and_with_its_parent() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        for parent_too in [false, true] {
            let mut spec = on_eth0("mac0", PASSTHRU);
            links.ensure_sub_link(&spec).await.unwrap();
            let container = NetNs::new_unshared().unwrap();
            into(&container, "mac0");
            if parent_too {
                links.delete_link("eth0").await.unwrap();
                assert!(!run_in(&container, || ip("-o link show")).unwrap().contains("mac0"));
                break;
            }
            drop(container);
            // The kernel takes a moment; passthru tells when it is done.
            spec.name = "mac1".into();
            let mut tries = 0;
            while links.ensure_sub_link(&spec).await.is_err() {
                tries += 1;
                assert!(tries < 500, "it is still there");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            links.delete_link("mac1").await.unwrap();
        }
        for _ in 0..2 {
            links.delete_link("mac0").await.unwrap();
        }
    });
}

#[test]
fn containers_on_one_parent_reach_each_other_and_beyond_in_mode_bridge() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        ip("addr add 10.5.0.9/24 dev far0");
        let mut containers = Vec::new();
        for number in 1_u8..=2 {
            let name = format!("mac{number}");
            let mac = Some([0xfa, 0x16, 0x3e, 0, 1, number]);
            links.ensure_sub_link(&SubLinkSpec { name: name.clone(), mac, ..wanted() }).await.unwrap();
            let container = NetNs::new_unshared().unwrap();
            into(&container, &name);
            run_in(&container, || {
                ip(&format!("addr add 10.5.0.{number}/24 dev {name}"));
                ip(&format!("link set {name} up"));
            })
            .unwrap();
            containers.push(container);
        }
        reaches(&containers[0], &containers[1], "10.5.0.2");
        reaches(&containers[1], &containers[0], "10.5.0.1");
        reaches(&containers[0], &NetNs::current().unwrap(), "10.5.0.9");
    });
}

#[test]
fn events_tell_of_a_macvlan_what_it_is_and_that_it_is_gone_when_it_is_in_a_container() {
    in_fresh_namespace(|links, _| async move {
        virtual_machine();
        let mut events = links.link_events().unwrap();
        links.ensure_sub_link(&wanted()).await.unwrap();
        let container = NetNs::new_unshared().unwrap();
        into(&container, "mac0");
        let mut appeared = false;
        loop {
            let event = tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap();
            match event {
                LinkEvent::Changed(link) if link.name == "mac0" => {
                    assert_eq!((link.sub, link.up), (Some(BRIDGE), false));
                    appeared = true;
                }
                LinkEvent::Gone(link) if link.name == "mac0" => {
                    // That a link which is down gets an alias is no news.
                    assert_eq!(link.alias.as_deref(), Some("ours"));
                    break;
                }
                LinkEvent::Resync => panic!("nothing was lost"),
                _ => {}
            }
        }
        assert!(appeared);
    });
}
