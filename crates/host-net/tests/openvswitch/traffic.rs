//! Frames between two containers through the userspace datapath.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use host_net::Links;
use os::netns::{NetNs, run_in};

use crate::ports::{pair, port};
use crate::switch::{Switch, ip, with_switch};

/// A namespace with the far end of a port in it.
async fn container(switch: &Switch, links: &Links, number: u8, checksum_offload: bool) -> NetNs {
    let (host, peer) = (format!("tap{number}"), format!("t_c{number}"));
    pair(links, &host, &peer).await;
    switch.client().ensure_port(&port("br-int", &host)).await.unwrap();
    links.set_tx_checksum_offload(&peer, checksum_offload).await.unwrap();
    let netns = NetNs::new_unshared().unwrap();
    let fd = netns.fd().as_raw_fd();
    ip(&format!("link set {peer} netns /proc/{}/fd/{fd}", std::process::id()));
    run_in(&netns, || {
        ip(&format!("addr add 10.5.0.{number}/24 dev {peer}"));
        ip(&format!("link set {peer} up"));
    })
    .unwrap();
    netns
}

fn ping(from: &NetNs, address: &str) -> bool {
    let arguments = ["ping", "-c", "1", "-w", "5", address];
    let output = run_in(from, || Command::new("busybox").args(arguments).output()).unwrap();
    output.expect("these tests need busybox").status.success()
}

fn udp(from: &NetNs, to: &NetNs, address: &str, wait: Duration) -> bool {
    let receiver = run_in(to, || UdpSocket::bind((address, 4000))).unwrap().unwrap();
    let sender = run_in(from, || UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    receiver.set_read_timeout(Some(wait)).unwrap();
    sender.send_to(b"a datagram", (address, 4000)).unwrap();
    let mut buffer = [0; 64];
    receiver.recv(&mut buffer).is_ok_and(|length| buffer[..length] == *b"a datagram")
}

/// Sends more than one segment, so that segmentation counts.
fn tcp(from: &NetNs, to: &NetNs, address: &str, wait: Duration) -> bool {
    let listener = run_in(to, || TcpListener::bind((address, 4000))).unwrap().unwrap();
    let target = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut all = Vec::new();
        listener.accept().and_then(|(mut stream, _)| stream.read_to_end(&mut all)).map(|_| all)
    });
    let sent: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let Ok(mut stream) = run_in(from, || TcpStream::connect_timeout(&target, wait)).unwrap() else {
        return false;
    };
    stream.set_write_timeout(Some(wait)).unwrap();
    stream.write_all(&sent).unwrap();
    drop(stream);
    server.join().unwrap().unwrap() == sent
}

#[test]
fn with_checksum_offload_off_ping_udp_and_tcp_pass() {
    with_switch(|switch, links| async move {
        let one = container(&switch, &links, 1, false).await;
        let two = container(&switch, &links, 2, false).await;
        assert!(ping(&one, "10.5.0.2"));
        assert!(udp(&one, &two, "10.5.0.2", Duration::from_secs(5)));
        assert!(tcp(&one, &two, "10.5.0.2", Duration::from_secs(5)));
        assert!(tcp(&two, &one, "10.5.0.1", Duration::from_secs(5)));
    });
}

#[test]
fn with_checksum_offload_on_only_ping_passes() {
    with_switch(|switch, links| async move {
        let one = container(&switch, &links, 1, true).await;
        let two = container(&switch, &links, 2, true).await;
        // Why the test above proves something.
        assert!(ping(&one, "10.5.0.2"));
        assert!(!udp(&one, &two, "10.5.0.2", Duration::from_secs(1)));
        assert!(!tcp(&one, &two, "10.5.0.2", Duration::from_secs(1)));
    });
}
