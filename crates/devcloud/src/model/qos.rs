//! QoS policies. They are kept and shown; nothing is shaped.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::standard::Standard;

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QosRule {
    /// UUID.
    pub id: String,
    /// `bandwidth_limit`, `dscp_marking` or `minimum_bandwidth`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the kind has.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// A QoS policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QosPolicy {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Visible to all projects.
    pub shared: bool,
    /// Of new networks of its project.
    pub is_default: bool,
    /// Its rules.
    pub rules: Vec<QosRule>,
}
