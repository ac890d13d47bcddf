//! Network cards of guests: taps in a bridge of Open vSwitch, plugged the way a compute node plugs those of its
//! instances, or in a bridge of the kernel.

use anyhow::Result;
use private_host::Place;

use super::management::{must, run};

/// What a card is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NicOptions {
    /// The bridge it is plugged into: the integration bridge, or that of a trunk. It is made, with the userspace
    /// datapath, if it is not there.
    pub bridge: String,
    /// Id of the Neutron port, if it is one; names the tap, too.
    pub port: String,
    /// Its address, which the guest uses.
    pub mac: String,
    /// Largest packet in bytes, which the guest uses.
    pub mtu: u16,
    /// Addresses with their prefix lengths, which the guest's card gets.
    pub addresses: Vec<String>,
    /// Id of the instance, if Nova has one.
    pub instance: String,
}

/// A card. Dropping it takes it out of the bridge again, and the bridge away if it was made for it.
#[derive(Debug)]
pub struct Nic {
    place: Place,
    options: NicOptions,
    tap: String,
    switch: Switch,
}

/// What a card is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// A bridge of Open vSwitch, which goes with the card if it was made for it.
    Open { own_bridge: bool },
    /// A bridge of the kernel.
    Kernel,
}

impl Nic {
    /// Makes the tap and plugs it.
    ///
    /// # Errors
    /// The command that failed.
    pub fn plug(place: &Place, options: NicOptions) -> Result<Self> {
        let tap = format!("tap{}", options.port.get(..11).unwrap_or(&options.port));
        let (bridge, mtu) = (options.bridge.clone(), options.mtu.to_string());
        let known = vsctl(place, &["br-exists", &bridge]).is_ok();
        let nic = Self { place: place.clone(), tap, switch: Switch::Open { own_bridge: !known }, options };
        let tap = nic.tap.as_str();
        if !known {
            // As os-vif does for the bridge of a trunk, if Neutron's agent has not done so meanwhile.
            let datapath = ["set", "bridge", &bridge, "datapath_type=netdev"];
            vsctl(place, &[&["--may-exist", "add-br", &bridge, "--"][..], &datapath].concat())?;
        }
        must(place, &["ip", "tuntap", "add", "dev", tap, "mode", "tap"])?;
        // This end is the switch's; it must not speak for itself.
        must(place, &["sysctl", "--quiet", "--write", &format!("net.ipv6.conf.{tap}.disable_ipv6=1")])?;
        must(place, &["ip", "link", "set", tap, "mtu", &mtu, "up"])?;
        let ids = [
            format!("external_ids:attached-mac=\"{}\"", nic.options.mac),
            format!("external_ids:iface-id={}", nic.options.port),
            format!("external_ids:vm-uuid={}", nic.options.instance),
            "external_ids:iface-status=active".to_owned(),
        ];
        let mut command = vec!["add-port", &bridge, tap, "--", "set", "interface", tap];
        command.extend(ids.iter().map(String::as_str));
        vsctl(place, &command)?;
        Ok(nic)
    }

    /// Makes the tap and puts it into a bridge of the kernel that is there.
    ///
    /// # Errors
    /// The command that failed.
    pub(crate) fn plug_in_bridge(place: &Place, tap: String, options: NicOptions) -> Result<Self> {
        let nic = Self { place: place.clone(), tap, switch: Switch::Kernel, options };
        let (tap, mtu) = (nic.tap.as_str(), nic.options.mtu.to_string());
        must(place, &["ip", "tuntap", "add", "dev", tap, "mode", "tap"])?;
        must(place, &["ip", "link", "set", tap, "mtu", &mtu, "master", &nic.options.bridge, "up"])?;
        Ok(nic)
    }

    /// What it is.
    #[must_use]
    pub fn options(&self) -> &NicOptions {
        &self.options
    }

    /// The tap's name.
    #[must_use]
    pub fn tap(&self) -> &str {
        &self.tap
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // What was not made yet cannot be removed.
        if let Switch::Open { .. } = self.switch {
            let _ = vsctl(&self.place, &["--if-exists", "del-port", &self.tap]);
        }
        let _ = run(&self.place, &["ip", "link", "delete", &self.tap]);
        if let Switch::Open { own_bridge: true } = self.switch {
            let _ = vsctl(&self.place, &["--if-exists", "del-br", &self.options.bridge]);
        }
    }
}

fn vsctl(place: &Place, args: &[&str]) -> Result<String> {
    must(place, &[&["ovs-vsctl", "--timeout=20"][..], args].concat())
}
