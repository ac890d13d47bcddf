//! Links, addresses, routes and events.

use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use host_net::{Error, LinkEvent, Links};
use os::netns::{NetNs, run_in};

use crate::namespace::{in_fresh_namespace, ip, pair};

#[test]
fn a_veth_pair_has_mac_and_mtu_and_no_address_on_either_end() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        let seen = ip("-j -d link show t_c0");
        assert!(seen.contains("\"address\":\"02:00:00:00:00:07\""), "{seen}");
        assert!(seen.contains("\"mtu\":1442"), "{seen}");
        assert!(seen.contains("\"inet6_addr_gen_mode\":\"none\""), "{seen}");
        let seen = ip("-j -d link show tap0");
        assert!(seen.contains("\"mtu\":1442"), "{seen}");
        assert!(seen.contains("\"inet6_addr_gen_mode\":\"none\""), "{seen}");
        assert!(seen.contains("\"UP\""), "{seen}");
        // Even with both ends up the kernel invents no link-local address.
        links.set_up("t_c0", true).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        for end in ["tap0", "t_c0"] {
            assert_eq!(links.addresses(end).await.unwrap(), []);
            assert!(!ip(&format!("addr show {end}")).contains("inet"));
        }
        let host = links.link("tap0").await.unwrap().unwrap();
        assert!(host.up && host.carrier);
        assert_eq!(host.kind.as_deref(), Some("veth"));
    });
}

#[test]
fn a_half_made_pair_is_finished_by_the_repeat() {
    in_fresh_namespace(|links, _| async move {
        // As after a kill right behind the creation.
        ip("link add tap0 type veth peer name t_c0");
        let index = links.link("tap0").await.unwrap().unwrap().index;
        for _ in 0..2 {
            links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        }
        let host = links.link("tap0").await.unwrap().unwrap();
        let peer = links.link("t_c0").await.unwrap().unwrap();
        assert_eq!((host.index, host.mtu, host.up), (index, 1442, true));
        assert_eq!((peer.mac, peer.mtu), (Some([2, 0, 0, 0, 0, 7]), 1442));
        assert!(ip("-d link show tap0").contains("addrgenmode none"));
    });
}

#[test]
fn a_link_of_another_kind_or_pair_is_named_and_left_alone() {
    in_fresh_namespace(|links, _| async move {
        ip("link add tap0 type bridge");
        let error = links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap_err();
        assert!(matches!(&error, Error::Foreign { link, .. } if link == "tap0"), "{error}");
        assert!(error.to_string().contains("a bridge"), "{error}");
        assert!(matches!(links.delete_veth("tap0").await, Err(Error::Foreign { .. })));
        assert!(links.link("t_c0").await.unwrap().is_none());

        ip("link add tap1 type veth peer name other");
        let error = links.ensure_veth(&pair("tap1", "t_c1")).await.unwrap_err();
        assert!(error.to_string().contains("peer other"), "{error}");

        // The wanted peer's name is taken.
        let error = links.ensure_veth(&pair("tap2", "other")).await.unwrap_err();
        assert!(matches!(&error, Error::Foreign { link, .. } if link == "other"), "{error}");

        let error = links.ensure_bridge("tap1", None).await.unwrap_err();
        assert!(matches!(&error, Error::Foreign { link, .. } if link == "tap1"), "{error}");
        assert!(matches!(links.delete_bridge("tap1").await, Err(Error::Foreign { .. })));
        for left in ["tap0", "tap1", "other"] {
            assert!(links.link(left).await.unwrap().is_some(), "{left}");
        }
    });
}

#[test]
fn a_pair_whose_peer_is_in_a_container_is_in_use() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        let mut sleeper =
            Command::new("unshare").args(["-n", "sleep", "60"]).spawn().expect("these tests need unshare");
        // Until the child has left this namespace.
        let own = NetNs::current().unwrap();
        while NetNs::of_pid(sleeper.id()).unwrap().is_same(&own).unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ip(&format!("link set t_c0 netns {}", sleeper.id()));
        let error = links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap_err();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(error.to_string().contains("another network namespace"), "{error}");
    });
}

#[test]
fn deleting_what_is_gone_is_success() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        for _ in 0..2 {
            links.delete_veth("t_c0").await.unwrap();
            links.delete_link("tap0").await.unwrap();
            links.delete_bridge("br0").await.unwrap();
            links.remove_address("tap0", "10.0.0.1/24".parse().unwrap()).await.unwrap();
        }
        assert!(links.link("tap0").await.unwrap().is_none());
        assert!(links.set_up("tap0", true).await.unwrap_err().is_absent());
    });
}

#[test]
fn a_bridge_forwards_at_once_and_takes_ports() {
    in_fresh_namespace(|links, _| async move {
        for _ in 0..2 {
            links.ensure_bridge("brq0", Some(1450)).await.unwrap();
        }
        let seen = ip("-j -d link show brq0");
        for part in
            ["\"forward_delay\":0", "\"stp_state\":0", "\"mtu\":1450", "\"inet6_addr_gen_mode\":\"none\""]
        {
            assert!(seen.contains(part), "{part} in {seen}");
        }
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        for _ in 0..2 {
            links.set_master("tap0", Some("brq0")).await.unwrap();
        }
        let bridge = links.link("brq0").await.unwrap().unwrap();
        assert_eq!(links.link("tap0").await.unwrap().unwrap().master, Some(bridge.index));
        assert!(ip("link show tap0").contains("master brq0"));
        for _ in 0..2 {
            links.set_master("tap0", None).await.unwrap();
        }
        assert_eq!(links.link("tap0").await.unwrap().unwrap().master, None);
        links.set_mac("brq0", [2, 0, 0, 0, 0, 9]).await.unwrap();
        assert!(ip("link show brq0").contains("02:00:00:00:00:09"));
        links.set_alias("brq0", "made by a test").await.unwrap();
        assert!(ip("link show brq0").contains("alias made by a test"));
        let marked = links.link("brq0").await.unwrap().unwrap();
        assert_eq!(marked.alias.as_deref(), Some("made by a test"));
        let refused = links.set_master("tap0", Some("t_c0")).await.unwrap_err();
        assert!(matches!(refused, Error::Foreign { .. }), "{refused}");
        let names: Vec<_> = links.links().await.unwrap().into_iter().map(|link| link.name).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    });
}

#[test]
fn addresses_come_and_go_and_show_as_on_link_routes() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_bridge("brq0", None).await.unwrap();
        links.set_up("lo", true).await.unwrap();
        let four = "10.11.0.1/24".parse().unwrap();
        let six = "fd00:11::1/64".parse().unwrap();
        for _ in 0..2 {
            links.add_address("brq0", four).await.unwrap();
            links.add_address("brq0", six).await.unwrap();
        }
        ip("route add 10.99.0.0/16 via 10.11.0.9");
        ip("route add default via 10.11.0.9");
        ip("route add 10.77.0.0/16 dev brq0 table 7");
        assert_eq!(links.addresses("brq0").await.unwrap(), [four, six]);
        assert!(ip("addr show brq0").contains("10.11.0.1/24"));
        let mut routes: Vec<_> = links
            .onlink_routes()
            .await
            .unwrap()
            .iter()
            .map(|r| format!("{} {}", r.prefix, r.device))
            .collect();
        routes.sort();
        assert_eq!(routes, ["10.11.0.0/24 brq0", "fd00:11::/64 brq0"]);
        for _ in 0..2 {
            links.remove_address("brq0", four).await.unwrap();
            links.remove_address("brq0", six).await.unwrap();
        }
        assert_eq!(links.addresses("brq0").await.unwrap(), []);
    });
}

#[test]
fn a_refusal_carries_the_kernels_words() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_bridge("brq0", None).await.unwrap();
        links.ensure_bridge("brq1", None).await.unwrap();
        let error = links.set_master("brq1", Some("brq0")).await.unwrap_err();
        assert_eq!(error.errno(), Some(40), "{error}");
        assert!(error.to_string().contains("Can not enslave a bridge to a bridge"), "{error}");
        let error = links.ensure_bridge("brq0", Some(7)).await.unwrap_err();
        assert!(error.to_string().contains("mtu"), "{error}");
        assert!(matches!(links.link("a name of twenty chars").await, Err(Error::Name { .. })));
    });
}

#[test]
fn events_tell_of_appearing_and_going_links_but_not_of_ports_leaving_a_bridge() {
    in_fresh_namespace(|links, _| async move {
        let mut events = links.link_events().unwrap();
        links.ensure_bridge("brq0", None).await.unwrap();
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        links.set_up("t_c0", true).await.unwrap();
        links.set_master("tap0", Some("brq0")).await.unwrap();
        links.set_master("tap0", None).await.unwrap();
        links.set_up("brq0", false).await.unwrap();
        let mut carrier = false;
        loop {
            match tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap() {
                LinkEvent::Changed(link) if link.name == "brq0" && !link.up && carrier => break,
                LinkEvent::Changed(link) => carrier |= link.name == "tap0" && link.carrier,
                LinkEvent::Gone(link) => panic!("{link:?} is not gone"),
                LinkEvent::Resync => panic!("nothing was lost"),
            }
        }
        links.delete_link("tap0").await.unwrap();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap().unwrap();
            if matches!(&event, LinkEvent::Gone(link) if link.name == "tap0") {
                break;
            }
        }
    });
}

#[test]
fn lost_events_ask_for_a_resync() {
    in_fresh_namespace(|links, _| async move {
        let mut events = links.link_events().unwrap();
        links.ensure_bridge("brq0", None).await.unwrap();
        // The reader's task cannot run meanwhile, and the buffer holds about a thousand events.
        let batch: String = (0..4000).map(|n| format!("link set brq0 alias {n}\n")).collect();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), batch).unwrap();
        ip(&format!("-batch {}", path.path().display()));
        loop {
            match tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap().unwrap() {
                LinkEvent::Resync => break,
                _ => continue,
            }
        }
    });
}

#[test]
fn links_of_another_namespace_are_reached_through_its_descriptor() {
    in_fresh_namespace(|own, netns| async move {
        let other = NetNs::new_unshared().unwrap();
        let links = Links::open_in(other.as_fd()).unwrap();
        drop(other.clone());
        links.ensure_bridge("brq0", None).await.unwrap();
        assert!(own.link("brq0").await.unwrap().is_none());
        assert!(run_in(&other, || ip("link show brq0")).unwrap().contains("brq0"));
        assert!(NetNs::current().unwrap().is_same(&netns).unwrap());
        assert!(links.netns().is_same(&other).unwrap());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(Links::open_in(file.as_fd()), Err(Error::Namespace(_))));
    });
}
