//! A namespace as the container host, containers in others, and views of networks and ports.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use devcloud::bridges::Bridges;
use devcloud::datapath::{NetworkDataPath, NetworkView, PortView, RuleView};
use host_net::{Links, VethSpec};
use os::netns::{NetNs, run_in};

use super::traffic::udp;

pub(crate) const NET: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const OTHER_NET: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub(crate) struct World {
    pub(crate) netns: NetNs,
    pub(crate) links: Links,
    pub(crate) bridges: Arc<Bridges>,
}

pub(crate) struct Container {
    pub(crate) port: PortView,
    pub(crate) netns: NetNs,
    pub(crate) tap: String,
}

pub(crate) fn in_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F + Send) {
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

pub(crate) fn ip(netns: &NetNs, arguments: &str) -> String {
    let output = run_in(netns, || Command::new("ip").args(arguments.split(' ')).output()).unwrap().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn network(id: &str) -> NetworkView {
    let gateways = vec!["10.5.0.1/24".parse().unwrap(), "fd05::1/64".parse().unwrap()];
    NetworkView { id: id.into(), mtu: 1450, gateways }
}

pub(crate) fn rule(ingress: bool, ipv6: bool) -> RuleView {
    RuleView { ingress, ipv6, protocol: None, ports: None, peers: None }
}

/// What Neutron's default group means for these members.
pub(crate) fn default_group(members: &[u8]) -> Vec<RuleView> {
    let four = members.iter().map(|n| format!("10.5.0.{n}/32").parse().unwrap()).collect();
    let six = members.iter().map(|n| format!("fd05::{n}/128").parse().unwrap()).collect();
    vec![
        rule(false, false),
        rule(false, true),
        RuleView { peers: Some(four), ..rule(true, false) },
        RuleView { peers: Some(six), ..rule(true, true) },
    ]
}

pub(crate) fn port(number: u8, network: &str, rules: Vec<RuleView>) -> PortView {
    PortView {
        // The device name shows 11 characters, so ports differ in the first ones.
        id: format!("{number:02x}{}", &network[2..]),
        network_id: network.into(),
        mac: format!("fa:16:3e:00:00:{number:02x}"),
        addresses: vec![
            format!("10.5.0.{number}").parse().unwrap(),
            format!("fd05::{number}").parse().unwrap(),
        ],
        pairs: vec![],
        vif_type: "tap".into(),
        admin_state_up: true,
        port_security: true,
        rules,
    }
}

impl World {
    /// Plugs a port that the data path knows (or not) and gives its other end to a namespace.
    pub(crate) async fn plug(&self, port: PortView) -> Container {
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

    pub(crate) async fn run(&self, port: PortView) -> Container {
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
    pub(crate) fn four(&self) -> IpAddr {
        self.port.addresses[0]
    }
    pub(crate) fn six(&self) -> IpAddr {
        self.port.addresses[1]
    }
    pub(crate) fn udp(&self, at: SocketAddr) -> UdpSocket {
        udp(&self.netns, at)
    }
}
