//! Networks, ports and trunks in Neutron, made by the tenant and bound by the administrator, as Nova does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::{Cloud, World};

/// Agents need their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Neutron, behind the front.
#[derive(Debug, Clone)]
pub struct Neutron {
    cloud: Cloud,
}

impl Neutron {
    /// That of a world on real services.
    #[must_use]
    pub fn of(world: &World) -> Self {
        Self { cloud: world.cloud.clone() }
    }

    /// Makes a resource as the tenant: `kind` in a collection such as `ports`.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn make(&self, kind: &str, collection: &str, body: &Value) -> Result<Value> {
        let path = format!("/networking/v2.0/{collection}");
        let made = self.cloud.api("POST", &path, Some(json!({kind: body})))?;
        made.get(kind).cloned().with_context(|| format!("Neutron answered no {kind}"))
    }

    /// Shows a resource, all of it.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn show(&self, kind: &str, collection: &str, id: &str) -> Result<Value> {
        let shown =
            self.cloud.api_as("admin", "GET", &format!("/networking/v2.0/{collection}/{id}"), None)?;
        shown.get(kind).cloned().with_context(|| format!("Neutron answered no {kind}"))
    }

    /// Lists a collection with a filter such as `network_id=...`.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn list(&self, collection: &str, filter: &str) -> Result<Vec<Value>> {
        let path = format!("/networking/v2.0/{collection}?{filter}");
        let all = self.cloud.api_as("admin", "GET", &path, None)?;
        Ok(all.get(collection).and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Changes a resource, as the administrator.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn update(&self, kind: &str, collection: &str, id: &str, body: &Value) -> Result<Value> {
        let path = format!("/networking/v2.0/{collection}/{id}");
        let changed = self.cloud.api_as("admin", "PUT", &path, Some(json!({kind: body})))?;
        changed.get(kind).cloned().with_context(|| format!("Neutron answered no {kind}"))
    }

    /// Calls an action of a resource, such as `trunks/.../add_subports`, as the administrator.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn act(&self, path: &str, body: Value) -> Result<Value> {
        self.cloud.api_as("admin", "PUT", &format!("/networking/v2.0/{path}"), Some(body))
    }

    /// Deletes a resource.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn delete(&self, collection: &str, id: &str) -> Result<()> {
        let path = format!("/networking/v2.0/{collection}/{id}");
        self.cloud.api_as("admin", "DELETE", &path, None).map(drop)
    }

    /// Waits until a port or a trunk is `ACTIVE`.
    ///
    /// # Errors
    /// When it is not within a minute.
    pub fn await_active(&self, kind: &str, collection: &str, id: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.show(kind, collection, id)?;
            if text(&shown, "/status") == "ACTIVE" {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{kind} {id} is {} after {} s", text(&shown, "/status"), PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A tenant's network with one subnet without DHCP. Dropping it deletes it.
#[derive(Debug)]
pub struct Network {
    neutron: Neutron,
    /// Its id.
    pub id: String,
    /// The subnet's id.
    pub subnet: String,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// Largest packet in bytes.
    pub mtu: u16,
}

impl Network {
    /// Makes it.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn make(neutron: &Neutron, name: &str, cidr: &str) -> Result<Self> {
        let made = neutron.make("network", "networks", &json!({"name": name}))?;
        let id = text(&made, "/id").to_owned();
        let mtu = made.get("mtu").and_then(Value::as_u64).and_then(|mtu| u16::try_from(mtu).ok());
        let prefix = cidr.rsplit('/').next().and_then(|length| length.parse().ok()).context("no range")?;
        let mut network =
            Self { neutron: neutron.clone(), id, subnet: String::new(), prefix, mtu: mtu.unwrap_or(1450) };
        let subnet = json!({"network_id": network.id, "ip_version": 4, "cidr": cidr, "enable_dhcp": false, "name": name});
        network.subnet = text(&neutron.make("subnet", "subnets", &subnet)?, "/id").to_owned();
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.neutron.delete("networks", &self.id);
    }
}

/// A tenant's port. Dropping it deletes it.
#[derive(Debug)]
pub struct Port {
    neutron: Neutron,
    /// Its id.
    pub id: String,
    /// Its link address.
    pub mac: String,
    /// Its address.
    pub address: String,
    /// Length of the prefix of its subnet.
    pub prefix: u8,
}

impl Port {
    /// Makes it on a network, not bound.
    ///
    /// # Errors
    /// What Neutron answers.
    pub fn make(neutron: &Neutron, network: &Network, name: &str) -> Result<Self> {
        let made = neutron.make("port", "ports", &json!({"network_id": network.id, "name": name}))?;
        let field = |path| text(&made, path).to_owned();
        Ok(Self {
            neutron: neutron.clone(),
            id: field("/id"),
            mac: field("/mac_address"),
            address: field("/fixed_ips/0/ip_address"),
            prefix: network.prefix,
        })
    }

    /// Its address with the length of the prefix.
    #[must_use]
    pub fn interface(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.neutron.delete("ports", &self.id);
    }
}

/// The text at a path of keys, empty when there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
