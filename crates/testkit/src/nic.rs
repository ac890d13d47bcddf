//! A port's interface as a hypervisor makes it: something on this host then stands for a server on the network.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::open_vswitch::BRIDGE;
use crate::world::wait_at_most;
use crate::{CloudKind, World};

/// The host that ports of servers are bound to: on the development cloud one whose ports the cloud plugs itself.
pub(crate) const HYPERVISOR: &str = "hypervisor";

/// The interface of a port.
#[derive(Debug, Clone)]
pub(crate) struct Nic {
    pub(crate) port: String,
    /// The end that the server has.
    pub(crate) link: String,
    /// Where that is; `None`: on the world's host.
    pub(crate) netns: Option<String>,
}

impl World {
    /// The name of the host to bind servers' ports to.
    pub(crate) fn hypervisor(&self) -> &'static str {
        match self.kind() {
            CloudKind::DevCloud => HYPERVISOR,
            CloudKind::OpenStack => lab::openstack::HOST,
        }
    }

    /// Makes the interface with the port's MAC and its network's MTU, on the switch, with the port's addresses, and up.
    pub(crate) fn plug(&self, nic: &Nic, port: &Value) -> Result<()> {
        let path = format!("/networking/v2.0/networks/{}", text(port, "network_id"));
        let network = self.cloud.api_as("admin", "GET", &path, None)?;
        let mtu = network.pointer("/network/mtu").context("a network without MTU")?.to_string();
        let mac = text(port, "mac_address");
        let ip = |args: &[&str]| self.inside_host("ip", args).map(drop);
        match self.kind() {
            // Its bridges take a device of that name.
            CloudKind::DevCloud => {
                let (link, tap) = (nic.link.as_str(), tap(&nic.port));
                let own = ["link", "add", link, "mtu", &mtu, "type", "veth"];
                ip(&[&own[..], &["peer", "name", &tap, "mtu", &mtu]].concat())?;
                ip(&["link", "set", &tap, "up"])?;
            }
            CloudKind::OpenStack => self.add_to_bridge(nic, mac, &mtu)?,
        }
        if let Some(netns) = &nic.netns {
            ip(&["netns", "add", netns])?;
            ip(&["link", "set", &nic.link, "netns", netns])?;
        }
        let inside = |args: &[&str]| match &nic.netns {
            Some(netns) => ip(&[&["-n", netns.as_str()], args].concat()),
            None => ip(args),
        };
        inside(&["link", "set", &nic.link, "address", mac])?;
        for fixed in port.get("fixed_ips").and_then(Value::as_array).into_iter().flatten() {
            let path = format!("/networking/v2.0/subnets/{}", text(fixed, "subnet_id"));
            let subnet = self.cloud.api_as("admin", "GET", &path, None)?;
            let cidr = subnet.pointer("/subnet/cidr").and_then(Value::as_str).unwrap_or_default();
            let length = cidr.split('/').nth(1).context("a range without a length")?;
            let address = format!("{}/{length}", text(fixed, "ip_address"));
            let mut add = vec!["address", "add", "dev", &nic.link, &address];
            if address.contains(':') {
                add.push("nodad");
            }
            // The development cloud answers for the gateway on this host, by a route that must come first.
            add.extend(["metric", "2000"]);
            inside(&add)?;
        }
        inside(&["link", "set", &nic.link, "up"])
    }

    fn add_to_bridge(&self, nic: &Nic, mac: &str, mtu: &str) -> Result<()> {
        let mtu = format!("mtu_request={mtu}");
        let iface = format!("external_ids:iface-id={}", nic.port);
        let attached = format!("external_ids:attached-mac=\"{mac}\"");
        let link = nic.link.as_str();
        let add = ["--", "--may-exist", "add-port", BRIDGE, link, "--", "set", "Interface", link];
        let what = ["type=internal", &mtu, &iface, &attached, "external_ids:iface-status=active"];
        self.ovs_vsctl(&[&add[..], &what].concat()).map(drop)
    }

    /// Waits until Neutron has the port up.
    pub(crate) fn await_active(&self, port: &str) -> Result<()> {
        let path = format!("/networking/v2.0/ports/{port}");
        wait_at_most(std::time::Duration::from_secs(60), "a server's port is active", || {
            let shown = self.cloud.api_as("admin", "GET", &path, None).unwrap_or_default();
            shown.pointer("/port/status").and_then(Value::as_str) == Some("ACTIVE")
        })
    }

    /// Takes the interface away; what is gone already is.
    pub(crate) fn unplug(&self, nic: &Nic) {
        match self.kind() {
            CloudKind::DevCloud => drop(self.inside_host("ip", &["link", "delete", &tap(&nic.port)])),
            CloudKind::OpenStack => {
                drop(self.ovs_vsctl(&["--if-exists", "del-port", BRIDGE, &nic.link]));
            }
        }
        if let Some(netns) = &nic.netns {
            let _ = self.inside_host("ip", &["netns", "delete", netns]);
        }
    }
}

/// What the switch has of a port's interface on the development cloud.
pub(crate) fn tap(port: &str) -> String {
    format!("tap{}", short(port))
}

/// As much of an id as names of links have.
pub(crate) fn short(id: &str) -> &str {
    id.get(..11).unwrap_or(id)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
