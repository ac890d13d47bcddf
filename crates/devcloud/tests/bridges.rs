//! Packets between containers, through real bridges and a real packet filter, in namespaces of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use devcloud::bridges::Bridges;
use devcloud::datapath::{NetworkDataPath, NetworkView, PortView, RuleView};
use host_net::{Links, VethSpec};
use os::netns::{NetNs, run_in};

const NET: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OTHER_NET: &str = "bbbbbbbb-0000-4000-8000-000000000001";
/// How long a packet that should not arrive is waited for.
const SILENCE: Duration = Duration::from_millis(250);
/// How long one that should may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

struct World {
    netns: NetNs,
    links: Links,
    bridges: Arc<Bridges>,
}

struct Container {
    port: PortView,
    netns: NetNs,
    tap: String,
}

fn in_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns.clone(), move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Runtime threads start here, hence live in this namespace; nothing relies on it but `block_on`.
        runtime.block_on(async {
            let links = Links::open().unwrap();
            let bridges = Bridges::open(links.clone(), "test").await.unwrap();
            test(World { netns, links, bridges }).await;
        });
    })
    .unwrap();
}

fn ip(netns: &NetNs, arguments: &str) -> String {
    let output = run_in(netns, || Command::new("ip").args(arguments.split(' ')).output()).unwrap().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn nft_tables(netns: &NetNs) -> String {
    let output = run_in(netns, || Command::new("nft").args(["list", "tables"]).output()).unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn network(id: &str) -> NetworkView {
    let gateways = vec!["10.5.0.1/24".parse().unwrap(), "fd05::1/64".parse().unwrap()];
    NetworkView { id: id.into(), mtu: 1450, gateways }
}

fn rule(ingress: bool, ipv6: bool) -> RuleView {
    RuleView { ingress, ipv6, protocol: None, ports: None, peers: None }
}

/// What Neutron's default group means for these members.
fn default_group(members: &[u8]) -> Vec<RuleView> {
    let four = members.iter().map(|n| format!("10.5.0.{n}/32").parse().unwrap()).collect();
    let six = members.iter().map(|n| format!("fd05::{n}/128").parse().unwrap()).collect();
    vec![
        rule(false, false),
        rule(false, true),
        RuleView { peers: Some(four), ..rule(true, false) },
        RuleView { peers: Some(six), ..rule(true, true) },
    ]
}

fn port(number: u8, network: &str, rules: Vec<RuleView>) -> PortView {
    PortView {
        // The device name shows 11 characters, so ports differ in the first ones.
        id: format!("{number:02x}{}", &network[2..]),
        network_id: network.into(),
        mac: format!("fa:16:3e:00:00:{number:02x}"),
        addresses: vec![
            format!("10.5.0.{number}").parse().unwrap(),
            format!("fd05::{number}").parse().unwrap(),
        ],
        vif_type: "tap".into(),
        admin_state_up: true,
        port_security: true,
        rules,
    }
}

impl World {
    /// Plugs a port that the data path knows (or not) and gives its other end to a namespace.
    async fn plug(&self, port: PortView) -> Container {
        let netns = NetNs::new_unshared().unwrap();
        let tap = format!("tap{}", &port.id[..11]);
        let peer = format!("c-{}", &port.id[..11]);
        let bytes: Vec<u8> = port.mac.split(':').map(|part| u8::from_str_radix(part, 16).unwrap()).collect();
        self.links
            .ensure_veth(&VethSpec {
                host: tap.clone(),
                peer: peer.clone(),
                mac: bytes.try_into().ok(),
                mtu: Some(1450),
            })
            .await
            .unwrap();
        let fd = os::netns::NetNs::fd(&netns).as_raw_fd();
        ip(&self.netns, &format!("link set {peer} netns /proc/{}/fd/{fd} name eth0", std::process::id()));
        ip(&netns, "link set lo up");
        ip(&netns, "link set eth0 up");
        for address in &port.addresses {
            let bits = if address.is_ipv4() { "24" } else { "64 nodad" };
            ip(
                &netns,
                &format!("addr add {address}/{bits} dev eth0")
                    .replace("64 nodad dev eth0", "64 dev eth0 nodad"),
            );
        }
        Container { port, netns, tap }
    }

    async fn run(&self, port: PortView) -> Container {
        self.bridges.port_up(&port).await.unwrap();
        let container = self.plug(port).await;
        self.until_enslaved(&container.tap).await;
        container
    }

    async fn until_enslaved(&self, tap: &str) {
        for _ in 0..500 {
            if self.links.link(tap).await.unwrap().unwrap().master.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{tap} was not put into its bridge");
    }
}

impl Container {
    fn four(&self) -> IpAddr {
        self.port.addresses[0]
    }
    fn six(&self) -> IpAddr {
        self.port.addresses[1]
    }
    fn udp(&self, at: SocketAddr) -> UdpSocket {
        udp(&self.netns, at)
    }
}

fn udp(netns: &NetNs, at: SocketAddr) -> UdpSocket {
    run_in(netns, || UdpSocket::bind(at)).unwrap().unwrap()
}

/// Whether a datagram arrives.
fn arrives(from: &UdpSocket, to: &UdpSocket, expected: bool) -> bool {
    let mut buffer = [0; 4096];
    to.set_nonblocking(true).unwrap();
    while to.recv_from(&mut buffer).is_ok() {}
    to.set_nonblocking(false).unwrap();
    to.set_read_timeout(Some(if expected { PATIENCE } else { SILENCE })).unwrap();
    // An earlier ICMP error is reported here, the datagram is then not sent.
    for _ in 0..2 {
        if from.send_to(b"hello", to.local_addr().unwrap()).is_ok() {
            break;
        }
    }
    to.recv_from(&mut buffer).is_ok()
}

/// Whether a datagram from one to the other's port arrives.
fn reaches(from: &Container, to: &Container, six: bool, port: u16, expected: bool) -> bool {
    let (source, target) = if six { (from.six(), to.six()) } else { (from.four(), to.four()) };
    arrives(&from.udp((source, 0).into()), &to.udp((target, port).into()), expected)
}

/// Whether an echo request is answered.
fn pings(netns: &NetNs, target: [u8; 4], expected: bool) -> bool {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrV4, SocketType, ipproto, sockopt};
    let socket = run_in(netns, || {
        rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).unwrap()
    })
    .unwrap();
    let wait = if expected { PATIENCE } else { SILENCE };
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(wait)).unwrap();
    let to = SocketAddrV4::new(target.into(), 0);
    // Type 8, its checksum, id 0x1234, sequence 1.
    let checksum = !(0x0800_u16 + 0x1234 + 1);
    let [a, b] = checksum.to_be_bytes();
    rustix::net::sendto(&socket, &[8, 0, a, b, 0x12, 0x34, 0, 1], SendFlags::empty(), &to).unwrap();
    let mut buffer = [0_u8; 256];
    while let Ok((_, length)) = rustix::net::recv(&socket, &mut buffer, RecvFlags::empty()) {
        if length >= 28 && buffer[20] == 0 && buffer[12..16] == target {
            return true;
        }
    }
    false
}

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
fn the_gateway_answers_and_the_host_is_filtered() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        ip(&world.netns, "link set lo up");
        ip(&world.netns, "addr add 10.66.0.1/32 dev lo");
        let a = world.run(port(10, NET, default_group(&[10]))).await;
        ip(&a.netns, "route add default via 10.5.0.1");
        assert!(pings(&a.netns, [10, 5, 0, 1], true));
        assert!(!pings(&a.netns, [10, 66, 0, 1], false), "the host's other addresses are not the network's");
        let inside = a.udp((a.four(), 7000).into());
        let host = udp(&world.netns, "10.5.0.1:9000".parse().unwrap());
        assert!(!arrives(&host, &inside, false), "the host is no member of the group");
        assert!(arrives(&inside, &host, true));
        assert!(arrives(&host, &inside, true), "the answer comes back");
        let mut open = a.port.clone();
        open.rules.push(RuleView { peers: Some(vec!["10.5.0.1/32".parse().unwrap()]), ..rule(true, false) });
        world.bridges.port_up(&open).await.unwrap();
        assert!(pings(&world.netns, [10, 5, 0, 10], true));
    });
}

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

#[test]
fn two_networks_with_the_same_addresses_do_not_meet() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.network_up(&network(OTHER_NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        let mut twin = port(0x20, OTHER_NET, all());
        twin.addresses = a.port.addresses.clone();
        let other_a = world.run(twin).await;
        let mut twin = port(0x21, OTHER_NET, vec![rule(false, false)]);
        twin.addresses = b.port.addresses.clone();
        let other_b = world.run(twin).await;
        let (from, to) = (a.udp((a.four(), 5000).into()), b.udp((b.four(), 6000).into()));
        assert!(arrives(&from, &to, true));
        assert!(arrives(&to, &from, true));
        let other_to = other_b.udp((other_b.four(), 6000).into());
        let other_from = other_a.udp((other_a.four(), 5000).into());
        assert!(!arrives(&from, &other_to, false), "another wire");
        assert!(!arrives(&other_from, &other_to, false), "its own rules, not the flow of its twin");
    });
}

#[test]
fn of_two_networks_with_the_same_range_the_gateway_of_the_older_answers_and_then_the_others() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.network_up(&network(OTHER_NET)).await.unwrap();
        let first = world.run(port(10, NET, vec![rule(false, false)])).await;
        let second = world.run(port(0x20, OTHER_NET, vec![rule(false, false)])).await;
        assert!(pings(&first.netns, [10, 5, 0, 1], true));
        world.bridges.port_down(&first.port.id).await.unwrap();
        world.bridges.network_down(NET).await.unwrap();
        assert!(pings(&second.netns, [10, 5, 0, 1], true));
    });
}

#[test]
fn link_events_follow_the_carrier() {
    in_world(|world| async move {
        let mut events = world.bridges.link_events();
        world.bridges.network_up(&network(NET)).await.unwrap();
        let mut wanted = port(10, NET, vec![]);
        wanted.vif_type = "bridge".into();
        world.bridges.port_up(&wanted).await.unwrap();
        let container = world.plug(wanted).await;
        let mut next = async || tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        let prefix = container.port.id[..11].to_owned();
        assert_eq!(next().await, (prefix.clone(), true));
        assert_eq!(
            world.links.link(&container.tap).await.unwrap().unwrap().master,
            None,
            "its driver's task"
        );
        ip(&container.netns, "link set eth0 down");
        assert_eq!(next().await, (prefix.clone(), false));
        ip(&container.netns, "link set eth0 up");
        assert_eq!(next().await, (prefix.clone(), true));
        world.links.delete_veth(&container.tap).await.unwrap();
        assert_eq!(next().await, (prefix, false));
    });
}

#[test]
fn the_devices_that_are_up_are_those_of_ports_with_carrier() {
    in_world(|world| async move {
        let a = world.plug(port(10, NET, vec![])).await;
        let b = world.plug(port(11, NET, vec![])).await;
        ip(&world.netns, "link add tap0 type veth peer name other");
        for name in ["tap0", "other"] {
            ip(&world.netns, &format!("link set {name} up"));
        }
        ip(&b.netns, "link set eth0 down");
        let up: Vec<_> = world.bridges.links_up().await.unwrap().into_iter().collect();
        assert_eq!(up, [a.port.id[..11].to_owned()]);
    });
}

#[test]
fn repeats_are_fine_and_closing_leaves_nothing() {
    in_world(|world| async move {
        let view = network(NET);
        ip(&world.netns, "link add brqcccccccc-00 type bridge");
        for _ in 0..2 {
            world.bridges.network_up(&view).await.unwrap();
            world.bridges.port_up(&port(10, NET, default_group(&[10]))).await.unwrap();
        }
        assert!(ip(&world.netns, "addr show brqaaaaaaaa-00").contains("10.5.0.1/24"));
        let moved = NetworkView { gateways: vec!["10.5.0.254/24".parse().unwrap()], mtu: 1400, ..view };
        world.bridges.network_up(&moved).await.unwrap();
        let seen = ip(&world.netns, "addr show brqaaaaaaaa-00");
        assert!(
            seen.contains("10.5.0.254/24") && seen.contains("mtu 1400") && !seen.contains("10.5.0.1/"),
            "{seen}"
        );
        for _ in 0..2 {
            world.bridges.port_down(&port(10, NET, vec![]).id).await.unwrap();
            world.bridges.network_down(NET).await.unwrap();
        }
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        // Not ours, although it is named like one of ours.
        world.bridges.network_down("cccccccc-0000-4000-8000-000000000001").await.unwrap();
        assert!(world.links.link("brqcccccccc-00").await.unwrap().is_some());

        // A killed instance: dropped without closing.
        world.bridges.network_up(&moved).await.unwrap();
        world.bridges.port_up(&port(10, NET, vec![])).await.unwrap();
        drop(world.bridges);
        let again = Bridges::open(world.links.clone(), "test").await.unwrap();
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        again.network_up(&moved).await.unwrap();
        again.port_up(&port(10, NET, vec![])).await.unwrap();
        again.close().await.unwrap();
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        assert_eq!(nft_tables(&world.netns), "");
        assert!(world.links.link("brqcccccccc-00").await.unwrap().is_some());
    });
}

#[test]
fn bad_input_is_refused_in_words() {
    in_world(|world| async move {
        assert!(Bridges::open(world.links.clone(), "a b").await.is_err());
        let bad = PortView { id: "tap\" }".into(), ..port(10, NET, vec![]) };
        assert!(world.bridges.port_up(&bad).await.unwrap_err().to_string().contains("not a UUID"));
        let bad = PortView { mac: "zz".into(), ..port(10, NET, vec![]) };
        assert!(world.bridges.port_up(&bad).await.unwrap_err().to_string().contains("hardware address"));
        world.bridges.network_up(&network(NET)).await.unwrap();
        let twin = NetworkView { id: format!("{}9", &NET[..35]), ..network(NET) };
        assert!(world.bridges.network_up(&twin).await.unwrap_err().to_string().contains("share device"));
    });
}

#[test]
fn ports_of_a_killed_instance_are_shut_out_until_their_rules_are_known_again() {
    in_world(|mut world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        assert!(reaches(&a, &b, false, 7000, true));
        world.bridges = Bridges::open(world.links.clone(), "test").await.unwrap();
        assert!(!reaches(&a, &b, false, 7001, false));
        world.bridges.network_up(&network(NET)).await.unwrap();
        assert!(!reaches(&a, &b, false, 7002, false));
        world.bridges.port_up(&a.port).await.unwrap();
        assert!(!reaches(&a, &b, false, 7003, false));
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(reaches(&a, &b, false, 7004, true));
    });
}

#[test]
fn networks_of_a_killed_instance_that_nobody_tells_go_even_with_devices_in_them() {
    in_world(|mut world| async move {
        for id in [NET, OTHER_NET] {
            world.bridges.network_up(&network(id)).await.unwrap();
        }
        let (kept, lost) = (port(10, NET, vec![]), port(0x20, OTHER_NET, vec![]));
        let (kept, lost) = (world.run(kept).await, world.run(lost).await);
        world.bridges = Bridges::open(world.links.clone(), "test").await.unwrap();
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.port_up(&kept.port).await.unwrap();
        world.bridges.all_told().await.unwrap();
        assert!(world.links.link("brqbbbbbbbb-00").await.unwrap().is_none());
        assert_eq!(world.links.link(&lost.tap).await.unwrap().unwrap().master, None, "its driver's");
        let bridge = world.links.link("brqaaaaaaaa-00").await.unwrap().unwrap();
        assert_eq!(world.links.link(&kept.tap).await.unwrap().unwrap().master, Some(bridge.index));
    });
}

#[test]
fn rules_of_the_host_can_be_bypassed_where_the_namespace_is_ours() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        // What Docker does to forwarded packets.
        for script in
            ["add table ip host", "add chain ip host c { type filter hook forward priority 0; policy drop; }"]
        {
            let status = run_in(&world.netns, || Command::new("nft").arg(script).status()).unwrap().unwrap();
            assert!(status.success());
        }
        world.bridges.bypass_host_rules().unwrap();
        assert!(reaches(&a, &b, false, 7000, true));
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
