//! What can be chosen about the block storage service.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of [`super::Cinder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CinderOptions {
    /// How long things take.
    pub latencies: Latencies,
    /// Quota of projects that have none of their own.
    pub quota: Quota,
    /// Availability zones; the first is the default.
    pub zones: Vec<String>,
    /// `osapi_max_limit`: longest page of a list.
    pub max_limit: usize,
    /// Volume back end as administrators see it.
    pub host: String,
}

impl Default for CinderOptions {
    fn default() -> Self {
        Self {
            latencies: Latencies::default(),
            quota: Quota::default(),
            zones: vec!["nova".into()],
            max_limit: 1000,
            host: "devcloud@loop#loop".into(),
        }
    }
}

/// How long the asynchronous parts of operations take at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// `creating` to `available`, of volumes and snapshots.
    pub create: Duration,
    /// `deleting` to gone.
    pub delete: Duration,
    /// `extending` to what it was before.
    pub extend: Duration,
    /// Exporting a volume, while its caller waits.
    pub connect: Duration,
    /// Taking the export away, while its caller waits.
    pub disconnect: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        let short = Duration::from_millis(150);
        Self {
            create: short,
            delete: short,
            extend: short,
            connect: Duration::ZERO,
            disconnect: Duration::ZERO,
        }
    }
}

/// A project's limits; -1 means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Volumes.
    pub volumes: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// GiB of volumes and snapshots together.
    pub gigabytes: i64,
    /// GiB of one volume.
    pub per_volume_gigabytes: i64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { volumes: 10, snapshots: 10, gigabytes: 1000, per_volume_gigabytes: -1 }
    }
}

/// How the back end misbehaves: how many of the next operations fail, by kind, and what takes how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CinderFaults {
    /// Creations: the volume ends in `error`.
    pub next_create_fails: u32,
    /// Deletions: the volume ends in `error_deleting`.
    pub next_delete_fails: u32,
    /// Extensions: the volume ends in `error_extending`.
    pub next_extend_fails: u32,
    /// Exports: the caller sees 500, volume and attachment stay `reserved`.
    pub next_connect_fails: u32,
    /// Unexports: the caller sees 500, the attachment stays.
    pub next_disconnect_fails: u32,
    /// Volumes stay `creating` as long as this is set, and come to their end afterwards.
    pub stuck_creating: bool,
    /// An export takes that many milliseconds more, while its caller waits and the attachment is `reserved`.
    pub connect_ms: u64,
}
