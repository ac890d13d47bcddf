//! A network.

use serde::{Deserialize, Serialize};

use super::standard::Standard;

/// A Neutron network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Administratively up.
    pub admin_state_up: bool,
    /// Visible to all projects.
    pub shared: bool,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Usable for floating addresses.
    #[serde(rename = "router:external")]
    pub external: bool,
    /// Default of its ports.
    pub port_security_enabled: bool,
    /// Kind of the segment.
    #[serde(rename = "provider:network_type")]
    pub network_type: String,
    /// Number of the segment.
    #[serde(rename = "provider:segmentation_id")]
    pub segmentation_id: Option<u32>,
    /// Physical network of the segment.
    #[serde(rename = "provider:physical_network")]
    pub physical_network: Option<String>,
    /// QoS policy of its ports that have none.
    #[serde(default)]
    pub qos_policy_id: Option<String>,
    /// Domain of its ports' names, or empty.
    #[serde(default)]
    pub dns_domain: String,
}
