//! Cinder's half of the double.

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::block_storage::{
    Attachment, NewAttachment, NewVolume, Snapshot, Volume, VolumeAttachment, VolumeType,
};
use serde_json::{Map, json};

use super::server::OTHER;
use super::{ADOPTABLE, World, refused, volume};
use crate::{BlockStorage, Content};

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
            made.encrypted = std::mem::take(&mut s.next_create_encrypts);
            (made.snapshot_id, made.source_volid) = (new.snapshot_id.clone(), new.source_volid.clone());
            made.multiattach =
                s.types.iter().any(|t| Some(&t.name) == new.volume_type.as_ref() && t.is_multiattach());
            made.volume_type = new.volume_type.clone();
            let from =
                new.snapshot_id.as_ref().and_then(|id| s.snapshots.get(id)).map(|x| x.volume_id.clone());
            let from = from.or_else(|| new.source_volid.clone());
            let data = from.as_ref().and_then(|id| s.data.get(id).cloned());
            s.data.extend(data.map(|data| (id.clone(), data)));
            let content = from.and_then(|id| s.content.get(&id).cloned()).unwrap_or(Content::Blank);
            s.volumes.insert(id.clone(), made.clone());
            s.content.insert(id, content);
            s.asked.push(new.clone());
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
                attach_mode: Some(new.mode.into()),
                connection_info,
            };
            if let Some(text) = new.connector.get("mountpoint").and_then(|m| m.as_str()) {
                s.devices.insert(attachment.id.clone(), text.to_owned());
            }
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
                device: s.devices.get(id).cloned(),
                attached_at: None,
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
            s.export_slowly();
            let found = s.attachments.values().filter(|a| a.volume_id == volume).cloned().collect();
            s.move_disks();
            Ok(found)
        })
        .await
    }
    async fn list_attachments_in_detail(&self, volume: &str) -> openstack::Result<Vec<Attachment>> {
        self.cloud("list attachments in detail", |s| {
            Ok(s.attachments.values().filter(|a| a.volume_id == volume).cloned().collect())
        })
        .await
    }
    async fn list_volume_types(&self) -> openstack::Result<Vec<VolumeType>> {
        self.cloud("list volume types", |s| Ok(s.types.clone())).await
    }
    async fn delete_attachment(&self, id: &str) -> openstack::Result<()> {
        self.cloud("delete attachment", |s| {
            // Cinder asks Nova, which knows its servers.
            let gone = |server: &str| server == OTHER && s.other_server.is_none();
            let held = s.attachments.get(id).and_then(|a| a.instance.as_deref()).is_some_and(|i| !gone(i));
            if held {
                s.crimes.push("took a volume from a server past Nova".into());
                return Err(refused(409, "detach it using the Compute API"));
            }
            let Some(attachment) = s.attachments.remove(id) else { return Ok(()) };
            if s.mounts.values().any(|v| *v == attachment.volume_id)
                || s.users.contains(&attachment.volume_id)
            {
                s.crimes.push("detached a volume in use".into());
            }
            if s.connected.contains(&attachment.volume_id) {
                s.crimes.push("detached a volume whose device is on the host".into());
            }
            let left = s.attachments.values().any(|a| a.volume_id == attachment.volume_id);
            let volume = s.volumes.get_mut(&attachment.volume_id).unwrap();
            volume.attachments.retain(|a| a.attachment_id != id);
            volume.status = if left { "in-use" } else { "available" }.into();
            Ok(())
        })
        .await
    }
    async fn extend_volume(&self, id: &str, gib: u64) -> openstack::Result<()> {
        self.cloud("extend volume", |s| {
            let volume = s.find(id)?;
            if gib <= volume.size || !["available", "in-use"].contains(&volume.status.as_str()) {
                return Err(refused(400, "New size for extend must be greater than current size."));
            }
            volume.size = gib;
            Ok(())
        })
        .await
    }
    async fn create_snapshot(
        &self,
        volume: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> openstack::Result<Snapshot> {
        self.cloud("create snapshot", |s| {
            let size = s.find(volume)?.size;
            s.next += 1;
            let snapshot = Snapshot {
                id: format!("cccccccc-0000-4000-8000-{:012}", s.next),
                name: name.into(),
                volume_id: volume.into(),
                status: "creating".into(),
                size,
                metadata: metadata.clone(),
                created_at: "2026-01-02T03:04:05.000000".into(),
            };
            s.snapshots.insert(snapshot.id.clone(), snapshot.clone());
            Ok(snapshot)
        })
        .await
    }
    async fn get_snapshot(&self, id: &str) -> openstack::Result<Snapshot> {
        self.cloud("get snapshot", |s| {
            let found = s.snapshots.get(id).cloned().ok_or_else(|| refused(404, "no such snapshot"));
            s.look();
            found
        })
        .await
    }
    async fn list_snapshots(&self, volume: &str) -> openstack::Result<Vec<Snapshot>> {
        self.cloud("list snapshots", |s| {
            let found = s.snapshots.values().filter(|x| x.volume_id == volume).cloned().collect();
            s.look();
            Ok(found)
        })
        .await
    }
    async fn delete_snapshot(&self, id: &str) -> openstack::Result<()> {
        self.cloud("delete snapshot", |s| {
            if s.snapshots_are_kept {
                return Err(refused(400, "Snapshot is in use"));
            }
            s.snapshots.remove(id);
            Ok(())
        })
        .await
    }
    async fn explain(&self, _: &str) -> openstack::Result<Option<String>> {
        self.cloud("explain", |s| Ok(s.explanation.clone())).await
    }
}
