//! What the service tells about its volumes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use crate::record::{Record, Stage};
pub use crate::share::ShareStatus;

/// A volume as Docker sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeInfo {
    /// Docker's name.
    pub name: String,
    /// Where it is mounted, if it is.
    pub mountpoint: Option<PathBuf>,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// Shown by `docker volume inspect`.
    pub status: BTreeMap<String, Value>,
}

/// All volumes this host has in hand.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The `volume_from` mark.
    pub label: String,
    /// Cinder's, by name.
    pub volumes: Vec<VolumeStatus>,
    /// Manila's, by name.
    pub shares: Vec<ShareStatus>,
}

/// One volume this host has in hand.
#[derive(Debug, Clone, Serialize)]
pub struct VolumeStatus {
    /// Docker's name.
    pub name: String,
    /// Cinder's id.
    pub volume_id: Option<String>,
    /// `creating`, `ready`, `attached`, ...
    pub stage: String,
    /// `created`, `adopted` or `unknown`.
    pub origin: String,
    /// GiB.
    pub size: u64,
    /// Where it is mounted.
    pub mountpoint: Option<PathBuf>,
    /// How many of Docker's mount ids hold it.
    pub references: usize,
    /// The last failure.
    pub trouble: Option<String>,
}

pub(crate) fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

impl VolumeInfo {
    pub(crate) fn of(record: &Record, mountpoint: Option<PathBuf>) -> Self {
        let attachment = record.attached.as_ref().and_then(|a| a.id.clone());
        let fields = [
            ("provider", json!("cinder")),
            ("volume_id", json!(record.volume_id)),
            ("size_gib", json!(record.size)),
            ("origin", json!(record.origin)),
            ("state", json!(record.stage)),
            ("format", json!(record.format)),
            ("volume_type", json!(record.volume_type)),
            ("availability_zone", json!(record.availability_zone)),
            ("attachment_id", json!(attachment)),
            ("access", json!(record.is_reader().then_some("ro"))),
            ("subdir", json!(record.subdirectory())),
            ("copied_from", json!(record.copied_from)),
            ("trouble", json!(record.trouble)),
        ];
        Self {
            name: record.name.clone(),
            mountpoint,
            created_at: rfc3339(&record.created_at),
            status: fields
                .into_iter()
                .filter(|(_, v)| !v.is_null() && *v != json!(""))
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
        }
    }
}

impl VolumeStatus {
    pub(crate) fn of(record: &Record, mountpoint: Option<PathBuf>) -> Self {
        Self {
            name: record.name.clone(),
            volume_id: record.volume_id.clone(),
            stage: word(record.stage),
            origin: word(record.origin),
            size: record.size,
            mountpoint,
            references: record.references.len(),
            trouble: record.trouble.clone(),
        }
    }
}

/// OpenStack writes UTC without a zone.
pub(crate) fn rfc3339(text: &str) -> Option<String> {
    let whole = text.split('.').next().filter(|t| !t.is_empty())?;
    let whole = whole.strip_suffix('Z').unwrap_or(whole);
    whole.parse::<jiff::civil::DateTime>().ok().map(|_| format!("{whole}Z"))
}

impl Record {
    /// Half-made volumes are nobody's yet.
    pub(crate) fn is_visible(&self) -> bool {
        !matches!(self.stage, Stage::Creating | Stage::Adopting)
    }
}
