//! What security groups let through.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use devcloud::datapath::{NetworkDataPath, RuleView};
use os::netns::run_in;

use super::traffic::{PATIENCE, SILENCE, arrives, pings, reaches};
use super::world::{NET, default_group, in_world, network, port, rule};

#[test]
fn members_of_the_default_group_talk_and_strangers_to_it_do_not() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let a = world.run(port(10, NET, default_group(&[10, 11]))).await;
        let b = world.run(port(11, NET, default_group(&[10, 11]))).await;
        let c = world.run(port(12, NET, default_group(&[12]))).await;
        for six in [false, true] {
            assert!(reaches(&a, &b, six, 7000, true), "ipv6: {six}");
            assert!(reaches(&b, &a, six, 7000, true), "ipv6: {six}");
            assert!(!reaches(&c, &a, six, 7000, false), "ipv6: {six}");
            assert!(!reaches(&a, &c, six, 7000, false), "ipv6: {six}");
        }
        assert!(pings(&a.netns, [10, 5, 0, 11], true));
        assert!(!pings(&a.netns, [10, 5, 0, 12], false));
    });
}

#[test]
fn only_allowed_ports_are_reached_and_answers_come_back() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let exposed =
            RuleView { protocol: Some("udp".into()), ports: Some((1234, 1238)), ..rule(true, false) };
        let web = RuleView { protocol: Some("tcp".into()), ports: Some((80, 80)), ..rule(true, false) };
        let client = world.run(port(10, NET, default_group(&[10]))).await;
        // The server may not start anything, only answer.
        let server = world.run(port(11, NET, vec![exposed, web])).await;
        assert!(reaches(&client, &server, false, 1236, true));
        assert!(!reaches(&client, &server, false, 1300, false));

        let asking = client.udp((client.four(), 5000).into());
        let answering = server.udp((server.four(), 1234).into());
        assert!(!arrives(&answering, &asking, false), "nothing was asked yet");
        assert!(arrives(&asking, &answering, true));
        assert!(arrives(&answering, &asking, true), "an answer is let through on both sides");
        let elsewhere = client.udp((client.four(), 5001).into());
        assert!(!arrives(&answering, &elsewhere, false), "an answer to another port is none");

        let listener = run_in(&server.netns, || TcpListener::bind((server.four(), 80))).unwrap().unwrap();
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&vec![b'x'; 300_000]).unwrap();
        });
        let target = SocketAddr::from((server.four(), 80));
        let mut stream =
            run_in(&client.netns, || TcpStream::connect_timeout(&target, PATIENCE)).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET ").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), 300_000);
        answer.join().unwrap();

        let closed = SocketAddr::from((server.four(), 81));
        let error =
            run_in(&client.netns, || TcpStream::connect_timeout(&closed, SILENCE)).unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        let back = SocketAddr::from((client.four(), 80));
        let error =
            run_in(&server.netns, || TcpStream::connect_timeout(&back, SILENCE)).unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    });
}

#[test]
fn fragments_and_unreachable_ports_behave_as_on_a_wire() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let a = world.run(port(10, NET, default_group(&[10]))).await;
        let exposed =
            RuleView { protocol: Some("udp".into()), ports: Some((1234, 1238)), ..rule(true, false) };
        let b = world.run(port(11, NET, vec![exposed])).await;
        let (from, to) = (a.udp((a.four(), 0).into()), b.udp((b.four(), 1234).into()));
        to.set_read_timeout(Some(PATIENCE)).unwrap();
        from.send_to(&[7; 4000], to.local_addr().unwrap()).unwrap();
        assert_eq!(to.recv(&mut [0; 5000]).unwrap(), 4000);
        // Nobody listens on 1235: the error message comes back although b may send nothing.
        from.connect((b.four(), 1235)).unwrap();
        from.set_read_timeout(Some(PATIENCE)).unwrap();
        from.send(b"x").unwrap();
        let error = from.recv(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn changed_rules_act_on_running_ports_and_flows() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let a = world.run(port(10, NET, default_group(&[10]))).await;
        let mut b = world.run(port(11, NET, vec![])).await;
        let (from, to) = (a.udp((a.four(), 5000).into()), b.udp((b.four(), 1236).into()));
        assert!(!arrives(&from, &to, false));
        b.port.rules =
            vec![RuleView { protocol: Some("17".into()), ports: Some((1236, 1236)), ..rule(true, false) }];
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(arrives(&from, &to, true));
        b.port.rules.clear();
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(!arrives(&from, &to, false), "an established flow ends with its rule");
        b.port.rules = vec![rule(true, false)];
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(arrives(&from, &to, true));
        b.port.admin_state_up = false;
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(!arrives(&from, &to, false));
    });
}

#[test]
fn every_kind_of_rule_is_understood_by_the_kernel() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let mut rules = Vec::new();
        for (ingress, ipv6) in [(true, false), (true, true), (false, false), (false, true)] {
            let nets: &[&str] =
                if ipv6 { &["fd05::/64", "fd05::7/128", "::/0"] } else { &["10.0.0.0/8", "10.5.0.7/32"] };
            let peers = Some(nets.iter().map(|net| net.parse().unwrap()).collect());
            rules.push(RuleView { peers, ..rule(ingress, ipv6) });
            rules.push(RuleView { peers: Some(vec!["10.0.0.0/24".parse().unwrap()]), ..rule(ingress, ipv6) });
            for protocol in ["tcp", "udp", "sctp", "dccp", "udplite", "6"] {
                for ports in [None, Some((1, 1)), Some((1, 65535))] {
                    rules.push(RuleView { protocol: Some(protocol.into()), ports, ..rule(ingress, ipv6) });
                }
            }
            for protocol in ["icmp", "icmpv6", "ipv6-icmp", "1", "58"] {
                for ports in [None, Some((8, 0)), Some((128, u16::MAX))] {
                    rules.push(RuleView { protocol: Some(protocol.into()), ports, ..rule(ingress, ipv6) });
                }
            }
            for protocol in ["gre", "esp", "ah", "igmp", "vrrp", "254", "0", "any"] {
                rules.push(RuleView { protocol: Some(protocol.into()), ..rule(ingress, ipv6) });
            }
        }
        let mut wanted = port(10, NET, rules);
        world.bridges.port_up(&wanted).await.unwrap();
        // Ports of one family, and of none.
        wanted.addresses.truncate(1);
        world.bridges.port_up(&wanted).await.unwrap();
        wanted.addresses.clear();
        world.bridges.port_up(&wanted).await.unwrap();
    });
}

#[test]
fn ports_told_together_are_filtered_as_if_told_apart() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let ports = [10, 11].map(|number| port(number, NET, default_group(&[10, 11])));
        world.bridges.ports_up(&ports).await.unwrap();
        let [a, b] = ports;
        let (a, b) = (world.run(a).await, world.run(b).await);
        let c = world.run(port(12, NET, default_group(&[12]))).await;
        assert!(reaches(&a, &b, false, 7000, true));
        assert!(!reaches(&c, &b, false, 7001, false));
        // One that cannot be told leaves the others as they were.
        let mut open = b.port.clone();
        open.rules.push(rule(true, false));
        let mut bad = a.port.clone();
        bad.mac = "zz".into();
        world.bridges.ports_up(&[open.clone(), bad]).await.unwrap_err();
        assert!(!reaches(&c, &b, false, 7002, false));
        world.bridges.ports_up(&[open]).await.unwrap();
        assert!(reaches(&c, &b, false, 7003, true));
    });
}
