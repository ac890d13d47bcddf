//! What the service tells about its shares.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::record::ShareRecord;
use crate::VolumeInfo;
use crate::status::{rfc3339, word};

/// One share this host has in hand.
#[derive(Debug, Clone, Serialize)]
pub struct ShareStatus {
    /// Docker's name.
    pub name: String,
    /// Manila's id.
    pub share_id: Option<String>,
    /// `NFS`, `CIFS`, ...
    pub protocol: String,
    /// `creating`, `ready`, `mounted`, ...
    pub stage: String,
    /// `created`, `adopted` or `unknown`.
    pub origin: String,
    /// GiB.
    pub size: u64,
    /// Where it is mounted from.
    pub export: Option<String>,
    /// The access rule it is used by.
    pub access_rule: Option<String>,
    /// Where it is mounted.
    pub mountpoint: Option<PathBuf>,
    /// How many of Docker's mount ids hold it.
    pub references: usize,
    /// The last failure.
    pub trouble: Option<String>,
}

impl ShareStatus {
    pub(super) fn of(record: &ShareRecord, mountpoint: Option<PathBuf>) -> Self {
        Self {
            name: record.name.clone(),
            share_id: record.share_id.clone(),
            protocol: record.protocol.clone(),
            stage: word(record.stage),
            origin: word(record.origin),
            size: record.size,
            export: record.mounted.as_ref().map(|m| m.export.clone()),
            access_rule: record.rule.as_ref().and_then(|r| r.id.clone()),
            mountpoint,
            references: record.references.len(),
            trouble: record.trouble.clone(),
        }
    }
}

/// A share as Docker sees it.
pub(super) fn info(record: &ShareRecord, mountpoint: Option<PathBuf>) -> VolumeInfo {
    let text = |text: &str| (!text.is_empty()).then(|| json!(text));
    let fields = [
        ("provider", Some(json!("manila"))),
        ("volume_id", record.share_id.as_deref().and_then(text)),
        ("size_gib", Some(json!(record.size))),
        ("origin", Some(json!(record.origin))),
        ("state", Some(json!(record.stage))),
        ("share_proto", text(&record.protocol)),
        ("share_type", record.share_type.as_deref().and_then(text)),
        ("availability_zone", record.availability_zone.as_deref().and_then(text)),
        ("export", record.mounted.as_ref().and_then(|m| text(&m.export))),
        ("access_rule", record.rule.as_ref().and_then(|r| r.id.as_deref()).and_then(text)),
        ("mountopts", text(&record.how.options)),
        ("subdir", record.how.subdir.as_deref().and_then(text)),
        ("read_only", record.how.read_only.then_some(json!(true))),
        ("trouble", record.trouble.as_deref().and_then(text)),
    ];
    VolumeInfo {
        name: record.name.clone(),
        mountpoint,
        created_at: rfc3339(&record.created_at),
        status: fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect(),
    }
}
