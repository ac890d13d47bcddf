//! Packets sent and received inside containers.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::in_netns;

/// Rules and ports need a moment to become effective on a real cloud.
const PATIENCE: Duration = Duration::from_secs(20);

/// The network namespace of a container (or of the private host itself).
#[derive(Debug, Clone)]
pub struct Inside {
    pub(crate) netns: PathBuf,
}

impl Inside {
    /// Runs code in it.
    ///
    /// # Errors
    /// What the code returns.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_netns(&self.netns, f)
    }
}

/// Whether a UDP port at one place can be reached from another one, within 20 s.
///
/// # Errors
/// When a socket cannot be made.
pub fn udp_opens(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    becomes(true, || udp(from, to, address, port))
}

/// Whether a UDP port at one place cannot be reached from another one (any more), within 20 s. Both ends must be known
/// to be connected, or this proves nothing.
///
/// # Errors
/// When a socket cannot be made.
pub fn udp_closes(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    becomes(false, || udp(from, to, address, port))
}

/// As [`udp_opens`] for TCP.
///
/// # Errors
/// When a socket cannot be made.
pub fn tcp_opens(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    becomes(true, || tcp(from, to, address, port))
}

/// As [`udp_closes`] for TCP.
///
/// # Errors
/// When a socket cannot be made.
pub fn tcp_closes(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    becomes(false, || tcp(from, to, address, port))
}

fn becomes(wanted: bool, look: impl Fn() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        if look()? == wanted {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sends a few datagrams, so that address resolution cannot be mistaken for filtering.
fn udp(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    let listener = to.run(|| UdpSocket::bind((address, port)).context("listen for datagrams"))?;
    listener.set_read_timeout(Some(Duration::from_millis(250)))?;
    let sender = from.run(|| {
        let any: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        UdpSocket::bind(any).context("make a sender")
    })?;
    let mut buffer = [0; 16];
    for _ in 0..4 {
        sender.send_to(b"knock", (address, port)).context("send a datagram")?;
        if listener.recv_from(&mut buffer).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn tcp(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
    let target = SocketAddr::new(address, port);
    let listener = to.run(|| TcpListener::bind(target).context("listen for connections"))?;
    let reached = from.run(|| Ok(TcpStream::connect_timeout(&target, Duration::from_millis(700)).is_ok()));
    drop(listener);
    reached
}
