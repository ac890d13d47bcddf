//! The card through which a guest is run: a tap of its own, with a range of two addresses, that leads nowhere but to
//! its owner.

use std::net::Ipv4Addr;
use std::process::Output;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use os::netns::NetNs;
use private_host::Place;

use super::forward::Forwarder;

/// What names of the taps through which guests are run start with.
pub const MANAGEMENT: &str = "vmmgmt";
/// As many guests may be in one place.
const PLACES: u8 = 64;
/// Two guests that start at the same time must not choose the same name.
static CHOICE: Mutex<()> = Mutex::new(());

/// The owner's end. Dropping it removes the tap.
#[derive(Debug)]
pub(crate) struct Management {
    place: Place,
    number: u8,
    forwarder: Option<Forwarder>,
}

impl Management {
    /// Makes the tap, and leads those ports from its address to the place's loopback address.
    pub(crate) fn open(place: &Place, netns: &NetNs, ports: &[u16]) -> Result<Self> {
        let number = choose(place)?;
        let mut opened = Self { place: place.clone(), number, forwarder: None };
        let range = format!("{}/30", opened.owner());
        let tap = opened.tap();
        must(place, &["ip", "address", "add", &range, "dev", &tap])?;
        must(place, &["ip", "link", "set", &tap, "up"])?;
        let (from, to) = (opened.owner(), Ipv4Addr::LOCALHOST);
        let ways: Vec<_> = ports.iter().map(|port| ((from, *port).into(), (to, *port).into())).collect();
        opened.forwarder = Some(Forwarder::start(netns, &ways)?);
        Ok(opened)
    }

    /// The tap's name.
    pub(crate) fn tap(&self) -> String {
        format!("{MANAGEMENT}{}", self.number)
    }

    /// The owner's address.
    pub(crate) fn owner(&self) -> Ipv4Addr {
        Ipv4Addr::new(169, 254, 77, 4 * self.number + 1)
    }

    /// The guest's address.
    pub(crate) fn guest(&self) -> Ipv4Addr {
        Ipv4Addr::new(169, 254, 77, 4 * self.number + 2)
    }
}

impl Drop for Management {
    fn drop(&mut self) {
        drop(self.forwarder.take());
        let _ = must(&self.place, &["ip", "link", "delete", &self.tap()]);
    }
}

fn choose(place: &Place) -> Result<u8> {
    let _choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    for number in 0..PLACES {
        let tap = format!("{MANAGEMENT}{number}");
        if !run(place, &["ip", "link", "show", "dev", &tap])?.status.success() {
            must(place, &["ip", "tuntap", "add", "dev", &tap, "mode", "tap"])?;
            return Ok(number);
        }
    }
    bail!("there are {PLACES} guests already")
}

/// Runs a command in a place.
pub(crate) fn run(place: &Place, command: &[&str]) -> Result<Output> {
    let (program, args) = command.split_first().context("an empty command")?;
    place.command(program).args(args).output().with_context(|| format!("cannot start {program}"))
}

/// Runs a command in a place, which must succeed; what it prints.
pub(crate) fn must(place: &Place, command: &[&str]) -> Result<String> {
    let output = run(place, command)?;
    if !output.status.success() {
        bail!("`{}` failed: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
