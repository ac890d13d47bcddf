//! A namespace for each test.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use host_net::{Links, SubLinkKind, SubLinkSpec, VethSpec};
use os::netns::{NetNs, run_in};

/// Runs a test in a fresh namespace. Panics without the right to make one: a skipped test proves nothing.
pub(crate) fn in_fresh_namespace<F: Future<Output = ()>>(test: impl FnOnce(Links, NetNs) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns.clone(), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Links::open().unwrap(), netns).await });
    })
    .unwrap();
}

/// What `ip` prints in the namespace of the calling thread.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("these tests need iproute2");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A wanted pair.
pub(crate) fn pair(host: &str, peer: &str) -> VethSpec {
    VethSpec { host: host.into(), peer: peer.into(), mac: Some([2, 0, 0, 0, 0, 7]), mtu: Some(1442) }
}

/// Address of `eth0` of [`virtual_machine`].
pub(crate) const OWN: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 1];

/// A virtual machine's `eth0`, up, and `eth1`, up with an MTU of 1500 bytes each.
pub(crate) fn virtual_machine() {
    ip("link add eth0 address fa:16:3e:00:00:01 type veth peer name far0");
    ip("link add eth1 type veth peer name far1");
    for link in ["eth0", "far0", "eth1", "far1"] {
        // In one request the kernel would raise it first.
        ip(&format!("link set {link} addrgenmode none"));
        ip(&format!("link set {link} up"));
    }
}

/// A wanted link on `eth0`, without MAC, MTU and alias.
pub(crate) fn on_eth0(name: &str, kind: SubLinkKind) -> SubLinkSpec {
    SubLinkSpec { name: name.into(), parent: "eth0".into(), kind, mac: None, mtu: None, alias: None }
}

/// Moves a link of the calling thread's namespace into another.
pub(crate) fn into(netns: &NetNs, link: &str) {
    ip(&format!("link set {link} netns /proc/{}/fd/{}", std::process::id(), netns.fd().as_raw_fd()));
}

/// Sends datagrams from one namespace to an address of another until one arrives.
pub(crate) fn reaches(from: &NetNs, to: &NetNs, address: &str) {
    let open = |address: &str| UdpSocket::bind((address, 0)).unwrap();
    let receiver = run_in(to, || open(address)).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let sender = run_in(from, || open("0.0.0.0")).unwrap();
    let target = receiver.local_addr().unwrap();
    let arrives = |_| {
        // It is unreachable until the neighbour answers.
        let _ = sender.send_to(b"hello", target);
        receiver.recv(&mut [0; 5]).is_ok_and(|length| length == 5)
    };
    assert!((0..50).any(arrives), "nothing arrives at {target}");
}
