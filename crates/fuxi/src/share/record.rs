//! What the journal knows about a share.

use std::collections::BTreeMap;

use host_storage::shares::{Protocol, Root};
use openstack::shared_file_systems::Share;
use serde::{Deserialize, Serialize};

use super::marks::Marks;
use super::request::{How, ShareRequest};
use crate::ledger::Entry;
use crate::record::Origin;

/// The step being taken, written before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// `POST shares` may have been sent.
    Creating,
    /// Our keys may have been written.
    Adopting,
    /// At rest, not mounted.
    Ready,
    /// A rule may have been asked for, a mount may have been made.
    Mounting,
    /// Mounted.
    Mounted,
    /// Being unmounted, its rule being ended.
    Unmounting,
    /// `DELETE share` may have been sent.
    Deleting,
    /// Our keys are being taken away.
    GivingBack,
}

/// The access rule this host uses the share by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// Manila's id; absent while the call is under way.
    pub(crate) id: Option<String>,
    /// We made it, and end it.
    pub(crate) ours: bool,
    /// The mark of the request that made it.
    pub(crate) token: String,
}

/// Where a share is mounted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mounted {
    /// The boot during which Docker's references are meaningful.
    pub(crate) boot_id: String,
    /// The export, as Manila named it.
    pub(crate) export: String,
}

/// A journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShareRecord {
    pub(crate) name: String,
    pub(crate) stage: Stage,
    pub(crate) origin: Origin,
    /// Manila's id; absent while the share is being made.
    pub(crate) share_id: Option<String>,
    pub(crate) request: ShareRequest,
    /// Which request made it (see the mark of that name).
    pub(crate) token: String,
    /// Seconds since 1970 when the entry was first written.
    pub(crate) since: i64,
    /// GiB.
    pub(crate) size: u64,
    /// Manila's word, for it may be one we cannot mount.
    pub(crate) protocol: String,
    pub(crate) share_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) created_at: String,
    pub(crate) how: How,
    /// What its root is still to get.
    #[serde(default)]
    pub(crate) root: Root,
    /// Adopted: the values of the user's that our keys replaced.
    pub(crate) before: BTreeMap<String, String>,
    /// Docker's mount ids and how often each was announced.
    pub(crate) references: BTreeMap<String, u32>,
    /// The references are hints only; the kernel decides.
    pub(crate) doubtful: bool,
    pub(crate) rule: Option<Rule>,
    pub(crate) mounted: Option<Mounted>,
    /// Known from Manila's mark only: leaves the journal when it is unmounted.
    pub(crate) visiting: bool,
    /// A visitor has marked it as used.
    #[serde(default)]
    pub(crate) marked_used: bool,
    /// The last failure, for `status`.
    #[serde(default)]
    pub(crate) trouble: Option<String>,
}

impl Entry for ShareRecord {
    const COLLECTION: &'static str = "shares";
    fn name(&self) -> &str {
        &self.name
    }
}

impl ShareRecord {
    pub(crate) fn new(name: &str, stage: Stage, origin: Origin, request: ShareRequest) -> Self {
        Self {
            name: name.to_owned(),
            stage,
            origin,
            share_id: None,
            size: request.size.unwrap_or_default(),
            how: request.how(),
            root: request.root,
            protocol: request.protocol.map(|p| p.name().to_owned()).unwrap_or_default(),
            request,
            token: uuid::Uuid::new_v4().hyphenated().to_string(),
            since: jiff::Timestamp::now().as_second(),
            share_type: None,
            availability_zone: None,
            snapshot_id: None,
            created_at: String::new(),
            before: BTreeMap::new(),
            references: BTreeMap::new(),
            doubtful: false,
            rule: None,
            mounted: None,
            visiting: false,
            marked_used: false,
            trouble: None,
        }
    }

    /// A share that another host made or adopted, or whose journal entry is lost.
    pub(crate) fn of_marked(marks: &Marks, name: &str, share: &Share) -> Self {
        let mut record = Self::new(name, Stage::Ready, marks.origin(share), ShareRequest::default());
        record.token = share.metadata.get(&marks.request).cloned().unwrap_or_default();
        record.before = marks.before_of(share);
        record.visiting = true;
        record.how = marks.how_of(share);
        record.learn(marks, share);
        if record.origin == Origin::Created {
            record.root = marks.root_of(share);
        }
        record.marked_used = share.metadata.contains_key(&marks.used);
        record
    }

    /// Takes over what Manila says.
    pub(crate) fn learn(&mut self, marks: &Marks, share: &Share) {
        self.share_id = Some(share.id.clone());
        self.size = share.size;
        self.protocol = share.share_proto.to_ascii_uppercase();
        self.share_type = share.share_type_name.clone().or_else(|| share.share_type.clone());
        self.availability_zone.clone_from(&share.availability_zone);
        self.snapshot_id.clone_from(&share.snapshot_id);
        self.created_at.clone_from(&share.created_at);
        self.marked_used |= share.metadata.contains_key(&marks.used);
    }

    pub(crate) fn id(&self) -> &str {
        self.share_id.as_deref().unwrap_or("(not made yet)")
    }

    /// How it is spoken to, if we can.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        Protocol::of_name(&self.protocol)
    }

    /// Seconds since the entry was first written; a clock that was set back counts as old.
    pub(crate) fn age(&self) -> i64 {
        let age = jiff::Timestamp::now().as_second().saturating_sub(self.since);
        if age < 0 { i64::MAX } else { age }
    }

    pub(crate) fn is_mounted(&self) -> bool {
        self.stage == Stage::Mounted && self.mounted.is_some()
    }

    /// Half-made shares are nobody's yet.
    pub(crate) fn is_visible(&self) -> bool {
        !matches!(self.stage, Stage::Creating | Stage::Adopting)
    }

    /// What of the request contradicts the share.
    pub(crate) fn conflict(&self, request: &ShareRequest) -> Option<&'static str> {
        let differs = |asked: &Option<String>, made: &Option<String>, found: &Option<String>| {
            asked.is_some() && asked != made && asked != found
        };
        let how = request.how();
        let asked_root = request.root;
        if request.volume_id.is_some()
            && (request.volume_id != self.share_id || self.origin == Origin::Created)
        {
            Some("volume_id")
        } else if request.size.is_some_and(|s| s != self.size) {
            Some("size")
        } else if request.protocol.is_some() && request.protocol != self.protocol() {
            Some("share_proto")
        } else if differs(&request.share_type, &self.request.share_type, &self.share_type) {
            Some("share_type")
        } else if differs(
            &request.availability_zone,
            &self.request.availability_zone,
            &self.availability_zone,
        ) {
            Some("availability_zone")
        } else if differs(&request.snapshot_id, &self.request.snapshot_id, &self.snapshot_id) {
            Some("snapshot_id")
        } else if request.mount_options.is_some() && how.options != self.how.options {
            Some("mountopts")
        } else if request.subdir.is_some() && how.subdir != self.how.subdir {
            Some("subdir")
        } else if request.read_only.is_some() && how.read_only != self.how.read_only {
            Some("ro")
        } else if !self.visiting && !asked_root.is_empty() && asked_root != self.request.root {
            Some("uid, gid or mode")
        } else {
            None
        }
    }
}
