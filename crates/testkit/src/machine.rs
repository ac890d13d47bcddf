//! A world whose host is a virtual machine: a port of the cloud is its network interface, and the plugin is told so.

use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::nic::{HYPERVISOR, Nic, tap};
use crate::{CloudKind, Inside, World};

/// The machine's interface.
pub const NIC: &str = "vm0";

/// What kind of virtual machine.
#[derive(Debug, Clone, Copy)]
pub struct MachineOptions<'a> {
    /// Ranges of the subnets of its network; its port has an address of each.
    pub ranges: &'a [&'a str],
    /// How its containers are connected: the last part of `[binding] driver`.
    pub driver: &'a str,
    /// Further lines of `[binding]`.
    pub binding: &'a str,
    /// Its port is the parent of a trunk.
    pub trunk: bool,
}

impl MachineOptions<'static> {
    /// On a network of IPv4, without a trunk.
    #[must_use]
    pub fn new(driver: &'static str) -> Self {
        Self { ranges: &["10.70.0.0/24"], driver, binding: "", trunk: false }
    }
}

/// The virtual machine a world is.
#[derive(Debug, Clone)]
pub struct Machine {
    /// UUID of its network.
    pub network: String,
    /// UUID of its port.
    pub port: String,
    /// The port's MAC.
    pub mac: String,
    /// UUID of its trunk.
    pub trunk: Option<String>,
    nic: Nic,
    /// `[binding]` of `kuryr.conf`.
    pub(crate) binding: String,
}

/// A server beside the machine: on its network and in its security group.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// Where its programs run.
    pub inside: Inside,
    /// The addresses of its port.
    pub addresses: Vec<IpAddr>,
}

impl World {
    /// Makes the world's host a virtual machine: its network and port in the cloud, the interface here, and the plugin
    /// started anew with the slides' lines. To be undone by [`World::end_machine`].
    ///
    /// # Errors
    /// What could not be made, or the plugin's log.
    pub fn become_machine(&mut self, options: &MachineOptions<'_>) -> Result<()> {
        ensure!(self.machine.is_none(), "the world is a machine already");
        ensure!(self.stop_plugin(), "the plugin did not stop in order");
        if let CloudKind::DevCloud = self.kind() {
            let plugged = json!({"vif_type_by_host": {HYPERVISOR: "tap"}});
            self.cloud.admin("POST", "options", Some(plugged))?;
        }
        let made = self.post("networks", "network", json!({"name": "machines"}))?;
        let network = text(&made, "id").to_owned();
        for range in options.ranges {
            let version = if range.contains(':') { 6 } else { 4 };
            let subnet =
                json!({"name": "machines", "network_id": network, "ip_version": version, "cidr": range});
            self.post("subnets", "subnet", subnet)?;
        }
        self.machine = Some(Machine {
            network,
            port: String::new(),
            mac: String::new(),
            trunk: None,
            nic: Nic { port: String::new(), link: NIC.to_owned(), netns: None },
            binding: format!(
                "[binding]\ndriver = kuryr.lib.binding.drivers.{}\nlink_iface = {NIC}\n{}\n",
                options.driver, options.binding
            ),
        });
        self.attach(options.trunk)?;
        self.write_config("demo", "secret")?;
        self.start_plugin()
    }

    /// Gives the machine a port and an interface, as a hypervisor does.
    fn attach(&mut self, trunk: bool) -> Result<()> {
        let mut machine = self.machine()?.clone();
        let mut wanted = json!({"network_id": machine.network, "name": "machine"});
        if let Some(wanted) = wanted.as_object_mut().filter(|_| !machine.mac.is_empty()) {
            wanted.insert("mac_address".to_owned(), machine.mac.as_str().into());
        }
        let port = self.post("ports", "port", wanted)?;
        machine.port = text(&port, "id").to_owned();
        machine.mac = text(&port, "mac_address").to_owned();
        if trunk {
            // Before a host has the port: afterwards it is too late.
            let made = self.post("trunks", "trunk", json!({"name": "machine", "port_id": machine.port}))?;
            machine.trunk = Some(text(&made, "id").to_owned());
        }
        let owned = json!({"port": {"device_owner": "compute:nova", "binding:host_id": self.hypervisor(),
            "device_id": "6c1ab2a3-6a4e-4f3c-8b1b-5b7a9d0e4d11"}});
        let path = format!("/networking/v2.0/ports/{}", machine.port);
        let bound = self.cloud.api("PUT", &path, Some(owned))?;
        let port = bound.get("port").cloned().unwrap_or_default();
        machine.nic.port.clone_from(&machine.port);
        let (nic, id) = (machine.nic.clone(), machine.port.clone());
        self.machine = Some(machine);
        self.plug(&nic, &port)?;
        self.await_active(&id)
    }

    /// Gives a machine whose port was deleted another one with the same MAC, and another interface.
    ///
    /// # Errors
    /// What the cloud refuses.
    pub fn renew_machines_port(&mut self) -> Result<()> {
        let machine = self.machine()?.clone();
        self.unplug(&machine.nic);
        self.attach(machine.trunk.is_some())
    }

    /// Deletes the machine's port in the cloud; its interface stays.
    ///
    /// # Errors
    /// What the cloud refuses.
    pub fn delete_machines_port(&self) -> Result<()> {
        self.delete("ports", &self.machine()?.port)
    }

    /// The machine the world is.
    ///
    /// # Errors
    /// When it is none.
    pub fn machine(&self) -> Result<&Machine> {
        self.machine.as_ref().context("the world is no virtual machine")
    }

    /// Allowed pairs of the machine's port: address and MAC.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn machines_pairs(&self) -> Result<Vec<(String, String)>> {
        let path = format!("/networking/v2.0/ports/{}", self.machine()?.port);
        let shown = self.cloud.api("GET", &path, None)?;
        let pairs = shown.pointer("/port/allowed_address_pairs").and_then(Value::as_array).cloned();
        let pair = |pair: &Value| {
            // Neutron writes a single address with and without its length.
            let address = text(pair, "ip_address");
            let address = address.strip_suffix("/32").or(address.strip_suffix("/128")).unwrap_or(address);
            (address.to_owned(), text(pair, "mac_address").to_owned())
        };
        Ok(pairs.unwrap_or_default().iter().map(pair).collect())
    }

    /// A server beside the machine. It goes with the others that a case has put on a network.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn machines_neighbour(&self) -> Result<Neighbour> {
        let (inside, port) = self.make_neighbour("demo", &self.machine()?.network, None, Value::Null)?;
        self.await_active(text(&port, "id"))?;
        let fixed = port.get("fixed_ips").and_then(Value::as_array).cloned().unwrap_or_default();
        let addresses = fixed.iter().filter_map(|ip| text(ip, "ip_address").parse().ok()).collect();
        Ok(Neighbour { inside, addresses })
    }

    /// Makes the host a plain one again.
    ///
    /// # Errors
    /// When the plugin does not stop in order or start; when something still needs the network.
    pub fn end_machine(&mut self) -> Result<()> {
        let Some(machine) = self.machine.clone() else { bail!("the world is no virtual machine") };
        ensure!(self.stop_plugin(), "the plugin did not stop in order");
        self.drop_neighbours();
        self.drop_machine();
        if let Some(trunk) = &machine.trunk {
            // One whose port is somewhere stays.
            let free = json!({"port": {"binding:host_id": ""}});
            self.cloud.api("PUT", &format!("/networking/v2.0/ports/{}", machine.port), Some(free))?;
            self.delete("trunks", trunk)?;
        }
        self.delete("ports", &machine.port)?;
        self.delete("networks", &machine.network)?;
        if let CloudKind::DevCloud = self.kind() {
            self.cloud.admin("POST", "options", Some(json!({"vif_type_by_host": {}})))?;
        }
        self.write_config("demo", "secret")?;
        self.start_plugin()
    }

    /// Takes away the interface.
    pub(crate) fn drop_machine(&mut self) {
        if let Some(machine) = self.machine.take() {
            self.unplug(&machine.nic);
        }
    }

    /// Whether a line of `ip -brief link` names the switch's end of the machine's interface.
    pub(crate) fn is_machines(&self, line: &str) -> bool {
        self.machine.as_ref().is_some_and(|machine| line.starts_with(&tap(&machine.port)))
    }

    fn post(&self, collection: &str, key: &str, body: Value) -> Result<Value> {
        let path = format!("/networking/v2.0/{collection}");
        let made = self.cloud.api("POST", &path, Some(json!({key: body})))?;
        Ok(made.get(key).cloned().unwrap_or_default())
    }

    fn delete(&self, collection: &str, id: &str) -> Result<()> {
        self.cloud.api("DELETE", &format!("/networking/v2.0/{collection}/{id}"), None).map(drop)
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
