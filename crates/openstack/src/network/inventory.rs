//! What there is, in few words: lists for whoever looks for things nobody remembers.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use super::{Client, FixedIp, Taggable};
use crate::{MacAddr, Result};

/// What all kinds of resources say about themselves, and what ports and subnets say besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was made, by the service's clock; `None` if it does not say.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<SystemTime>,
    /// Of ports and subnets: their network.
    #[serde(default)]
    pub network_id: String,
    /// Of subnets: the pool their range is from.
    #[serde(default)]
    pub subnetpool_id: Option<String>,
    /// Of ports: what uses it.
    #[serde(default)]
    pub device_id: String,
    /// Of ports: kind of user.
    #[serde(default)]
    pub device_owner: String,
    /// Of ports: hardware address.
    #[serde(default)]
    pub mac_address: Option<MacAddr>,
    /// Of ports: its addresses, which may stand in the pairs of another port.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// Of ports: the host it is bound to.
    #[serde(default, rename = "binding:host_id")]
    pub host_id: Option<String>,
    /// Of ports: UUIDs of its security groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Of ports: `normal`, `direct`, ...
    #[serde(default, rename = "binding:vnic_type")]
    pub vnic_type: Option<String>,
}

/// What is asked for: a list of everything is long enough without the rest.
const FIELDS: [&str; 5] = ["id", "name", "description", "tags", "created_at"];

impl Client {
    /// Everything of a kind that matches all `filters`, with few of its attributes.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn inventory(&self, kind: Taggable, filters: &[(&str, &str)]) -> Result<Vec<Listed>> {
        let (template, key, more): (_, _, &[&str]) = match kind {
            Taggable::Network => ("/networks", "networks", &[]),
            Taggable::Subnet => ("/subnets", "subnets", &["network_id", "subnetpool_id"]),
            Taggable::SubnetPool => ("/subnetpools", "subnetpools", &[]),
            Taggable::Port => {
                let more = &[
                    "network_id",
                    "device_id",
                    "device_owner",
                    "mac_address",
                    "fixed_ips",
                    "security_groups",
                    "binding:host_id",
                    "binding:vnic_type",
                ];
                ("/ports", "ports", more)
            }
            Taggable::SecurityGroup => ("/security-groups", "security_groups", &[]),
        };
        let mut query = filters.to_vec();
        query.extend(FIELDS.iter().chain(more).map(|field| ("fields", *field)));
        self.list(template, key, &format!("list {}", kind.collection()), &query).await
    }
}

/// Neutron's clock: `2026-03-01T12:00:00Z`. What cannot be read is not worth failing for.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<SystemTime>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(SystemTime::from))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_time_is_read_and_a_strange_one_left_out() {
        let read = |text: &str| {
            serde_json::from_value::<Listed>(serde_json::json!({"id": "x", "created_at": text}))
                .unwrap()
                .created_at
        };
        assert_eq!(read("1970-01-02T00:00:00Z"), Some(UNIX_EPOCH + Duration::from_secs(86_400)));
        assert_eq!(read("yesterday"), None);
        assert_eq!(serde_json::from_str::<Listed>(r#"{"id": "x"}"#).unwrap().created_at, None);
    }
}
