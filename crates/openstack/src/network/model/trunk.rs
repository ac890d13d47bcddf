//! Trunks and their subports, as far as this project reads or writes them. Source: the Networking API v2.0 reference.

use serde::{Deserialize, Serialize};

/// A trunk: a port that carries the traffic of further ports, each in a VLAN of its own (extension `trunk`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// The parent port.
    pub port_id: String,
    /// `ACTIVE`, `DOWN`, `BUILD`, `DEGRADED`, `ERROR`.
    #[serde(default)]
    pub status: String,
    /// Administratively up; while it is not, its subports cannot be changed.
    #[serde(default)]
    pub admin_state_up: bool,
    /// Counts changes.
    #[serde(default)]
    pub revision_number: u64,
    /// The ports it carries.
    #[serde(default)]
    pub sub_ports: Vec<SubPort>,
}

/// A port in a VLAN of a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubPort {
    /// UUID of the port.
    pub port_id: String,
    /// `vlan`, ...
    pub segmentation_type: String,
    /// The VLAN's number on the parent port's link; unique in the trunk.
    pub segmentation_id: u16,
}

/// What a parent port says about its trunk (extension `trunk-details`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkDetails {
    /// UUID of the trunk.
    pub trunk_id: String,
    /// The ports it carries.
    #[serde(default)]
    pub sub_ports: Vec<SubPort>,
}
