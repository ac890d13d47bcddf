//! Datagrams and echo requests that arrive, or do not.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use os::netns::{NetNs, run_in};

use super::world::Container;

/// How long a packet that should not arrive is waited for.
pub(crate) const SILENCE: Duration = Duration::from_millis(250);
/// How long one that should may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn udp(netns: &NetNs, at: SocketAddr) -> UdpSocket {
    run_in(netns, || UdpSocket::bind(at)).unwrap().unwrap()
}

/// Whether a datagram arrives.
pub(crate) fn arrives(from: &UdpSocket, to: &UdpSocket, expected: bool) -> bool {
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
pub(crate) fn reaches(from: &Container, to: &Container, six: bool, port: u16, expected: bool) -> bool {
    let (source, target) = if six { (from.six(), to.six()) } else { (from.four(), to.four()) };
    arrives(&from.udp((source, 0).into()), &to.udp((target, port).into()), expected)
}

/// Whether an echo request is answered.
pub(crate) fn pings(netns: &NetNs, target: [u8; 4], expected: bool) -> bool {
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
