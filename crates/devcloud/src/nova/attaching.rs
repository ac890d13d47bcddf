//! What happens after the answer: disks come to servers and leave them.

use std::sync::Arc;

use super::Nova;
use super::model::{Disk, DiskStage};

impl Nova {
    /// `reserved` to `attaching` to `in-use`; a disk that never comes leaves nothing.
    pub(super) fn finish_attach(self: &Arc<Self>, server_id: String, disk: Disk) {
        let nova = Arc::clone(self);
        tokio::spawn(async move {
            nova.pause(|o| o.attach_delay_ms).await;
            let host = nova.read(|s| s.servers.get(&server_id).map(|s| s.host.clone())).unwrap_or_default();
            let (volume, attachment) = (&disk.volume_id, &disk.attachment_id);
            let mut done = nova.cinder.connect_for(volume, attachment, &host, &disk.device).await;
            nova.pause(|o| o.attach_delay_ms).await;
            if done.is_ok() && nova.fails(|o| &mut o.next_attach_fails) {
                done = Err("the server was told not to take it".into());
            }
            match done {
                Ok(()) => {
                    nova.cinder.complete_for(volume, attachment);
                    nova.write(|state| {
                        if let Some(disk) = state.disk_mut(&server_id, volume) {
                            disk.stage = DiskStage::There;
                        }
                    });
                }
                Err(reason) => {
                    tracing::warn!(server = server_id, volume, reason, "the server does not get its volume");
                    if let Err(reason) = nova.cinder.release_for(volume, attachment).await {
                        tracing::warn!(volume, reason, "the attachment of a failed attach stays");
                    }
                    nova.write(|state| state.drop_disk(&server_id, volume));
                }
            }
        });
    }

    /// `detaching` to gone. A disk that is in use is kept, and the volume is `in-use` again. Cinder forgets before we do.
    pub(super) fn finish_detach(self: &Arc<Self>, server_id: String, disk: Disk) {
        let nova = Arc::clone(self);
        tokio::spawn(async move {
            nova.pause(|o| o.detach_delay_ms).await;
            let (volume, attachment) = (&disk.volume_id, &disk.attachment_id);
            let done = if nova.fails(|o| &mut o.next_detach_fails) {
                Err("the server was told to keep it".into())
            } else {
                nova.cinder.release_for(volume, attachment).await
            };
            match done {
                Ok(()) => nova.write(|state| state.drop_disk(&server_id, volume)),
                Err(reason) => {
                    tracing::warn!(server = server_id, volume, reason, "the server keeps its volume");
                    nova.cinder.roll_detaching(volume);
                    nova.write(|state| {
                        if let Some(disk) = state.disk_mut(&server_id, volume) {
                            disk.stage = DiskStage::There;
                        }
                    });
                }
            }
        });
    }

    /// After a restart: what was under way goes on.
    pub(super) fn resume(self: &Arc<Self>) {
        let disks: Vec<(String, Disk)> = self.read(|state| {
            let of = |server: &super::model::Server| {
                let id = server.id.clone();
                server.disks.iter().map(move |disk| (id.clone(), disk.clone())).collect::<Vec<_>>()
            };
            state.servers.values().flat_map(of).collect()
        });
        for (server, disk) in disks {
            match disk.stage {
                DiskStage::Arriving => self.finish_attach(server, disk),
                DiskStage::Leaving => self.finish_detach(server, disk),
                DiskStage::There => {}
            }
        }
    }
}
