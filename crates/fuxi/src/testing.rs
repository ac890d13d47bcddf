//! A cloud and a host in one small state machine, which fails, loses an answer or kills its caller at the n-th call,
//! and notes every crime against data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use host_storage::{DeviceNumber, Error as HostError, Filesystem, Usage};
use openstack::block_storage::{Attachment, NewAttachment, NewVolume, Volume, VolumeAttachment};
use openstack::{ApiError, Error as CloudError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{BlockStorage, Content, Device, HostResult, HostStorage, Service, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Fails,
    AnswerLost,
    DiesBefore,
    DiesAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Fails, Self::AnswerLost, Self::DiesBefore, Self::DiesAfter];
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) attachments: BTreeMap<String, Attachment>,
    pub(crate) content: BTreeMap<String, Content>,
    /// Mountpoint name to volume.
    pub(crate) mounts: BTreeMap<String, String>,
    /// Volumes that a container shows.
    pub(crate) users: BTreeSet<String>,
    /// Volumes that hold a user's data: they were mounted at least once, or are the user's own.
    pub(crate) precious: BTreeSet<String>,
    pub(crate) boot_id: String,
    pub(crate) cloud_calls: Vec<String>,
    pub(crate) host_calls: Vec<String>,
    pub(crate) crimes: Vec<String>,
    pub(crate) plan: Option<(usize, Fault)>,
    pub(crate) cloud_down: bool,
    pub(crate) quota: bool,
    pub(crate) next_create_errors: bool,
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

pub(crate) const ADOPTABLE: &str = "aaaaaaaa-0000-4000-8000-000000000001";

pub(crate) fn settings() -> Settings {
    Settings {
        detach_delay: Duration::ZERO,
        doubt_delay: Duration::ZERO,
        answer_within: Duration::from_secs(20),
        poll_first: Duration::from_millis(1),
        poll_longest: Duration::from_millis(1),
        lost_after: Duration::ZERO,
        cloud_patience: Duration::from_millis(500),
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
        let dir = tempfile::tempdir().unwrap();
        let journal = journal::StateDir::open(dir.path()).unwrap();
        let world = Self { state: Mutex::default(), death: tokio::sync::Notify::new(), journal, _dir: dir };
        let mut state = world.state();
        state.boot_id = "boot-1".into();
        state.volumes.insert(ADOPTABLE.into(), volume(ADOPTABLE, "old", "available"));
        state.content.insert(ADOPTABLE.into(), foreign_filesystem());
        state.precious.insert(ADOPTABLE.into());
        drop(state);
        Arc::new(world)
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
        drop(state);
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
        self.journal.collection::<Value>("volumes").unwrap().load().unwrap().entries.is_empty()
    }

    async fn step<T, E>(
        &self,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
        failed: impl Fn(bool) -> E,
    ) -> Result<T, E> {
        let (fault, result) = {
            let mut state = self.state();
            let dead = state.dead;
            let fault = match &mut state.plan {
                _ if dead => Some(Fault::DiesBefore),
                Some((0, fault)) => {
                    let fault = *fault;
                    state.plan = None;
                    Some(fault)
                }
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            };
            state.dead |= matches!(fault, Some(Fault::DiesBefore | Fault::DiesAfter));
            let spared = matches!(fault, Some(Fault::Fails | Fault::DiesBefore));
            (fault, if spared { Err(failed(false)) } else { effect(&mut state) })
        };
        match fault {
            Some(Fault::DiesBefore | Fault::DiesAfter) => {
                self.death.notify_waiters();
                self.death.notify_one();
                std::future::pending().await
            }
            Some(Fault::AnswerLost) => Err(failed(true)),
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
        let failed = |sent: bool| CloudError::Unreachable {
            service: "block-storage",
            operation: what.clone(),
            url: "http://cinder".into(),
            reason: "connection reset".into(),
            sent,
        };
        if down {
            return Err(failed(false));
        }
        self.step(effect, failed).await
    }

    async fn host<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut State) -> HostResult<T>,
    ) -> HostResult<T> {
        self.state().host_calls.push(what.into());
        let failed = |_: bool| HostError::Io {
            action: what,
            path: "/dev/loop9".into(),
            source: std::io::Error::other("I/O"),
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
    fn find(&mut self, id: &str) -> Result<&mut Volume, CloudError> {
        self.volumes.get_mut(id).ok_or_else(|| refused(404, "no such volume"))
    }

    /// Time passes whenever somebody looks.
    fn look(&mut self) {
        let gone: Vec<_> =
            self.volumes.values().filter(|v| v.status == "deleting").map(|v| v.id.clone()).collect();
        for id in gone {
            self.volumes.remove(&id);
            self.content.remove(&id);
            self.precious.remove(&id);
        }
        for volume in self.volumes.values_mut().filter(|v| v.status == "creating") {
            volume.status = "available".into();
        }
    }

    fn check_exported(&self, device: &Device) -> HostResult<()> {
        if self.attachments.values().any(|a| a.volume_id == device.volume) {
            return Ok(());
        }
        Err(HostError::NotABlockDevice { path: device.path.clone() })
    }
}

#[async_trait]
impl BlockStorage for World {
    async fn list_volumes(&self, metadata: &[(&str, &str)]) -> openstack::Result<Vec<Volume>> {
        self.cloud("list volumes", |s| {
            let carries = |v: &&Volume| {
                metadata.iter().all(|(k, x)| v.metadata.get(*k).map(String::as_str) == Some(*x))
            };
            let found = s.volumes.values().filter(carries).cloned().collect();
            s.look();
            Ok(found)
        })
        .await
    }
    async fn get_volume(&self, id: &str) -> openstack::Result<Volume> {
        self.cloud("get volume", |s| {
            let found = s.find(id).cloned();
            s.look();
            found
        })
        .await
    }
    async fn create_volume(&self, new: &NewVolume) -> openstack::Result<Volume> {
        self.cloud("create volume", |s| {
            if s.quota {
                return Err(refused(413, "VolumeLimitExceeded: quota reached"));
            }
            s.next += 1;
            let id = format!("bbbbbbbb-0000-4000-8000-{:012}", s.next);
            let status = if std::mem::take(&mut s.next_create_errors) { "error" } else { "creating" };
            let mut made = volume(&id, &new.name, status);
            (made.size, made.metadata) = (new.size, new.metadata.clone());
            s.volumes.insert(id.clone(), made.clone());
            s.content.insert(id, Content::Blank);
            Ok(made)
        })
        .await
    }
    async fn delete_volume(&self, id: &str) -> openstack::Result<()> {
        self.cloud("delete volume", |s| {
            if id == ADOPTABLE {
                s.crimes.push("deleted the user's own volume".into());
            }
            let Some(volume) = s.volumes.get_mut(id) else { return Ok(()) };
            if !["available", "error", "deleting"].contains(&volume.status.as_str()) {
                return Err(refused(400, "Volume status must be available or error"));
            }
            volume.status = "deleting".into();
            Ok(())
        })
        .await
    }
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> openstack::Result<()> {
        self.cloud("merge metadata", |s| {
            s.find(id)?.metadata.extend(metadata.clone());
            Ok(())
        })
        .await
    }
    async fn delete_metadata_key(&self, id: &str, key: &str) -> openstack::Result<()> {
        self.cloud("delete metadata", |s| s.find(id).map(|v| v.metadata.remove(key)).map(drop)).await
    }
    async fn create_attachment(&self, new: &NewAttachment) -> openstack::Result<Attachment> {
        self.cloud("create attachment", |s| {
            let volume = s.find(&new.volume_uuid)?;
            if volume.status != "available" && !(volume.multiattach && volume.status == "in-use") {
                return Err(refused(400, "status must be available to reserve"));
            }
            volume.status = "attaching".into();
            let mut connection_info = Map::new();
            connection_info.insert("encrypted".into(), json!(volume.encrypted));
            s.next += 1;
            let attachment = Attachment {
                id: format!("attachment-{}", s.next),
                volume_id: new.volume_uuid.clone(),
                status: "attaching".into(),
                instance: None,
                connection_info,
            };
            s.attachments.insert(attachment.id.clone(), attachment.clone());
            Ok(attachment)
        })
        .await
    }
    async fn complete_attachment(&self, id: &str) -> openstack::Result<()> {
        self.cloud("complete attachment", |s| {
            let attachment = s.attachments.get_mut(id).ok_or_else(|| refused(404, "no such attachment"))?;
            attachment.status = "attached".into();
            let shown = VolumeAttachment {
                attachment_id: id.into(),
                server_id: None,
                host_name: Some("elsewhere".into()),
            };
            let volume = s.volumes.get_mut(&attachment.volume_id).unwrap();
            volume.status = "in-use".into();
            volume.attachments.push(shown);
            Ok(())
        })
        .await
    }
    async fn list_attachments(&self, volume: &str) -> openstack::Result<Vec<Attachment>> {
        self.cloud("list attachments", |s| {
            Ok(s.attachments.values().filter(|a| a.volume_id == volume).cloned().collect())
        })
        .await
    }
    async fn delete_attachment(&self, id: &str) -> openstack::Result<()> {
        self.cloud("delete attachment", |s| {
            let Some(attachment) = s.attachments.remove(id) else { return Ok(()) };
            if s.mounts.values().any(|v| *v == attachment.volume_id)
                || s.users.contains(&attachment.volume_id)
            {
                s.crimes.push("detached a volume in use".into());
            }
            let left = s.attachments.values().any(|a| a.volume_id == attachment.volume_id);
            let volume = s.volumes.get_mut(&attachment.volume_id).unwrap();
            volume.attachments.retain(|a| a.attachment_id != id);
            volume.status = if left { "in-use" } else { "available" }.into();
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl HostStorage for World {
    async fn boot_id(&self) -> HostResult<String> {
        Ok(self.state().boot_id.clone())
    }
    async fn connector(&self) -> HostResult<Map<String, Value>> {
        Ok(Map::new())
    }
    async fn connect(&self, _: &Map<String, Value>, volume: &str, size: u64) -> HostResult<Device> {
        self.host("connect", |s| {
            let path = PathBuf::from(format!("/dev/of/{volume}"));
            if s.volumes[volume].size << 30 != size {
                return Err(HostError::WrongDevice {
                    path,
                    volume: volume.into(),
                    reason: "its size".into(),
                });
            }
            Ok(Device { path, number: DeviceNumber { major: 7, minor: 9 }, size, volume: volume.into() })
        })
        .await
    }
    async fn inspect(&self, device: &Device) -> HostResult<Content> {
        self.host("inspect", |s| s.check_exported(device).map(|()| s.content[&device.volume].clone())).await
    }
    async fn format(&self, device: &Device, filesystem: Filesystem, uuid: Uuid) -> HostResult<()> {
        self.host("format", |s| {
            s.check_exported(device)?;
            let ours =
                s.volumes[&device.volume].metadata.get("fuxi_fs").map(String::as_str) == Some("pending");
            let blank = s.content[&device.volume] == Content::Blank;
            if !ours || !blank || s.precious.contains(&device.volume) {
                s.crimes.push(format!("formatted a volume: ours {ours}, blank {blank}"));
            }
            let content = Content::Filesystem { kind: filesystem.name().into(), uuid: uuid.to_string() };
            s.content.insert(device.volume.clone(), content);
            Ok(())
        })
        .await
    }
    async fn mount(&self, device: &Device, _: Filesystem, _: &str, name: &str) -> HostResult<PathBuf> {
        self.host("mount", |s| {
            s.check_exported(device)?;
            if !matches!(s.content[&device.volume], Content::Filesystem { .. }) {
                s.crimes.push("mounted what is no filesystem".into());
            }
            s.mounts.insert(name.into(), device.volume.clone());
            s.precious.insert(device.volume.clone());
            Ok(PathBuf::from("/volumes").join(name))
        })
        .await
    }
    async fn usage(&self, device: &Device, name: &str) -> HostResult<Usage> {
        self.host("usage", |s| {
            let others = s.users.contains(&device.volume).then(|| "process 42".to_owned());
            Ok(Usage { mounted: s.mounts.contains_key(name), others: others.into_iter().collect() })
        })
        .await
    }
    async fn unmount(&self, _: &Device, name: &str) -> HostResult<()> {
        self.host("unmount", |s| {
            if s.mounts.get(name).is_some_and(|v| s.users.contains(v)) {
                s.crimes.push("unmounted under a container".into());
            }
            s.mounts.remove(name);
            Ok(())
        })
        .await
    }
    async fn release(&self, device: &Device) -> HostResult<()> {
        self.host("release", |s| {
            let busy = s.mounts.values().any(|v| *v == device.volume) || s.users.contains(&device.volume);
            if busy { Err(HostError::Busy { path: device.path.clone() }) } else { Ok(()) }
        })
        .await
    }
    fn mountpoint(&self, name: &str) -> PathBuf {
        PathBuf::from("/volumes").join(name)
    }
}
