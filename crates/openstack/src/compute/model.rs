//! Nova's resources, as far as this project reads or writes them.
//!
//! Source: the compute API reference; microversions are named where they matter.

use serde::{Deserialize, Serialize};

/// A server: a virtual machine of Nova's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// `ACTIVE`, `SHUTOFF`, `ERROR`, `BUILD`, `DELETED`, ...
    #[serde(default)]
    pub status: String,
    /// The host it runs on; shown to administrators only.
    #[serde(rename = "OS-EXT-SRV-ATTR:host", default)]
    pub host: Option<String>,
}

/// A volume that a server has, or is getting, or is giving back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttachment {
    /// The server.
    pub server_id: String,
    /// The volume.
    pub volume_id: String,
    /// A device name that Nova made up. It says nothing about where the disk is in the machine.
    #[serde(default)]
    pub device: Option<String>,
    /// Cinder's id of the attachment (microversion 2.89).
    #[serde(rename = "attachment_id", default)]
    pub attachment_id: Option<String>,
}
