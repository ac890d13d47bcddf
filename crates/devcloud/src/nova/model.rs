//! What the service remembers. This is also the form in which it is saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::cinder::Fault;

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ServerStatus {
    Active,
    Shutoff,
    Paused,
    Build,
    Error,
    Deleted,
}

impl ServerStatus {
    /// Disks may come and go.
    pub(super) fn takes_disks(self) -> bool {
        matches!(self, Self::Active | Self::Shutoff | Self::Paused)
    }

    /// As refusals name it.
    pub(super) fn vm_state(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Shutoff => "stopped",
            Self::Paused => "paused",
            Self::Build => "building",
            Self::Error => "error",
            Self::Deleted => "deleted",
        }
    }
}

/// Where a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DiskStage {
    Arriving,
    There,
    Leaving,
}

/// A volume of a server (a block device mapping).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Disk {
    pub(super) volume_id: String,
    /// Cinder's.
    pub(super) attachment_id: String,
    pub(super) bdm_uuid: String,
    /// A guess, as Nova's.
    pub(super) device: String,
    pub(super) stage: DiskStage,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) project_id: String,
    pub(super) status: ServerStatus,
    pub(super) host: String,
    pub(super) created_at: String,
    pub(super) disks: Vec<Disk>,
}

impl Server {
    /// The first device letter that nothing has; `vda` is the server's own disk.
    pub(super) fn free_device(&self) -> String {
        let name = |n: usize| {
            let mut letters = String::new();
            let mut rest = n + 1;
            while rest > 0 {
                rest -= 1;
                letters.insert(0, char::from(b'a' + u8::try_from(rest % 26).unwrap_or_default()));
                rest /= 26;
            }
            format!("/dev/vd{letters}")
        };
        (1..).map(name).find(|name| self.disks.iter().all(|d| d.device != *name)).unwrap_or_default()
    }
}

/// Everything the service remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(default)]
    pub(super) servers: BTreeMap<String, Server>,
}

impl State {
    /// A server the caller may see.
    pub(super) fn server(&self, caller: &Caller, id: &str) -> Result<&Server, Fault> {
        let found = self.servers.get(id).filter(|s| caller.is_admin || caller.project_id == s.project_id);
        found.ok_or_else(|| Fault::not_found(format!("Instance {id} could not be found.")))
    }

    pub(super) fn disk_mut(&mut self, server_id: &str, volume_id: &str) -> Option<&mut Disk> {
        self.servers.get_mut(server_id)?.disks.iter_mut().find(|d| d.volume_id == volume_id)
    }

    pub(super) fn drop_disk(&mut self, server_id: &str, volume_id: &str) {
        if let Some(server) = self.servers.get_mut(server_id) {
            server.disks.retain(|d| d.volume_id != volume_id);
        }
    }
}
