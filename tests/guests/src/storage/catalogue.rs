//! Where clients find Cinder and Manila: entries in Keystone's catalogue, which the lab itself does not have.

use anyhow::{Context, Result};
use lab::openstack::FRONT;
use lab::vm::STORAGE;
use serde_json::{Value, json};
use testkit::{Cloud, World};

use crate::text;

/// Type, name, and what comes behind the addresses of the front and of the service itself.
const ENTRIES: [(&str, &str, &str, &str); 4] = [
    ("block-storage", "cinder", "volume/v3/$(project_id)s", "8776/v3/$(project_id)s"),
    ("volumev3", "cinderv3", "volume/v3/$(project_id)s", "8776/v3/$(project_id)s"),
    ("shared-file-system", "manila", "share/v2", "8786/v2"),
    ("sharev2", "manilav2", "share/v2", "8786/v2"),
];
const KEYSTONE: &str = "/identity/v3";

/// The entries. Dropping this removes them.
#[derive(Debug)]
pub struct Catalogue {
    cloud: Cloud,
    services: Vec<String>,
}

impl Catalogue {
    /// Makes them, in place of those of somebody who was killed.
    pub(super) fn enter(world: &World) -> Result<Self> {
        let mut catalogue = Self { cloud: world.cloud.clone(), services: Vec::new() };
        for (kind, name, behind_front, own) in ENTRIES {
            let known = catalogue.call("GET", &format!("services?type={kind}"), None)?;
            for old in known.get("services").and_then(Value::as_array).into_iter().flatten() {
                catalogue.call("DELETE", &format!("services/{}", text(old, "/id")), None)?;
            }
            let body = json!({"service": {"type": kind, "name": name}});
            let made = catalogue.call("POST", "services", Some(body))?;
            let id = text(&made, "/service/id").to_owned();
            catalogue.services.push(id.clone());
            let (front, own) = (format!("{FRONT}/{behind_front}"), format!("http://{STORAGE}:{own}"));
            for (interface, url) in [("public", &front), ("internal", &front), ("admin", &own)] {
                let endpoint =
                    json!({"service_id": id, "interface": interface, "region_id": "RegionOne", "url": url});
                catalogue.call("POST", "endpoints", Some(json!({"endpoint": endpoint})))?;
            }
        }
        Ok(catalogue)
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.cloud.api_as("admin", method, &format!("{KEYSTONE}/{path}"), body).context("the catalogue")
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        for service in &self.services {
            let _ = self.call("DELETE", &format!("services/{service}"), None);
        }
    }
}
