//! Manila's resources, as far as this project reads or writes them.
//!
//! Source: the Shared File Systems API v2 reference; microversions are named where they matter.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::null::null_is_default;

/// A share (detail view).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// UUID.
    pub id: String,
    /// Name, not unique; `null` becomes empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Free text; `null` becomes empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    /// Size in GiB.
    pub size: u64,
    /// `creating`, `available`, `deleting`, `error`, `error_deleting`, `extending`, `extending_error`, ...
    pub status: String,
    /// `NFS`, `CIFS`, `CEPHFS`, `GLUSTERFS`, ...
    #[serde(default, deserialize_with = "null_is_default")]
    pub share_proto: String,
    /// Project it belongs to.
    #[serde(default, deserialize_with = "null_is_default")]
    pub project_id: String,
    /// Visible to every project.
    #[serde(default)]
    pub is_public: bool,
    /// Keys and values of its owner.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: BTreeMap<String, String>,
    /// `active`, `syncing` or `error` over all rules (microversion 2.28; 2.10 with other words).
    #[serde(default)]
    pub access_rules_status: Option<String>,
    /// Type by id.
    #[serde(default)]
    pub share_type: Option<String>,
    /// Type by name.
    #[serde(default)]
    pub share_type_name: Option<String>,
    /// Share network, for types whose driver handles share servers.
    #[serde(default)]
    pub share_network_id: Option<String>,
    /// Availability zone.
    #[serde(default)]
    pub availability_zone: Option<String>,
    /// Made from this snapshot.
    #[serde(default)]
    pub snapshot_id: Option<String>,
    /// Can be snapshotted.
    #[serde(default, deserialize_with = "null_is_default")]
    pub snapshot_support: bool,
    /// Its snapshots can become shares (microversion 2.24).
    #[serde(default, deserialize_with = "null_is_default")]
    pub create_share_from_snapshot_support: bool,
    /// ISO 8601, UTC without zone.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created_at: String,
}

/// Body of `POST /v2/shares`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewShare {
    /// Name.
    pub name: String,
    /// `NFS`, `CIFS`, `CEPHFS`, `GLUSTERFS`, ...; Manila ignores case.
    pub share_proto: String,
    /// Size in GiB.
    pub size: u64,
    /// Keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Type, by name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_type: Option<String>,
    /// Share network, which some types need and the others refuse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_network_id: Option<String>,
    /// Availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Make it from this snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// Let every project see it; not sent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_public: Option<bool>,
    /// Group to make it in (microversion 2.31).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_group_id: Option<String>,
}

/// Where a share is mounted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportLocation {
    /// UUID.
    #[serde(default)]
    pub id: String,
    /// As `mount` takes it, in the form of the protocol: `10.0.0.5:/shares/x`, `\\10.0.0.5\x`,
    /// `10.0.0.1:6789,10.0.0.2:6789:/volumes/x`, `host:/x`.
    pub path: String,
    /// The storage serves this one best (microversion 2.14).
    #[serde(default, deserialize_with = "null_is_default")]
    pub preferred: bool,
    /// Not for users; only administrators see such.
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_admin_only: bool,
}

/// A rule that lets somebody use a share.
#[derive(Debug, Clone, Deserialize)]
pub struct AccessRule {
    /// UUID.
    pub id: String,
    /// `ip`, `user`, `cert` or `cephx`.
    pub access_type: String,
    /// Address or network, user, common name of a certificate, or Ceph id; `******` if it is hidden from the caller.
    pub access_to: String,
    /// `rw` or `ro`; `null` becomes `rw`, which it means.
    #[serde(default = "read_write", deserialize_with = "null_is_read_write")]
    pub access_level: String,
    /// `queued_to_apply`, `applying`, `active`, `error`, `queued_to_deny` or `denying`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub state: String,
    /// Ceph key of a `cephx` rule; `None` until the storage made it.
    #[serde(default)]
    pub access_key: Option<SecretString>,
    /// Keys and values of its owner.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: BTreeMap<String, String>,
}

fn read_write() -> String {
    "rw".to_owned()
}

fn null_is_read_write<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(|level| level.unwrap_or_else(read_write))
}

/// The rule to be made by `allow_access`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewAccess {
    /// `ip`, `user`, `cert` or `cephx`, as the share's protocol takes.
    pub access_type: String,
    /// Whom it lets in.
    pub access_to: String,
    /// `rw` or `ro`.
    pub access_level: String,
    /// Keys and values.
    pub metadata: BTreeMap<String, String>,
}

/// A snapshot of a share (detail view).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSnapshot {
    /// UUID.
    pub id: String,
    /// Its share.
    #[serde(default, deserialize_with = "null_is_default")]
    pub share_id: String,
    /// Name, not unique; `null` becomes empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// `creating`, `available`, `deleting`, `error`, `error_deleting`, ...
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: String,
    /// Size in GiB of the share when it was taken.
    #[serde(default, deserialize_with = "null_is_default")]
    pub share_size: u64,
    /// Project it belongs to (microversion 2.17).
    #[serde(default, deserialize_with = "null_is_default")]
    pub project_id: String,
    /// ISO 8601, UTC without zone.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created_at: String,
}

/// Body of `POST /v2/snapshots`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewShareSnapshot {
    /// The share.
    pub share_id: String,
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A type of shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareType {
    /// UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Taken for shares that name none (microversion 2.46).
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_default: bool,
    /// Capabilities everybody may see, such as `driver_handles_share_servers` and `snapshot_support`, as text.
    #[serde(default, deserialize_with = "null_is_default")]
    pub extra_specs: BTreeMap<String, String>,
}

/// What Manila tells a user about something that failed (microversion 2.37).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// UUID.
    pub id: String,
    /// The resource it is about.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// Which step failed, such as `001` (find storage).
    #[serde(default, deserialize_with = "null_is_default")]
    pub action_id: String,
    /// Why, such as `002` (no storage has room) or `008` (capabilities of the type).
    #[serde(default, deserialize_with = "null_is_default")]
    pub detail_id: String,
    /// One sentence.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user_message: String,
    /// ISO 8601, UTC without zone.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created_at: String,
}
