//! Nova's half of the double: this host is a server, whose volumes come and go a step at each look.

use async_trait::async_trait;
use openstack::block_storage::{Attachment, VolumeAttachment};
use openstack::{ApiError, Error as CloudError};
use serde_json::Map;

use super::{State, World};
use crate::{Identity, ServerLife, Servers};

pub(crate) const SERVER: &str = "5e5e5e5e-0000-4000-8000-000000000001";
/// Another one, that may have a volume.
pub(crate) const OTHER: &str = "5e5e5e5e-0000-4000-8000-000000000002";

fn refused(status: u16, message: &str) -> CloudError {
    CloudError::Api(Box::new(ApiError {
        service: "compute",
        operation: "call".into(),
        status,
        kind: "fault".into(),
        message: message.into(),
        request_id: String::new(),
    }))
}

#[async_trait]
impl Identity for World {
    async fn server_id(&self) -> Result<String, String> {
        if self.state().stranger {
            return Err("cannot tell which server this machine is".into());
        }
        Ok(SERVER.into())
    }
}

#[async_trait]
impl Servers for World {
    async fn attach_volume(&self, server: &str, volume: &str) -> openstack::Result<()> {
        self.cloud("attach to server", |s| {
            if server != SERVER {
                return Err(refused(404, "Instance could not be found."));
            }
            if let Some((status, message)) = s.server_refuses {
                return Err(refused(status, message));
            }
            if std::mem::take(&mut s.late_attach) {
                s.late_volume = Some((volume.into(), 9));
                return Err(refused(504, "gateway timeout"));
            }
            s.reserve(volume)
        })
        .await
    }
    async fn has_volume(&self, server: &str, volume: &str) -> openstack::Result<bool> {
        self.cloud("look at server", |s| {
            let has = server == SERVER && s.server_disks.contains(volume);
            s.move_disks();
            Ok(has)
        })
        .await
    }
    async fn detach_volume(&self, server: &str, volume: &str) -> openstack::Result<()> {
        self.cloud("detach from server", |s| {
            if ![SERVER, OTHER].contains(&server) || !s.server_disks.contains(volume) {
                return Err(refused(404, "is not attached"));
            }
            if server == OTHER && s.other_server != Some("SHUTOFF") {
                s.crimes.push("took a volume from a server that may run".into());
            }
            if s.mounts.values().any(|v| v == volume) || s.users.contains(volume) {
                s.crimes.push("detached a volume in use".into());
            }
            let Some(own) =
                s.attachments.values_mut().find(|a| a.volume_id == volume && a.instance.is_some())
            else {
                return Err(refused(400, "Unable to detach volume."));
            };
            if own.status != "attached" {
                return Err(refused(400, "Unable to detach volume."));
            }
            own.status = "detaching".into();
            s.find(volume)?.status = "detaching".into();
            Ok(())
        })
        .await
    }
    async fn life(&self, server: &str) -> openstack::Result<ServerLife> {
        self.cloud("look whether a server runs", |s| {
            Ok(match s.other_server {
                _ if server == SERVER && !s.nova_is_blind => ServerLife::MayRun("ACTIVE".into()),
                None => ServerLife::Gone,
                Some("SHUTOFF") => ServerLife::Off,
                Some(other) => ServerLife::MayRun(other.into()),
            })
        })
        .await
    }
}

impl State {
    /// The other server has the volume.
    pub(crate) fn give_to_other(&mut self, volume: &str) {
        let shown = VolumeAttachment {
            attachment_id: "other-attachment".into(),
            server_id: Some(OTHER.into()),
            device: Some("/dev/vdb".into()),
            ..VolumeAttachment::default()
        };
        let attachment = Attachment {
            attach_mode: None,
            id: shown.attachment_id.clone(),
            volume_id: volume.into(),
            status: "attached".into(),
            instance: Some(OTHER.into()),
            connection_info: Map::new(),
        };
        self.attachments.insert(attachment.id.clone(), attachment);
        self.server_disks.insert(volume.into());
        if let Some(found) = self.volumes.get_mut(volume) {
            found.status = "in-use".into();
            found.attachments.push(shown);
        }
    }

    fn reserve(&mut self, volume: &str) -> openstack::Result<()> {
        let found = self.find(volume)?;
        if found.status != "available" && !(found.multiattach && found.status == "in-use") {
            return Err(refused(400, "status must be available to reserve"));
        }
        found.status = "reserved".into();
        self.next += 1;
        let attachment = Attachment {
            attach_mode: None,
            id: format!("attachment-{}", self.next),
            volume_id: volume.into(),
            status: "reserved".into(),
            instance: Some(SERVER.into()),
            connection_info: Map::new(),
        };
        self.attachments.insert(attachment.id.clone(), attachment);
        self.server_disks.insert(volume.into());
        Ok(())
    }

    /// One step of each disk on its way: `reserved`, `attaching`, `in-use`; `detaching`, gone for Cinder, gone for Nova.
    pub(super) fn move_disks(&mut self) {
        if self.disks_stick || self.disks_wait > 0 {
            self.disks_wait = self.disks_wait.saturating_sub(1);
            return;
        }
        if let Some((volume, looks)) = self.late_volume.take() {
            match looks.checked_sub(1) {
                Some(left) => self.late_volume = Some((volume, left)),
                None => drop(self.reserve(&volume)),
            }
        }
        let attachments = &self.attachments;
        self.server_disks.retain(|v| attachments.values().any(|a| a.volume_id == *v && a.instance.is_some()));
        let ids: Vec<String> =
            self.attachments.values().filter(|a| a.instance.is_some()).map(|a| a.id.clone()).collect();
        for id in ids {
            let Some(attachment) = self.attachments.get_mut(&id) else { continue };
            let Some(volume) = self.volumes.get_mut(&attachment.volume_id) else { continue };
            let shown = VolumeAttachment {
                attachment_id: id.clone(),
                server_id: attachment.instance.clone(),
                host_name: None,
                device: Some("/dev/vdz".into()),
                attached_at: None,
            };
            match attachment.status.as_str() {
                "reserved" => (attachment.status, volume.status) = ("attaching".into(), "attaching".into()),
                "attaching" if self.next_disk_vanishes => {
                    self.next_disk_vanishes = false;
                    volume.status = "available".into();
                    self.attachments.remove(&id);
                }
                "attaching" => {
                    (attachment.status, volume.status) = ("attached".into(), "in-use".into());
                    volume.attachments.push(shown);
                }
                "detaching" if self.next_disk_is_kept => {
                    self.next_disk_is_kept = false;
                    (attachment.status, volume.status) = ("attached".into(), "in-use".into());
                }
                "detaching" => {
                    volume.attachments.retain(|a| a.attachment_id != id);
                    volume.status = if volume.attachments.is_empty() { "available" } else { "in-use" }.into();
                    self.attachments.remove(&id);
                }
                _ => {}
            }
        }
    }
}
