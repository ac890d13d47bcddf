//! What the journal knows about a volume.

use std::collections::BTreeMap;

use host_storage::Filesystem;
use host_storage::connector::Link;
use openstack::block_storage::Volume;
use serde::{Deserialize, Serialize};

use crate::Device;
use crate::marks::{FSTYPE, INHERITED, Marks, PENDING};
use crate::request::Request;

/// Where a volume comes from, which decides how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// Made by us: Remove deletes it.
    Created,
    /// The user's: Remove gives it back.
    Adopted,
    /// Carries the label without the rest: used, never formatted, never deleted.
    Unknown,
}

/// The step being taken, written before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// `POST volumes` may have been sent.
    Creating,
    /// Our keys may have been written.
    Adopting,
    /// At rest, not attached.
    Ready,
    /// `POST attachments` may have been sent.
    Attaching,
    /// Attached; mounted if the attachment says so.
    Attached,
    /// Being unmounted and detached.
    Detaching,
    /// `DELETE volume` may have been sent.
    Deleting,
    /// Our keys are being taken away.
    GivingBack,
}

/// How a volume is attached to this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attached {
    /// The boot during which device and mount are meaningful.
    pub(crate) boot_id: String,
    /// What this very attempt calls itself to Cinder, so that its attachment is known again if the answer is lost.
    #[serde(default)]
    pub(crate) claim: String,
    /// Cinder's id; absent while the call is under way.
    pub(crate) id: Option<String>,
    /// The server that Nova attached it to; written before Nova is asked. Without one the attachment is this host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// How it is connected; written before anything is.
    #[serde(default)]
    pub(crate) link: Option<Link>,
    /// The proven device.
    pub(crate) device: Option<Device>,
    /// The filesystem that is mounted.
    pub(crate) mounted: Option<Filesystem>,
}

/// A journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) stage: Stage,
    pub(crate) origin: Origin,
    /// Cinder's id; absent while the volume is being made.
    pub(crate) volume_id: Option<String>,
    pub(crate) request: Request,
    /// Which request made it (see the mark of that name).
    pub(crate) token: String,
    /// Seconds since 1970 when the entry was first written.
    pub(crate) since: i64,
    /// GiB.
    pub(crate) size: u64,
    /// The format mark as far as we know it.
    pub(crate) format: String,
    /// A format was begun here, so the mark in the cloud may be newer than ours.
    #[serde(default)]
    pub(crate) format_begun: bool,
    pub(crate) multiattach: bool,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) created_at: String,
    /// The volume that `snapshot_of` named; written before anything is made of it.
    #[serde(default)]
    pub(crate) copied_from: Option<String>,
    /// Adopted: the values of the user's that our keys replaced.
    pub(crate) before: BTreeMap<String, String>,
    /// Docker's mount ids and how often each was announced.
    pub(crate) references: BTreeMap<String, u32>,
    /// The references are hints only; the kernel decides.
    pub(crate) doubtful: bool,
    pub(crate) attached: Option<Attached>,
    /// Known from Cinder's mark only: leaves the journal when it is detached.
    pub(crate) visiting: bool,
    /// The last failure, for `status`.
    #[serde(default)]
    pub(crate) trouble: Option<String>,
}

impl Record {
    pub(crate) fn new(name: &str, stage: Stage, origin: Origin, request: Request) -> Self {
        Self {
            name: name.to_owned(),
            stage,
            origin,
            volume_id: None,
            size: request.size.unwrap_or_default(),
            request,
            token: uuid::Uuid::new_v4().hyphenated().to_string(),
            since: jiff::Timestamp::now().as_second(),
            format: String::new(),
            format_begun: false,
            multiattach: false,
            volume_type: None,
            availability_zone: None,
            created_at: String::new(),
            copied_from: None,
            before: BTreeMap::new(),
            references: BTreeMap::new(),
            doubtful: false,
            attached: None,
            visiting: false,
            trouble: None,
        }
    }

    /// A volume that another host made or adopted, or whose journal entry is lost.
    pub(crate) fn of_marked(marks: &Marks, name: &str, volume: &Volume) -> Self {
        let mut record = Self::new(name, Stage::Ready, marks.origin(volume), Request::default());
        record.token = volume.metadata.get(&marks.request).cloned().unwrap_or_default();
        record.before = marks.before_of(volume);
        record.visiting = true;
        record.request = marks.request_of(volume);
        record.copied_from = marks.copied_from(volume);
        if record.origin == Origin::Created {
            // What its maker asked for, or of a copy what was found on it; the mount goes by what is on the device.
            let marked = volume.metadata.get(FSTYPE).and_then(|f| Filesystem::named(f));
            record.request.filesystem = record.request.filesystem.or(marked);
            record.request.snapshot_id.clone_from(&volume.snapshot_id);
            record.request.source_volid.clone_from(&volume.source_volid);
        }
        record.learn(marks, volume);
        record
    }

    /// Takes over what Cinder says.
    pub(crate) fn learn(&mut self, marks: &Marks, volume: &Volume) {
        self.volume_id = Some(volume.id.clone());
        self.size = volume.size;
        self.multiattach = volume.multiattach;
        self.volume_type.clone_from(&volume.volume_type);
        self.availability_zone.clone_from(&volume.availability_zone);
        self.created_at.clone_from(&volume.created_at);
        if self.origin == Origin::Created {
            self.format = marks.format_of(volume);
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.volume_id.as_deref().unwrap_or("(not made yet)")
    }

    /// The filesystem we would make, or made.
    pub(crate) fn filesystem(&self, default: Filesystem) -> Filesystem {
        let marked = self.format.split_once(':').and_then(|(f, _)| f.parse().ok());
        marked.or(self.request.filesystem).unwrap_or(default)
    }

    /// We made it and nobody formatted it yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.origin == Origin::Created && self.format == PENDING && !self.request.is_copy()
    }

    /// Seconds since the entry was first written; a clock that was set back counts as old.
    pub(crate) fn age(&self) -> i64 {
        let age = jiff::Timestamp::now().as_second().saturating_sub(self.since);
        if age < 0 { i64::MAX } else { age }
    }

    /// We made it out of other blocks.
    pub(crate) fn is_inherited(&self) -> bool {
        self.origin == Origin::Created && self.format.split(':').next() == Some(INHERITED)
    }

    /// What of the request contradicts the volume.
    pub(crate) fn conflict(&self, request: &Request, default: Filesystem) -> Option<&'static str> {
        let differs = |asked: &Option<String>, made: &Option<String>, found: &Option<String>| {
            asked.is_some() && asked != made && asked != found
        };
        if request.volume_id.is_some()
            && (request.volume_id != self.volume_id || self.origin == Origin::Created)
        {
            Some("volume_id")
        } else if request.size.is_some_and(|s| s != self.size) {
            Some("size")
        } else if self.origin == Origin::Created
            && !self.request.is_copy()
            && request.filesystem.is_some_and(|f| f != self.filesystem(default))
        {
            Some("fstype")
        } else if differs(&request.volume_type, &self.request.volume_type, &self.volume_type) {
            Some("volume_type")
        } else if differs(
            &request.availability_zone,
            &self.request.availability_zone,
            &self.availability_zone,
        ) {
            Some("availability_zone")
        } else if request.snapshot_id.is_some() && request.snapshot_id != self.request.snapshot_id {
            Some("snapshot_id")
        } else if request.source_volid.is_some() && request.source_volid != self.request.source_volid {
            Some("source_volid")
        } else {
            self.conflict_of_use(request)
        }
    }

    /// What of the request contradicts how the volume is used.
    fn conflict_of_use(&self, request: &Request) -> Option<&'static str> {
        let made = &self.request;
        let copies = &request.snapshot_of;
        let root = (request.uid, request.gid, request.mode);
        if copies.is_some() && *copies != made.snapshot_of && *copies != self.copied_from {
            Some("snapshot_of")
        } else if request.multiattach.is_some_and(|m| m != self.multiattach && made.multiattach != Some(m)) {
            Some("multiattach")
        } else if request.read_only.is_some_and(|ro| ro != made.is_reader()) {
            Some("ro")
        } else if request.subdirectory.is_some() && request.subdirectory != made.subdirectory {
            Some("subdir")
        } else if request.mount_options.is_some() && request.mount_options != made.mount_options {
            Some("mountopts")
        } else if request.mkfs_options.is_some() && request.mkfs_options != made.mkfs_options {
            Some("mkfsopts")
        } else if root != (None, None, None) && root != (made.uid, made.gid, made.mode) {
            Some("uid, gid or mode")
        } else {
            None
        }
    }

    /// The filesystem on it is one that we make, or made.
    pub(crate) fn is_ours_by_mark(&self) -> bool {
        self.origin == Origin::Created && !self.is_inherited() && !self.request.is_copy()
    }

    /// It is only ever read, here and everywhere.
    pub(crate) fn is_reader(&self) -> bool {
        self.request.is_reader()
    }

    /// Several hosts may write to it, because it was asked for with a filesystem made for that.
    pub(crate) fn is_shared(&self) -> bool {
        self.request.filesystem.is_some_and(Filesystem::is_shared)
    }

    /// Below its mountpoint.
    pub(crate) fn subdirectory(&self) -> Option<&str> {
        self.request.subdirectory.as_deref().filter(|s| *s != "/")
    }

    pub(crate) fn mounted(&self) -> bool {
        self.stage == Stage::Attached && self.attached.as_ref().is_some_and(|a| a.mounted.is_some())
    }
}
