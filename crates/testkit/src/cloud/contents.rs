//! Everything in the cloud, for leak checks.

use anyhow::Result;
use serde_json::{Map, Value};

use super::Cloud;
use crate::CloudKind;

/// Neutron's collections: the path, and the name in the answer.
const COLLECTIONS: [(&str, &str); 7] = [
    ("networks", "networks"),
    ("subnets", "subnets"),
    ("subnetpools", "subnetpools"),
    ("ports", "ports"),
    ("security-groups", "security_groups"),
    ("qos/policies", "policies"),
    ("trunks", "trunks"),
];

impl Cloud {
    /// Everything in the cloud: lists by name of the collection.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn state(&self) -> Result<Value> {
        match self.kind {
            CloudKind::DevCloud => self.admin("GET", "state", None),
            CloudKind::OpenStack => self.listed(),
        }
    }

    fn listed(&self) -> Result<Value> {
        let mut all = Map::new();
        for (path, key) in COLLECTIONS {
            let answer = self.api_as("admin", "GET", &format!("/networking/v2.0/{path}"), None)?;
            all.insert(key.to_owned(), answer.get(key).cloned().unwrap_or_default());
        }
        Ok(all.into())
    }
}
