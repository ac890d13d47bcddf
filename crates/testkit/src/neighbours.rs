//! Somebody on a network: at its gateway address, where no router is, in no security group; or beside a virtual machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::nic::{Nic, short};
use crate::{Inside, World};

/// What names of their links start with.
pub(crate) const LINK: &str = "nb";
/// What names of their namespaces start with.
pub(crate) const NETNS: &str = "neighbour-";

/// A port and the namespace it is plugged into.
#[derive(Debug)]
pub(crate) struct Neighbour {
    /// The subnet whose gateway it stands for.
    gateway_of: Option<String>,
    nic: Nic,
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
        let stands = |n: &&Neighbour| n.gateway_of.as_ref() == Some(&id);
        let known = self.neighbours().iter().find(stands).map(|n| n.nic.clone());
        if let Some(nic) = known {
            return Ok(self.namespace(&nic));
        }
        let fixed = json!([{"subnet_id": id, "ip_address": address.to_string()}]);
        let alone = json!({"fixed_ips": fixed, "port_security_enabled": false});
        Ok(self.make_neighbour("admin", &network, Some(id), alone)?.0)
    }

    fn namespace(&self, nic: &Nic) -> Inside {
        let name = nic.netns.as_deref().unwrap_or_default();
        Inside { netns: PathBuf::from(format!("/proc/{}/root/run/netns/{name}", self.host_pid())) }
    }

    /// Somebody with a port that this user makes on a network, with further attributes, and the port.
    pub(crate) fn make_neighbour(
        &self,
        who: &str,
        network: &str,
        gateway_of: Option<String>,
        more: Value,
    ) -> Result<(Inside, Value)> {
        let mut port = Map::from_iter([
            ("network_id".to_owned(), network.into()),
            ("name".to_owned(), "neighbour".into()),
            ("device_owner".to_owned(), "compute:neighbour".into()),
            ("binding:host_id".to_owned(), self.hypervisor().into()),
        ]);
        port.extend(more.as_object().cloned().unwrap_or_default());
        let path = "/networking/v2.0/ports";
        let made = self.cloud.api_as(who, "POST", path, Some(json!({"port": port})))?;
        let port = made.get("port").context("Neutron answered no port")?.clone();
        let id = text(&port, "id").to_owned();
        let (link, netns) = (format!("{LINK}{}", short(&id)), format!("{NETNS}{}", short(&id)));
        let neighbour = Neighbour { gateway_of, nic: Nic { port: id, link, netns: Some(netns) } };
        if let Err(error) = self.plug(&neighbour.nic, &port) {
            self.take_away(&neighbour);
            return Err(error.context("plug a neighbour"));
        }
        let inside = self.namespace(&neighbour.nic);
        self.neighbours().push(neighbour);
        Ok((inside, port))
    }

    fn take_away(&self, neighbour: &Neighbour) {
        self.unplug(&neighbour.nic);
        let path = format!("/networking/v2.0/ports/{}", neighbour.nic.port);
        let _ = self.cloud.api_as("admin", "DELETE", &path, None);
    }

    /// Takes all of them away, before the networks they are on.
    pub fn drop_neighbours(&self) {
        let all: Vec<Neighbour> = self.neighbours().drain(..).collect();
        all.iter().for_each(|neighbour| self.take_away(neighbour));
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
