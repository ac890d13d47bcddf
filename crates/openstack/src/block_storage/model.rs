//! Cinder's resources, as far as this project reads or writes them.
//!
//! Source: the Block Storage API v3 reference; microversions are named where they matter.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::null::null_is_default;

/// A volume (detail view).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// UUID.
    pub id: String,
    /// Name, not unique; `null` becomes empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Size in GiB.
    pub size: u64,
    /// `creating`, `available`, `reserved`, `attaching`, `in-use`, `detaching`, `deleting`, `error`, ...
    pub status: String,
    /// Keys and values of its owner.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Completed attachments only: a reserved volume shows none.
    #[serde(default)]
    pub attachments: Vec<VolumeAttachment>,
    /// May be attached several times.
    #[serde(default)]
    pub multiattach: bool,
    /// The volume's blocks are ciphertext to whoever attaches it.
    #[serde(default)]
    pub encrypted: bool,
    /// Type by name.
    #[serde(default)]
    pub volume_type: Option<String>,
    /// Availability zone.
    #[serde(default)]
    pub availability_zone: Option<String>,
    /// Made from this snapshot.
    #[serde(default)]
    pub snapshot_id: Option<String>,
    /// Made from this volume.
    #[serde(default)]
    pub source_volid: Option<String>,
    /// `"true"` or `"false"`: has an image.
    #[serde(default)]
    pub bootable: String,
    /// ISO 8601, UTC without zone.
    #[serde(default)]
    pub created_at: String,
}

/// An attachment as a volume's detail view shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAttachment {
    /// UUID of the attachment.
    #[serde(default)]
    pub attachment_id: String,
    /// Server, for Nova's attachments.
    #[serde(default)]
    pub server_id: Option<String>,
    /// Host; hidden from ordinary users since 2025.2.
    #[serde(default)]
    pub host_name: Option<String>,
    /// The connector's `mountpoint`: free text of whoever attached it.
    #[serde(default)]
    pub device: Option<String>,
    /// ISO 8601, UTC without zone.
    #[serde(default)]
    pub attached_at: Option<String>,
}

/// Body of `POST /v3/volumes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewVolume {
    /// Name.
    pub name: String,
    /// Size in GiB.
    pub size: u64,
    /// Keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Type, by name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    /// Availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Make it from this snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// Make it from this volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_volid: Option<String>,
    /// Make it from this image, by id.
    #[serde(rename = "imageRef", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Make it in this group, by id (microversion 3.13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Scheduler hints, which stand beside the volume in the body: `same_host`, `different_host` and what the
    /// scheduler's filters of that cloud know.
    #[serde(skip)]
    pub hints: BTreeMap<String, serde_json::Value>,
}

/// A volume type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeType {
    /// UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// What it asks of the back end; ordinary users see few of them.
    #[serde(default, deserialize_with = "null_is_default")]
    pub extra_specs: BTreeMap<String, String>,
}

impl VolumeType {
    /// Its volumes may be attached several times.
    #[must_use]
    pub fn is_multiattach(&self) -> bool {
        self.extra_specs.get("multiattach").is_some_and(|spec| spec.eq_ignore_ascii_case("<is> True"))
    }
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// UUID.
    pub id: String,
    /// Name, not unique; `null` becomes empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Of this volume.
    pub volume_id: String,
    /// `creating`, `available`, `deleting`, `error`, `error_deleting`, ...
    pub status: String,
    /// The volume's size when it was taken, in GiB.
    pub size: u64,
    /// Keys and values of its owner.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// ISO 8601, UTC without zone.
    #[serde(default)]
    pub created_at: String,
}

/// An attachment (`/v3/attachments`, microversion 3.27).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// UUID.
    pub id: String,
    /// Its volume.
    #[serde(default)]
    pub volume_id: String,
    /// `reserved`, `attaching`, `attached`, ...
    #[serde(default)]
    pub status: String,
    /// Server, for Nova's attachments.
    #[serde(default)]
    pub instance: Option<String>,
    /// `rw`, `ro`, or the word `null`; not in short lists.
    #[serde(default)]
    pub attach_mode: Option<String>,
    /// How to reach the blocks; flat: `driver_volume_type` stands beside the driver's own keys. Holds secrets; empty
    /// in lists.
    #[serde(default, deserialize_with = "null_is_default")]
    pub connection_info: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Debug for Attachment {
    /// Only the names of the connection's values: CHAP and Ceph secrets are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("id", &self.id)
            .field("volume_id", &self.volume_id)
            .field("status", &self.status)
            .field("instance", &self.instance)
            .field("attach_mode", &self.attach_mode)
            .field("connection_info", &self.connection_info.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Body of `POST /v3/attachments` without a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAttachment {
    /// The volume.
    pub volume_uuid: String,
    /// This host's connector properties (`host`, `ip`, `initiator`, ...), always with `host`.
    pub connector: serde_json::Map<String, serde_json::Value>,
    /// `rw` or `ro` (microversion 3.54).
    pub mode: &'static str,
}
