//! Senders that are not who they say, and devices that are no port.

use std::process::Command;
use std::time::Duration;

use devcloud::datapath::NetworkDataPath;
use os::netns::run_in;

use super::traffic::{SILENCE, arrives, pings, reaches};
use super::world::{NET, default_group, in_world, ip, network, port, rule};

#[test]
fn forged_senders_are_dropped() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let everything = || vec![rule(false, false), rule(false, true), rule(true, false), rule(true, true)];
        let a = world.run(port(10, NET, everything())).await;
        let b = world.run(port(11, NET, everything())).await;
        assert!(reaches(&a, &b, false, 7000, true));
        for netns in [&a.netns, &b.netns] {
            ip(netns, "neigh replace 10.5.0.11 lladdr fa:16:3e:00:00:0b dev eth0");
            ip(netns, "neigh replace fd05::11 lladdr fa:16:3e:00:00:0b dev eth0");
        }
        // Another IPv4 address, then another IPv6 address.
        ip(&a.netns, "addr add 10.5.0.99/24 dev eth0");
        ip(&a.netns, "addr add fd05::99/64 dev eth0 nodad");
        let to = b.udp((b.four(), 7000).into());
        assert!(!arrives(&a.udp("10.5.0.99:0".parse().unwrap()), &to, false));
        let to6 = b.udp((b.six(), 7000).into());
        assert!(arrives(&a.udp((a.six(), 0).into()), &to6, true));
        assert!(!arrives(&a.udp("[fd05::99]:0".parse().unwrap()), &to6, false));
        // ARP and neighbour discovery do not speak for them either.
        let c = world.run(port(12, NET, everything())).await;
        let towards = |address: &str| c.udp(format!("{address}:0").parse().unwrap());
        towards("10.5.0.12").send_to(b"x", "10.5.0.99:7000").unwrap();
        towards("[fd05::12]").send_to(b"x", "[fd05::99]:7000").unwrap();
        tokio::time::sleep(SILENCE).await;
        let table = ip(&c.netns, "neigh show");
        assert!(!table.contains("fa:16:3e:00:00:0a"), "{table}");
        // A pair of the port makes the address its own.
        let mut paired = a.port.clone();
        paired.addresses.push("10.5.0.99".parse().unwrap());
        world.bridges.port_up(&paired).await.unwrap();
        assert!(arrives(&a.udp("10.5.0.99:0".parse().unwrap()), &to, true));
        // Another hardware address; the bridge must not even learn it.
        ip(&a.netns, "link set eth0 address fa:16:3e:00:00:77");
        ip(&a.netns, "neigh replace 10.5.0.11 lladdr fa:16:3e:00:00:0b dev eth0");
        assert!(!reaches(&a, &b, false, 7001, false));
        let learnt =
            run_in(&world.netns, || Command::new("bridge").args(["fdb", "show"]).output()).unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&learnt.stdout).contains("00:77"));
        // Without port security all of it passes.
        let mut trusted = paired.clone();
        trusted.port_security = false;
        world.bridges.port_up(&trusted).await.unwrap();
        assert!(reaches(&a, &b, false, 7001, true));
        world.bridges.port_up(&paired).await.unwrap();
        assert!(!reaches(&a, &b, false, 7001, false));
    });
}

#[test]
fn a_pair_opens_its_range_for_its_hardware_address_alone() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let everything = || vec![rule(false, false), rule(false, true), rule(true, false), rule(true, true)];
        let a = world.run(port(10, NET, everything())).await;
        let b = world.run(port(11, NET, everything())).await;
        let know = || {
            for address in ["10.5.0.11", "fd05::11"] {
                ip(&a.netns, &format!("neigh replace {address} lladdr fa:16:3e:00:00:0b dev eth0"));
            }
        };
        for address in ["10.5.0.99/24", "10.5.0.65/24"] {
            ip(&a.netns, &format!("addr add {address} dev eth0"));
        }
        ip(&a.netns, "addr add fd05::99/64 dev eth0 nodad");
        know();
        let (to, to6) = (b.udp((b.four(), 7000).into()), b.udp((b.six(), 7000).into()));
        let send =
            |from: &str, to, expected| arrives(&a.udp(from.parse().unwrap()), to, expected) == expected;
        assert!(send("10.5.0.99:0", &to, false));
        let range = |mac: &str, net: &str| (mac.to_owned(), net.parse().unwrap());
        let mut paired = a.port.clone();
        paired.pairs = vec![range(&a.port.mac, "10.5.0.96/29"), range(&a.port.mac, "fd05::98/125")];
        // Overlapping ones, as a user may write them.
        paired.pairs.push(range(&a.port.mac, "10.5.0.99/32"));
        paired.pairs.push(range("fa:16:3e:00:00:77", "10.5.0.64/29"));
        world.bridges.port_up(&paired).await.unwrap();
        assert!(send("10.5.0.99:0", &to, true));
        assert!(send("[fd05::99]:0", &to6, true));
        assert!(send("10.5.0.65:0", &to, false));
        // Others find the paired addresses, too.
        let c = world.run(port(12, NET, everything())).await;
        for towards in ["10.5.0.99:7000", "[fd05::99]:7000"] {
            let from = if towards.starts_with('[') { "[fd05::12]:0" } else { "10.5.0.12:0" };
            c.udp(from.parse().unwrap()).send_to(b"x", towards).unwrap();
        }
        tokio::time::sleep(SILENCE).await;
        let table = ip(&c.netns, "neigh show");
        assert_eq!(table.matches("fa:16:3e:00:00:0a").count(), 2, "{table}");
        ip(&a.netns, "link set eth0 address fa:16:3e:00:00:77");
        know();
        assert!(send("10.5.0.65:0", &to, true));
        assert!(send("10.5.0.99:0", &to, false));
        paired.pairs = vec![range("fa:16:3e:00:00:77", "0.0.0.0/0"), range("fa:16:3e:00:00:77", "::/0")];
        world.bridges.port_up(&paired).await.unwrap();
        assert!(send("10.5.0.99:0", &to, true));
        world.bridges.port_up(&a.port).await.unwrap();
        assert!(send("10.5.0.99:0", &to, false));
    });
}

#[test]
fn a_dhcp_server_in_a_container_is_not_heard() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let everything = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, everything())).await;
        let b = world.run(port(11, NET, everything())).await;
        let to = b.udp((b.four(), 68).into());
        assert!(arrives(&a.udp((a.four(), 4000).into()), &to, true));
        assert!(!arrives(&a.udp((a.four(), 67).into()), &to, false));
    });
}

#[test]
fn the_first_packet_of_a_port_is_filtered_and_so_is_a_device_without_a_port() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let a = world.run(port(10, NET, default_group(&[10]))).await;
        // Nobody tells the data path about this one; a hand puts it into the bridge and sends at once.
        let stranger = world.plug(port(13, NET, vec![])).await;
        let unknown = stranger.udp((stranger.four(), 0).into());
        let mut open = a.port.clone();
        open.rules.push(rule(true, false));
        world.bridges.port_up(&open).await.unwrap();
        ip(&stranger.netns, "neigh replace 10.5.0.10 lladdr fa:16:3e:00:00:0a dev eth0");
        ip(&a.netns, "neigh replace 10.5.0.13 lladdr fa:16:3e:00:00:0d dev eth0");
        let inside = a.udp((a.four(), 7000).into());
        world.links.set_master(&stranger.tap, Some("brqaaaaaaaa-00")).await.unwrap();
        assert!(!arrives(&unknown, &inside, false));
        assert!(!pings(&stranger.netns, [10, 5, 0, 1], false));
        assert!(!reaches(&a, &stranger, false, 7000, false));
        // Two of them do not talk to each other either, once they are seen.
        let second = world.plug(port(14, NET, vec![])).await;
        world.links.set_master(&second.tap, Some("brqaaaaaaaa-00")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!reaches(&stranger, &second, false, 7000, false));
        // Becoming a port ends it.
        let mut welcome = stranger.port.clone();
        welcome.rules = default_group(&[]);
        world.bridges.port_up(&welcome).await.unwrap();
        assert!(arrives(&unknown, &inside, true));
        world.bridges.port_down(&welcome.id).await.unwrap();
        assert!(!arrives(&unknown, &inside, false));
    });
}
