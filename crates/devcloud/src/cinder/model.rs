//! What the service remembers. This is also the form in which it is saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::options::Quota;
use crate::caller::Caller;
use crate::clock::naive_now;
use crate::words::words;

/// Keys and values of a resource.
pub(super) type Metadata = BTreeMap<String, String>;

words! {
    /// Where a volume is in its life.
    VolumeStatus {
        Creating = "creating",
        Available = "available",
        Reserved = "reserved",
        Attaching = "attaching",
        InUse = "in-use",
        Detaching = "detaching",
        Deleting = "deleting",
        Extending = "extending",
        Maintenance = "maintenance",
        Error = "error",
        ErrorDeleting = "error_deleting",
        ErrorExtending = "error_extending",
        ErrorManaging = "error_managing",
        ErrorRestoring = "error_restoring",
    }
}

words! {
    /// Where an attachment is in its life; a deleted one is forgotten.
    AttachStatus {
        Reserved = "reserved",
        Attaching = "attaching",
        Attached = "attached",
        Detaching = "detaching",
        ErrorAttaching = "error_attaching",
        ErrorDetaching = "error_detaching",
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
pub(super) struct Volume {
    pub(super) id: String,
    /// Order of creation.
    pub(super) serial: u64,
    pub(super) project_id: String,
    pub(super) user_id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// GiB.
    pub(super) size: u64,
    pub(super) status: VolumeStatus,
    /// What an extension returns to.
    pub(super) previous: Option<VolumeStatus>,
    pub(super) metadata: Metadata,
    pub(super) multiattach: bool,
    pub(super) bootable: bool,
    pub(super) encrypted: bool,
    pub(super) readonly: Option<bool>,
    pub(super) type_id: String,
    pub(super) availability_zone: String,
    pub(super) snapshot_id: Option<String>,
    pub(super) source_volid: Option<String>,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attachment {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) volume_id: String,
    pub(super) project_id: String,
    pub(super) status: AttachStatus,
    pub(super) instance_uuid: Option<String>,
    pub(super) host: Option<String>,
    pub(super) mountpoint: Option<String>,
    pub(super) mode: String,
    pub(super) connector: Option<Map<String, Value>>,
    pub(super) connection_info: Map<String, Value>,
    pub(super) attached_at: Option<String>,
}

impl Attachment {
    /// One that is not connected yet.
    pub(super) fn reserved(
        state: &mut State,
        id: &str,
        volume_id: &str,
        project_id: &str,
        instance: Option<&str>,
        mode: &str,
    ) -> Self {
        Self {
            id: id.to_owned(),
            serial: state.next_serial(),
            volume_id: volume_id.to_owned(),
            project_id: project_id.to_owned(),
            status: AttachStatus::Reserved,
            instance_uuid: instance.map(str::to_owned),
            host: None,
            mountpoint: None,
            mode: mode.to_owned(),
            connector: None,
            connection_info: Map::new(),
            attached_at: None,
        }
    }

    /// The data path's export is in use by it.
    pub(super) fn is_connected(&self) -> bool {
        !self.connection_info.is_empty()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) volume_id: String,
    pub(super) project_id: String,
    pub(super) user_id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) size: u64,
    pub(super) status: SnapshotStatus,
    pub(super) metadata: Metadata,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VolumeType {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) extra_specs: Metadata,
    /// Provider, cipher, key size; `None`: plain.
    pub(super) encryption: Option<Map<String, Value>>,
}

impl VolumeType {
    pub(super) fn is_multiattach(&self) -> bool {
        self.extra_specs.get("multiattach").is_some_and(|spec| spec == "<is> True")
    }
}

/// Everything the service remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) attachments: BTreeMap<String, Attachment>,
    pub(super) snapshots: BTreeMap<String, Snapshot>,
    pub(super) types: BTreeMap<String, VolumeType>,
    #[serde(default)]
    pub(super) quotas: BTreeMap<String, Quota>,
    pub(super) serial: u64,
}

impl State {
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A volume the caller may see.
    pub(super) fn volume(&self, caller: &Caller, id: &str) -> Result<&Volume, Fault> {
        let found = self.volumes.get(id).filter(|v| sees(caller, &v.project_id));
        found.ok_or_else(|| Fault::absent("Volume", id))
    }

    pub(super) fn volume_mut(&mut self, caller: &Caller, id: &str) -> Result<&mut Volume, Fault> {
        let found = self.volumes.get_mut(id).filter(|v| sees(caller, &v.project_id));
        found.ok_or_else(|| Fault::absent("Volume", id))
    }

    pub(super) fn snapshot(&self, caller: &Caller, id: &str) -> Result<&Snapshot, Fault> {
        let found = self.snapshots.get(id).filter(|s| sees(caller, &s.project_id));
        found.ok_or_else(|| Fault::absent("Snapshot", id))
    }

    pub(super) fn attachment(&self, caller: &Caller, id: &str) -> Result<&Attachment, Fault> {
        let found = self.attachments.get(id).filter(|a| sees(caller, &a.project_id));
        found.ok_or_else(|| {
            Fault::not_found(format!(
                "Volume attachment could not be found with filter: attachment_id = {id}."
            ))
        })
    }

    /// Of one volume, oldest first.
    pub(super) fn attachments_of(&self, volume_id: &str) -> Vec<&Attachment> {
        let mut found: Vec<_> = self.attachments.values().filter(|a| a.volume_id == volume_id).collect();
        found.sort_by_key(|a| a.serial);
        found
    }

    pub(super) fn has_snapshots(&self, volume_id: &str) -> bool {
        self.snapshots.values().any(|s| s.volume_id == volume_id)
    }

    /// By name or id.
    pub(super) fn volume_type(&self, name: &str) -> Option<&VolumeType> {
        self.types.get(name).or_else(|| self.types.values().find(|t| t.name == name))
    }

    pub(super) fn type_name(&self, id: &str) -> Option<&str> {
        self.types.get(id).map(|t| t.name.as_str())
    }

    /// Makes a volume's status follow from the attachments it has left.
    pub(super) fn settle(&mut self, volume_id: &str) {
        let statuses: Vec<_> = self.attachments_of(volume_id).iter().map(|a| a.status).collect();
        let status = if statuses.contains(&AttachStatus::Attached) {
            VolumeStatus::InUse
        } else if statuses.contains(&AttachStatus::Attaching) {
            VolumeStatus::Attaching
        } else if statuses.is_empty() {
            VolumeStatus::Available
        } else {
            VolumeStatus::Reserved
        };
        if let Some(volume) = self.volumes.get_mut(volume_id)
            && volume.status != VolumeStatus::Deleting
        {
            volume.status = status;
        }
    }
}

fn sees(caller: &Caller, project_id: &str) -> bool {
    caller.is_admin || caller.project_id == project_id
}

/// Now, as Cinder writes it.
pub(super) fn now() -> String {
    naive_now()
}

/// A new identifier.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl SnapshotStatus {
    /// Nothing is being done to it.
    pub(super) fn is_settled(self) -> bool {
        matches!(self, Self::Available | Self::Error | Self::ErrorDeleting)
    }
}
