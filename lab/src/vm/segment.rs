//! A network of its own for storage, as real machines have: a bridge in the place that guests are in, without a way out.
//! The place has an address there, too, and so reaches the services of the storage guest.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use private_host::Place;

use super::management::{must, run};
use super::{Nic, NicOptions};

/// What names of its links start with.
pub const SEGMENT: &str = "vmseg";
/// The address of the storage guest. Volumes and shares are reached there.
pub const STORAGE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The address of the place.
const OWNER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Length of the prefix.
const PREFIX: u8 = 24;
/// Last number in the addresses of the first guest that is not the storage guest.
const FIRST: u8 = 10;
/// Largest packet in bytes.
const MTU: u16 = 1500;

/// The network. Dropping it removes the bridge; guests on it end before.
#[derive(Debug)]
pub struct Segment {
    place: Place,
    next: AtomicU8,
}

impl Segment {
    /// Makes it in a place that has none.
    ///
    /// # Errors
    /// The command that failed.
    pub fn make(place: &Place) -> Result<Self> {
        let bridge = bridge();
        must(place, &["ip", "link", "add", &bridge, "type", "bridge"])?;
        let made = Self { place: place.clone(), next: AtomicU8::new(FIRST) };
        let range = format!("{OWNER}/{PREFIX}");
        must(place, &["ip", "address", "add", &range, "dev", &bridge])?;
        must(place, &["ip", "link", "set", &bridge, "up"])?;
        // An engine has the kernel pass frames in bridges through its rules, which know nothing of guests. The setting is
        // not there where no engine has asked for it.
        run(place, &["sysctl", "--quiet", "--write", "net.bridge.bridge-nf-call-iptables=0"])?;
        Ok(made)
    }

    /// The card of the storage guest.
    ///
    /// # Errors
    /// The command that failed.
    pub fn plug_storage(&self) -> Result<Nic> {
        self.plug_at(STORAGE)
    }

    /// A card of any other guest, with the next free address.
    ///
    /// # Errors
    /// The command that failed, or no address is left.
    pub fn plug(&self) -> Result<Nic> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [a, b, c, _] = OWNER.octets();
        (FIRST..u8::MAX).contains(&number).then_some(()).context("no address is left for storage")?;
        self.plug_at(Ipv4Addr::new(a, b, c, number))
    }

    fn plug_at(&self, address: Ipv4Addr) -> Result<Nic> {
        let [a, b, c, d] = address.octets();
        let options = NicOptions {
            bridge: bridge(),
            mac: format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
            mtu: MTU,
            addresses: vec![format!("{address}/{PREFIX}")],
            ..NicOptions::default()
        };
        Nic::plug_in_bridge(&self.place, format!("{SEGMENT}{d}"), options)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = run(&self.place, &["ip", "link", "delete", &bridge()]);
    }
}

fn bridge() -> String {
    format!("{SEGMENT}br")
}
