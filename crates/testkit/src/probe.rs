//! Packets sent and received inside containers.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::in_netns;

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

/// Whether a datagram from one place reaches a UDP port at another. Sends a few, so that address resolution cannot
/// be mistaken for filtering.
///
/// # Errors
/// When a socket cannot be made.
pub fn udp_reaches(from: &Inside, to: &Inside, address: IpAddr, port: u16) -> Result<bool> {
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
