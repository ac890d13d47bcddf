//! What the service remembers. This is also the form in which it is saved.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::options::Quota;
use crate::caller::Caller;
use crate::words::words;

/// Keys and values of a resource.
pub(super) type Metadata = BTreeMap<String, String>;

words! {
    /// Where a share is in its life.
    ShareStatus {
        Creating = "creating",
        CreatingFromSnapshot = "creating_from_snapshot",
        Available = "available",
        Deleting = "deleting",
        Extending = "extending",
        Inactive = "inactive",
        Error = "error",
        ErrorDeleting = "error_deleting",
        ExtendingError = "extending_error",
    }
}

words! {
    /// Where a rule is in its life; one that was taken away is forgotten.
    RuleState {
        QueuedToApply = "queued_to_apply",
        Applying = "applying",
        Active = "active",
        Error = "error",
        QueuedToDeny = "queued_to_deny",
        Denying = "denying",
    }
}

words! {
    /// Where a snapshot is in its life.
    SnapshotStatus {
        Creating = "creating",
        Available = "available",
        Deleting = "deleting",
        Error = "error",
        ErrorDeleting = "error_deleting",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) id: String,
    /// Order of creation.
    pub(super) serial: u64,
    pub(super) project_id: String,
    pub(super) user_id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// GiB.
    pub(super) size: u64,
    /// In capitals.
    pub(super) protocol: String,
    pub(super) status: ShareStatus,
    pub(super) is_public: bool,
    pub(super) metadata: Metadata,
    pub(super) type_id: String,
    pub(super) share_network_id: Option<String>,
    pub(super) availability_zone: String,
    pub(super) snapshot_id: Option<String>,
    pub(super) exports: Vec<Export>,
    pub(super) created_at: String,
}

impl Share {
    /// Something is being done to it.
    pub(super) fn is_in_transition(&self) -> bool {
        use ShareStatus::{Creating, CreatingFromSnapshot, Deleting, Extending};
        matches!(self.status, Creating | CreatingFromSnapshot | Deleting | Extending)
    }
}

/// Where a share is mounted from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Export {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) preferred: bool,
    pub(super) is_admin_only: bool,
    pub(super) created_at: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) id: String,
    /// Order of creation.
    pub(super) serial: u64,
    pub(super) share_id: String,
    pub(super) access_type: String,
    pub(super) access_to: String,
    pub(super) access_level: String,
    pub(super) state: RuleState,
    pub(super) access_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Rule");
        shown.field("id", &self.id).field("access_to", &self.access_to).field("state", &self.state);
        shown.finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) share_id: String,
    pub(super) project_id: String,
    pub(super) user_id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// GiB of the share when it was taken.
    pub(super) size: u64,
    pub(super) protocol: String,
    pub(super) status: SnapshotStatus,
    pub(super) created_at: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ShareType {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) extra_specs: Metadata,
}

impl ShareType {
    /// An extra spec that says yes.
    pub(super) fn has(&self, spec: &str) -> bool {
        self.extra_specs.get(spec).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Shares live on servers of their own in a share network.
    pub(super) fn handles_servers(&self) -> bool {
        self.has("driver_handles_share_servers")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ShareNetwork {
    pub(super) id: String,
    pub(super) project_id: String,
    pub(super) name: Option<String>,
    pub(super) created_at: String,
}

/// What a user is told about a failure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) project_id: String,
    pub(super) resource_type: String,
    pub(super) resource_id: String,
    pub(super) action_id: String,
    pub(super) detail_id: String,
    /// Of the request that failed.
    pub(super) request_id: String,
    pub(super) created_at: String,
}

/// Everything the service remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) shares: BTreeMap<String, Share>,
    pub(super) share_rules: BTreeMap<String, Rule>,
    pub(super) share_snapshots: BTreeMap<String, Snapshot>,
    pub(super) share_networks: BTreeMap<String, ShareNetwork>,
    pub(super) share_messages: BTreeMap<String, Message>,
    pub(super) share_types: BTreeMap<String, ShareType>,
    pub(super) share_quotas: BTreeMap<String, Quota>,
    pub(super) serial: u64,
}

impl State {
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A share the caller may see: its project's, or a public one.
    pub(super) fn share(&self, caller: &Caller, id: &str) -> Result<&Share, Fault> {
        let found = self.shares.get(id).filter(|share| share.is_public || owns(caller, &share.project_id));
        found.ok_or_else(|| Fault::absent("Share", id))
    }

    /// A share the caller may change. 403 for a public one of others.
    pub(super) fn own_share(&mut self, caller: &Caller, id: &str) -> Result<&mut Share, Fault> {
        self.share(caller, id)?;
        let found = self.shares.get_mut(id).filter(|share| owns(caller, &share.project_id));
        found.ok_or_else(|| {
            Fault::new(StatusCode::FORBIDDEN, "Policy does not allow this on the share of others.")
        })
    }

    pub(super) fn snapshot(&self, caller: &Caller, id: &str) -> Result<&Snapshot, Fault> {
        let found = self.share_snapshots.get(id).filter(|snapshot| owns(caller, &snapshot.project_id));
        found.ok_or_else(|| Fault::absent("Share snapshot", id))
    }

    /// A rule of a share the caller may see.
    pub(super) fn rule(&self, caller: &Caller, id: &str) -> Result<&Rule, Fault> {
        let found = self.share_rules.get(id).filter(|rule| self.share(caller, &rule.share_id).is_ok());
        found.ok_or_else(|| Fault::absent("Share access rule", id))
    }

    /// Of one share, oldest first.
    pub(super) fn rules_of(&self, share_id: &str) -> Vec<&Rule> {
        let mut found: Vec<_> = self.share_rules.values().filter(|rule| rule.share_id == share_id).collect();
        found.sort_by_key(|rule| rule.serial);
        found
    }

    /// `active`, `syncing` or `error` over all rules of a share.
    pub(super) fn rules_status(&self, share_id: &str) -> &'static str {
        let states: Vec<_> = self.rules_of(share_id).iter().map(|rule| rule.state).collect();
        if states.contains(&RuleState::Error) {
            "error"
        } else if states.iter().all(|state| *state == RuleState::Active) {
            "active"
        } else {
            "syncing"
        }
    }

    /// By name or id.
    pub(super) fn share_type(&self, name: &str) -> Option<&ShareType> {
        self.share_types.get(name).or_else(|| self.share_types.values().find(|kind| kind.name == name))
    }
}

/// The caller's project's, or anybody's to an administrator.
pub(super) fn owns(caller: &Caller, project_id: &str) -> bool {
    caller.is_admin || caller.project_id == project_id
}

/// A new identifier.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
