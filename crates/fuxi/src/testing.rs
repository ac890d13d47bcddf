//! A cloud and a host in one small state machine, which fails, loses an answer or kills its caller at the n-th call,
//! and notes every crime against data.

mod cloud;
mod disk;
mod host;
mod server;
mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host_storage::{Error as HostError, Root, Subdirectory};
use openstack::block_storage::{Attachment, NewVolume, Snapshot, Volume, VolumeType};
use openstack::{ApiError, Error as CloudError};
use serde_json::Value;

pub(crate) use disk::off_the_workers;
pub(crate) use server::SERVER;

use crate::{Content, Device, HostResult, Nova, Service, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Fails,
    AnswerLost,
    DiesBefore,
    DiesAfter,
    /// Sent, not done, and nobody said so.
    Unanswered,
    /// A conflict; on the host, somebody is busy with it.
    Refused,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Fails, Self::AnswerLost, Self::DiesBefore, Self::DiesAfter];
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) attachments: BTreeMap<String, Attachment>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) types: Vec<VolumeType>,
    /// The bodies of creations.
    pub(crate) asked: Vec<NewVolume>,
    pub(crate) snapshots_are_kept: bool,
    /// Volumes in the making that come to nothing.
    pub(crate) failing: BTreeSet<String>,
    /// Volumes whose root holds REX-Ray's directory and nothing else.
    pub(crate) rex_rays: BTreeSet<String>,
    /// What roots were given.
    pub(crate) roots: BTreeMap<String, (Root, Subdirectory)>,
    /// Words of mounts and mkfs, by volume.
    pub(crate) mount_words: BTreeMap<String, String>,
    pub(crate) mkfs_words: BTreeMap<String, String>,
    /// What attachments' connectors called their mountpoints.
    pub(crate) devices: BTreeMap<String, String>,
    /// The next attachment is only reserved until somebody has looked so often: the storage takes its time.
    pub(crate) slow_export: Option<u32>,
    /// Nova's answers are for another project.
    pub(crate) nova_is_blind: bool,
    /// Nova's word for the state of the other server, which may have a volume; `None`: there is no such server.
    pub(crate) other_server: Option<&'static str>,
    /// What Cinder says of its last failure.
    pub(crate) explanation: Option<String>,
    pub(crate) content: BTreeMap<String, Content>,
    /// Mountpoint name to volume.
    pub(crate) mounts: BTreeMap<String, String>,
    /// Volumes whose devices are on the host.
    pub(crate) connected: BTreeSet<String>,
    /// Volumes whose filesystems were grown, and to how many bytes.
    pub(crate) grown: BTreeMap<String, u64>,
    /// What containers wrote and synced, by volume or share.
    pub(crate) data: BTreeMap<String, Vec<u64>>,
    /// No device can be read.
    pub(crate) unreadable: bool,
    /// No device answers.
    pub(crate) storage_away: bool,
    /// Volumes that a container shows.
    pub(crate) users: BTreeSet<String>,
    /// Volumes that hold a user's data: a Mount of theirs was answered, or are the user's own.
    pub(crate) precious: BTreeSet<String>,
    /// Volumes whose devices do not come as long as they are here.
    pub(crate) hanging: BTreeSet<String>,
    pub(crate) boot_id: String,
    pub(crate) cloud_calls: Vec<String>,
    pub(crate) host_calls: Vec<String>,
    pub(crate) crimes: Vec<String>,
    pub(crate) plan: Option<(usize, Fault)>,
    pub(crate) cloud_down: bool,
    pub(crate) manila: shares::Manila,
    pub(crate) quota: bool,
    pub(crate) next_create_errors: bool,
    pub(crate) next_create_encrypts: bool,
    /// The host is a server of Nova's.
    pub(crate) in_server: bool,
    /// It cannot tell which.
    pub(crate) stranger: bool,
    /// Volumes that Nova knows at the server.
    pub(crate) server_disks: BTreeSet<String>,
    /// What Nova answers to the next orders.
    pub(crate) server_refuses: Option<(u16, &'static str)>,
    pub(crate) next_disk_vanishes: bool,
    pub(crate) next_disk_is_kept: bool,
    /// No disk moves.
    pub(crate) disks_stick: bool,
    /// Nor does one for so many looks.
    pub(crate) disks_wait: u32,
    /// The next order to attach is lost, and carried out when somebody looks.
    pub(crate) late_attach: bool,
    /// The volume of that order, and how many looks it takes still.
    pub(crate) late_volume: Option<(String, u32)>,
    dead: bool,
    next: u32,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) state: Mutex<State>,
    pub(crate) death: tokio::sync::Notify,
    pub(crate) journal: journal::StateDir,
    _dir: tempfile::TempDir,
}

pub(crate) use shares::{SHARE, rule, share, share_settings};

pub(crate) const ADOPTABLE: &str = "aaaaaaaa-0000-4000-8000-000000000001";

pub(crate) fn settings() -> Settings {
    Settings {
        detach_delay: Duration::ZERO,
        doubt_delay: Duration::ZERO,
        answer_within: Duration::from_secs(20),
        poll_first: Duration::from_millis(1),
        poll_longest: Duration::from_millis(1),
        lost_after: Duration::ZERO,
        reserved_for: Duration::ZERO,
        starts_within: Duration::ZERO,
        cloud_patience: Duration::from_millis(500),
        server_patience: Duration::from_millis(300),
        sweep_every: None,
        ..Settings::default()
    }
}

pub(crate) fn volume(id: &str, name: &str, status: &str) -> Volume {
    Volume {
        id: id.into(),
        name: name.into(),
        size: 2,
        status: status.into(),
        metadata: BTreeMap::from([("purpose".into(), "books".into())]),
        attachments: Vec::new(),
        multiattach: false,
        encrypted: false,
        volume_type: None,
        availability_zone: None,
        snapshot_id: None,
        source_volid: None,
        bootable: "false".into(),
        created_at: "2026-01-02T03:04:05.000000".into(),
    }
}

pub(crate) fn foreign_filesystem() -> Content {
    Content::Filesystem { kind: "xfs".into(), uuid: "12345678-1234-1234-1234-123456789012".into() }
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Self::in_dir(tempfile::tempdir().unwrap())
    }

    /// Its journal is in memory, which makes thousands of worlds affordable.
    pub(crate) fn in_memory() -> Arc<Self> {
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self::in_dir(dir.unwrap())
    }

    fn in_dir(dir: tempfile::TempDir) -> Arc<Self> {
        let journal = journal::StateDir::open(dir.path()).unwrap();
        let world = Self { state: Mutex::default(), death: tokio::sync::Notify::new(), journal, _dir: dir };
        let mut state = world.state();
        state.boot_id = "boot-1".into();
        state.volumes.insert(ADOPTABLE.into(), volume(ADOPTABLE, "old", "available"));
        state.content.insert(ADOPTABLE.into(), foreign_filesystem());
        state.precious.insert(ADOPTABLE.into());
        state.manila.add(share(SHARE, "old", "available"));
        drop(state);
        Arc::new(world)
    }

    pub(crate) fn in_server() -> Arc<Self> {
        let world = Self::new();
        world.state().in_server = true;
        world
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn service(self: &Arc<Self>) -> Service {
        self.service_with(settings())
    }

    /// A new process on the same journal.
    pub(crate) fn service_with(self: &Arc<Self>, settings: Settings) -> Service {
        let mut state = self.state();
        (state.dead, state.plan) = (false, None);
        let in_server = state.in_server;
        drop(state);
        if in_server {
            let nova = Nova { servers: self.clone(), identity: self.clone() };
            return Service::open_in_server(settings, &self.journal, self.clone(), self.clone(), nova)
                .unwrap();
        }
        Service::open(settings, &self.journal, self.clone(), self.clone()).unwrap()
    }

    pub(crate) fn plan(&self, nth: usize, fault: Fault) {
        self.state().plan = Some((nth, fault));
    }

    /// Whether the planned fault has happened; forgets it either way.
    pub(crate) fn fault_happened(&self) -> bool {
        self.state().plan.take().is_none()
    }

    pub(crate) fn cloud_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().cloud_calls)
    }

    pub(crate) fn journal_is_empty(&self) -> bool {
        ["volumes", "shares"]
            .iter()
            .all(|c| self.journal.collection::<Value>(c).unwrap().load().unwrap().entries.is_empty())
    }

    async fn step<T, E>(
        &self,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
        failed: impl Fn(Fault) -> E,
    ) -> Result<T, E> {
        let (fault, result) = {
            let mut state = self.state();
            let fault = state.next_fault();
            let spared = fault.filter(|f| !matches!(f, Fault::AnswerLost | Fault::DiesAfter));
            (fault, spared.map_or_else(|| effect(&mut state), |fault| Err(failed(fault))))
        };
        match fault {
            Some(Fault::DiesBefore | Fault::DiesAfter) => {
                // One permit: a second would take the next operation for dead, which would go on beside its successor.
                self.death.notify_one();
                std::future::pending().await
            }
            Some(fault @ Fault::AnswerLost) => Err(failed(fault)),
            _ => result,
        }
    }

    async fn cloud<T>(
        &self,
        what: &str,
        effect: impl FnOnce(&mut State) -> Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        let what = what.to_owned();
        let down = self.state().cloud_down;
        self.state().cloud_calls.push(what.clone());
        let failed = |fault: Fault| match fault {
            Fault::Refused => refused(409, "Conflict"),
            _ => CloudError::Unreachable {
                service: "block-storage",
                operation: what.clone(),
                url: "http://cinder".into(),
                reason: "connection reset".into(),
                sent: matches!(fault, Fault::AnswerLost | Fault::Unanswered),
            },
        };
        if down {
            return Err(failed(Fault::Fails));
        }
        self.step(effect, failed).await
    }

    async fn host<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut State) -> HostResult<T>,
    ) -> HostResult<T> {
        self.state().host_calls.push(what.into());
        let failed = |fault: Fault| match fault {
            Fault::Refused => HostError::Busy { path: "/dev/loop9".into() },
            _ => HostError::Io {
                action: what,
                path: "/dev/loop9".into(),
                source: std::io::Error::other("I/O"),
            },
        };
        self.step(effect, failed).await
    }
}

pub(crate) fn refused(status: u16, message: &str) -> CloudError {
    CloudError::Api(Box::new(ApiError {
        service: "block-storage",
        operation: "call".into(),
        status,
        kind: String::new(),
        message: message.into(),
        request_id: String::new(),
    }))
}

impl State {
    /// The fault of the step that begins now.
    fn next_fault(&mut self) -> Option<Fault> {
        if self.dead {
            return Some(Fault::DiesBefore);
        }
        let (left, fault) = self.plan?;
        self.plan = left.checked_sub(1).map(|left| (left, fault));
        let fault = (left == 0).then_some(fault);
        self.dead = matches!(fault, Some(Fault::DiesBefore | Fault::DiesAfter));
        fault
    }

    /// The process was killed, and no other one runs yet.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    fn find(&mut self, id: &str) -> Result<&mut Volume, CloudError> {
        self.volumes.get_mut(id).ok_or_else(|| refused(404, "no such volume"))
    }

    /// Time passes whenever somebody looks.
    fn look(&mut self) {
        self.move_disks();
        let gone: Vec<_> =
            self.volumes.values().filter(|v| v.status == "deleting").map(|v| v.id.clone()).collect();
        for id in gone {
            self.volumes.remove(&id);
            self.content.remove(&id);
            self.data.remove(&id);
            self.precious.remove(&id);
        }
        for volume in self.volumes.values_mut().filter(|v| v.status == "creating") {
            volume.status = if self.failing.contains(&volume.id) { "error" } else { "available" }.into();
        }
        for snapshot in self.snapshots.values_mut() {
            snapshot.status = "available".into();
        }
    }

    /// One look at storage that takes its time.
    fn export_slowly(&mut self) {
        let Some(looks) = self.slow_export else { return };
        let status = if looks == 0 { "attaching" } else { "reserved" };
        for attachment in
            self.attachments.values_mut().filter(|a| a.instance.is_none() && a.status != "attached")
        {
            attachment.status = status.into();
        }
        self.slow_export = looks.checked_sub(1);
    }

    fn check_exported(&self, device: &Device) -> HostResult<()> {
        // The disk of a server is there when Nova says so; an export is there at once.
        let here = |a: &Attachment| a.instance.is_none() || a.status == "attached";
        if !self.storage_away && self.attachments.values().any(|a| a.volume_id == device.volume && here(a)) {
            return Ok(());
        }
        Err(HostError::NotABlockDevice { path: device.path.clone() })
    }
}
