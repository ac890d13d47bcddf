//! Somebody at a network's gateway address, where no router is: a port in no security group, plugged by hand.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::open_vswitch::BRIDGE;
use crate::{Inside, World};

/// What names of their links start with.
pub(crate) const LINK: &str = "nb";
/// What names of their namespaces start with.
pub(crate) const NETNS: &str = "neighbour-";

/// A port and the namespace it is plugged into.
#[derive(Debug)]
pub(crate) struct Neighbour {
    subnet: String,
    port: String,
    link: String,
    netns: String,
}

impl World {
    fn neighbours(&self) -> MutexGuard<'_, Vec<Neighbour>> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attachments of a container, by network name, as Docker tells them.
    fn attachments(&self, container: &str) -> Result<Vec<(String, Value)>> {
        let text = self.docker(&["inspect", "--format", "{{json .NetworkSettings.Networks}}", container])?;
        let networks: Value = serde_json::from_str(&text).context("the networks of a container")?;
        Ok(networks.as_object().cloned().unwrap_or_default().into_iter().collect())
    }

    pub(crate) fn ensure_neighbour_if_gateway(&self, container: &str, address: IpAddr) -> Result<()> {
        for (_, attachment) in self.attachments(container)? {
            let is = |key: &str| text(&attachment, key).parse() == Ok(address);
            if is("Gateway") || is("IPv6Gateway") {
                self.ensure_neighbour(&attachment, address)?;
            }
        }
        Ok(())
    }

    pub(crate) fn neighbour_at_gateway(&self, container: &str, network: &str) -> Result<Inside> {
        let found = self.attachments(container)?.into_iter().find(|(name, _)| name == network);
        let (_, attachment) = found.with_context(|| format!("{container} is not on {network}"))?;
        let gateway = text(&attachment, "Gateway").parse().context("the network has no gateway")?;
        self.ensure_neighbour(&attachment, gateway)
    }

    fn ensure_neighbour(&self, attachment: &Value, address: IpAddr) -> Result<Inside> {
        let list = |what: &str, query: &str| -> Result<Vec<Value>> {
            let answer =
                self.cloud.api_as("admin", "GET", &format!("/networking/v2.0/{what}?{query}"), None)?;
            Ok(answer.get(what).and_then(Value::as_array).cloned().unwrap_or_default())
        };
        let ports = list("ports", &format!("mac_address={}", text(attachment, "MacAddress")))?;
        let port = ports.first().with_context(|| format!("Neutron has no port for {attachment}"))?;
        let network = text(port, "network_id").to_owned();
        let subnets = list("subnets", &format!("network_id={network}&gateway_ip={address}"))?;
        let subnet = subnets.first().with_context(|| format!("{address} is no gateway on {network}"))?;
        let id = text(subnet, "id").to_owned();
        let known = self.neighbours().iter().find(|n| n.subnet == id).map(|n| n.netns.clone());
        if let Some(netns) = known {
            return Ok(self.namespace(&netns));
        }
        let neighbour = self.make_neighbour(&network, subnet, address)?;
        let inside = self.namespace(&neighbour.netns);
        self.neighbours().push(neighbour);
        Ok(inside)
    }

    fn namespace(&self, name: &str) -> Inside {
        Inside { netns: PathBuf::from(format!("/proc/{}/root/run/netns/{name}", self.host_pid())) }
    }

    fn make_neighbour(&self, network: &str, subnet: &Value, address: IpAddr) -> Result<Neighbour> {
        let fixed = json!([{"subnet_id": text(subnet, "id"), "ip_address": address.to_string()}]);
        let body = json!({"port": {"network_id": network, "name": "neighbour", "fixed_ips": fixed,
            "binding:host_id": lab::openstack::HOST, "device_owner": "compute:neighbour", "port_security_enabled": false}});
        let made = self.cloud.api_as("admin", "POST", "/networking/v2.0/ports", Some(body))?;
        let port = made.get("port").context("Neutron answered no port")?;
        let id = text(port, "id").to_owned();
        let short = id.get(..11).unwrap_or_default();
        let neighbour = Neighbour {
            subnet: text(subnet, "id").to_owned(),
            link: format!("{LINK}{short}"),
            netns: format!("{NETNS}{short}"),
            port: id,
        };
        let plugged =
            self.plug(&neighbour, network, text(port, "mac_address"), text(subnet, "cidr"), address);
        if let Err(error) = plugged {
            self.unplug(&neighbour);
            return Err(error.context("plug a neighbour"));
        }
        Ok(neighbour)
    }

    fn plug(&self, to: &Neighbour, network: &str, mac: &str, cidr: &str, address: IpAddr) -> Result<()> {
        let shown =
            self.cloud.api_as("admin", "GET", &format!("/networking/v2.0/networks/{network}"), None)?;
        let mtu = format!("mtu_request={}", shown.pointer("/network/mtu").unwrap_or(&Value::Null));
        let (iface, attached) =
            (format!("external_ids:iface-id={}", to.port), format!("external_ids:attached-mac=\"{mac}\""));
        self.ovs_vsctl(&[
            "--",
            "--may-exist",
            "add-port",
            BRIDGE,
            &to.link,
            "--",
            "set",
            "Interface",
            &to.link,
            "type=internal",
            &mtu,
            &iface,
            &attached,
            "external_ids:iface-status=active",
        ])?;
        let ip = |args: &[&str]| self.inside_host("ip", args).map(drop);
        let length = cidr.split('/').nth(1).context("a range without a length")?;
        ip(&["netns", "add", &to.netns])?;
        ip(&["link", "set", &to.link, "netns", &to.netns])?;
        let inside = |args: &[&str]| ip(&[&["-n", to.netns.as_str()], args].concat());
        inside(&["link", "set", &to.link, "address", mac])?;
        let mut add = vec!["address", "add", "dev", &to.link];
        let address = format!("{address}/{length}");
        add.push(&address);
        if address.contains(':') {
            add.push("nodad");
        }
        inside(&add)?;
        inside(&["link", "set", &to.link, "up"])
    }

    fn unplug(&self, neighbour: &Neighbour) {
        let _ = self.ovs_vsctl(&["--if-exists", "del-port", BRIDGE, &neighbour.link]);
        let _ = self.inside_host("ip", &["netns", "delete", &neighbour.netns]);
        let path = format!("/networking/v2.0/ports/{}", neighbour.port);
        let _ = self.cloud.api_as("admin", "DELETE", &path, None);
    }

    /// Takes all of them away, before the networks they are on.
    pub fn drop_neighbours(&self) {
        let all: Vec<Neighbour> = self.neighbours().drain(..).collect();
        all.iter().for_each(|neighbour| self.unplug(neighbour));
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
