//! What can be chosen about the shared file system service.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of [`super::Manila`] for its whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManilaOptions {
    /// Quota of projects that have none of their own.
    pub quota: Quota,
    /// Availability zones; the first is the default.
    pub zones: Vec<String>,
    /// Longest page of a list.
    pub max_limit: usize,
    /// Share back end as administrators see it.
    pub host: String,
    /// Addresses that shares are exported from unless something on this machine really exports them, best one first.
    pub export_hosts: Vec<String>,
}

impl Default for ManilaOptions {
    fn default() -> Self {
        Self {
            quota: Quota::default(),
            zones: vec!["nova".into()],
            max_limit: 1000,
            host: "devcloud@share#share".into(),
            export_hosts: vec!["127.0.0.1".into(), "::1".into()],
        }
    }
}

/// A project's limits; -1 means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Shares.
    pub shares: i64,
    /// GiB of shares.
    pub gigabytes: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// GiB of snapshots.
    pub snapshot_gigabytes: i64,
    /// Share networks.
    pub share_networks: i64,
    /// GiB of one share.
    pub per_share_gigabytes: i64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            shares: 50,
            gigabytes: 1000,
            snapshots: 50,
            snapshot_gigabytes: 1000,
            share_networks: 10,
            per_share_gigabytes: -1,
        }
    }
}

/// How long things take and what goes wrong. Can change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManilaFaults {
    /// `creating` to `available`, of shares and snapshots, in milliseconds.
    pub create_ms: u64,
    /// `deleting` to gone.
    pub delete_ms: u64,
    /// `extending` to `available`.
    pub extend_ms: u64,
    /// Each step of a rule: queued, and being applied or taken away.
    pub rule_ms: u64,
    /// Shares ordered meanwhile stay `creating`, also afterwards.
    pub stuck_creating: bool,
    /// Rules ordered or denied meanwhile stay queued, also afterwards.
    pub stuck_rules: bool,
    /// Creations that fail: the share ends in `error`.
    pub next_create_fails: u32,
    /// Deletions: the share ends in `error_deleting`.
    pub next_delete_fails: u32,
    /// Extensions: the share ends in `extending_error`.
    pub next_extend_fails: u32,
    /// Rules whose application or removal fails: they end in `error`.
    pub next_rule_fails: u32,
    /// Newest microversion offered, the part after `2.`; to play an older Manila.
    pub newest_microversion: u32,
}

impl Default for ManilaFaults {
    fn default() -> Self {
        Self {
            create_ms: 150,
            delete_ms: 150,
            extend_ms: 150,
            rule_ms: 50,
            stuck_creating: false,
            stuck_rules: false,
            next_create_fails: 0,
            next_delete_fails: 0,
            next_extend_fails: 0,
            next_rule_fails: 0,
            newest_microversion: super::microversion::Microversion::MAX.0,
        }
    }
}

impl ManilaFaults {
    pub(super) fn create(&self) -> Duration {
        Duration::from_millis(self.create_ms)
    }

    pub(super) fn delete(&self) -> Duration {
        Duration::from_millis(self.delete_ms)
    }

    pub(super) fn extend(&self) -> Duration {
        Duration::from_millis(self.extend_ms)
    }

    pub(super) fn rule(&self) -> Duration {
        Duration::from_millis(self.rule_ms)
    }
}
