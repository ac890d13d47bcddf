//! What Nova asks of Cinder: the same rules as for everybody, with the server's name on the attachment.

use std::sync::Arc;

use serde_json::{Map, json};

use super::Cinder;
use super::connection::reserve;
use super::fault::Fault;
use super::model::{AttachStatus, Attachment, VolumeStatus, new_id, now};
use crate::caller::Caller;

impl Cinder {
    /// Whether several servers may have the volume; 404 if the caller sees none.
    pub(crate) fn is_multiattach(&self, caller: &Caller, volume_id: &str) -> Result<bool, Fault> {
        self.read(|state| state.volume(caller, volume_id).map(|volume| volume.multiattach))
    }

    /// Claims the volume for a server and gives the attachment's id.
    pub(crate) fn reserve_for(
        &self,
        caller: &Caller,
        volume_id: &str,
        server_id: &str,
    ) -> Result<String, Fault> {
        let id = new_id();
        self.write(|state| {
            reserve(state, caller, volume_id, Some(server_id))?;
            let project = state.volume(caller, volume_id)?.project_id.clone();
            let attachment = Attachment::reserved(state, &id, volume_id, &project, Some(server_id), "rw");
            state.attachments.insert(id.clone(), attachment);
            Ok::<_, Fault>(())
        })?;
        Ok(id)
    }

    /// Exports the volume to the host a server runs on: `attaching`.
    pub(crate) async fn connect_for(
        self: &Arc<Self>,
        volume_id: &str,
        attachment_id: &str,
        host: &str,
        device: &str,
    ) -> Result<(), String> {
        let mut connector = Map::new();
        connector.insert("host".into(), json!(host));
        connector.insert("mountpoint".into(), json!(device));
        self.connect(volume_id, attachment_id, connector, "rw").await
    }

    /// The server has its disk: `in-use`.
    pub(crate) fn complete_for(&self, volume_id: &str, attachment_id: &str) {
        self.write(|state| {
            if let Some(attachment) = state.attachments.get_mut(attachment_id) {
                attachment.status = AttachStatus::Attached;
                attachment.attached_at = Some(now());
                state.settle(volume_id);
            }
        });
    }

    /// `in-use` to `detaching`, before the server is asked for its disk.
    pub(crate) fn begin_detaching(&self, caller: &Caller, volume_id: &str) -> Result<(), Fault> {
        self.write(|state| {
            let volume = state.volume_mut(caller, volume_id)?;
            if volume.status != VolumeStatus::InUse {
                return Err(Fault::invalid_volume(format!(
                    "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to \
                     detach. Currently: status: '{}'.",
                    volume.status.as_str()
                )));
            }
            volume.status = VolumeStatus::Detaching;
            Ok(())
        })
    }

    /// The server kept its disk.
    pub(crate) fn roll_detaching(&self, volume_id: &str) {
        self.write(|state| state.settle(volume_id));
    }

    /// Takes the export away and forgets the attachment.
    pub(crate) async fn release_for(
        self: &Arc<Self>,
        volume_id: &str,
        attachment_id: &str,
    ) -> Result<(), String> {
        self.release(volume_id, attachment_id).await.map_err(|fault| fault.message)
    }
}
