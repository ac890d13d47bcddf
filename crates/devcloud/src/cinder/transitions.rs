//! What happens after the answer: asynchronous states come to their end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Cinder;
use super::model::{AttachStatus, SnapshotStatus, VolumeStatus, now};
use crate::datapath::{DataPathError, VolumeDataPath};

/// How often what is stuck looks whether it may go on.
const STUCK: Duration = Duration::from_millis(50);

impl Cinder {
    /// `creating` to `available` or `error`.
    pub(super) fn finish_create(self: &Arc<Self>, id: String) {
        let cinder = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(cinder.options.latencies.create).await;
            while cinder.faults().stuck_creating {
                tokio::time::sleep(STUCK).await;
            }
            let _turn = cinder.gate(&id).await;
            let Some((size, source)) = cinder.read(|state| {
                let volume = state.volumes.get(&id).filter(|v| v.status == VolumeStatus::Creating)?;
                Some((volume.size, volume.snapshot_id.clone().or_else(|| volume.source_volid.clone())))
            }) else {
                return;
            };
            let made = cinder.make(&id, size, source.as_deref()).await;
            let status = match &made {
                Ok(()) => VolumeStatus::Available,
                Err(error) => {
                    tracing::warn!(volume = id, %error, "cannot create a volume");
                    VolumeStatus::Error
                }
            };
            cinder.set_volume_status(&id, VolumeStatus::Creating, status);
        });
    }

    async fn make(&self, id: &str, size: u64, source: Option<&str>) -> Result<(), DataPathError> {
        if self.fails(|faults| &mut faults.next_create_fails) {
            return Err(planned());
        }
        match (&self.data_path, source) {
            (None, _) => Ok(()),
            (Some(path), None) => path.create(id, size).await,
            (Some(path), Some(source)) => VolumeDataPath::clone_from(path.as_ref(), id, size, source).await,
        }
    }

    /// `deleting` to gone, with all snapshots, or to `error_deleting`.
    pub(super) fn finish_delete(self: &Arc<Self>, id: String) {
        let cinder = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(cinder.options.latencies.delete).await;
            let _turn = cinder.gate(&id).await;
            let Some(snapshots) = cinder.read(|state| {
                state.volumes.get(&id).filter(|v| v.status == VolumeStatus::Deleting)?;
                let own = state.snapshots.values().filter(|s| s.volume_id == id);
                Some(own.map(|s| s.id.clone()).collect::<Vec<_>>())
            }) else {
                return;
            };
            match cinder.remove(&id, &snapshots).await {
                Ok(()) => cinder.write(|state| {
                    state.volumes.remove(&id);
                    state.snapshots.retain(|_, snapshot| snapshot.volume_id != id);
                    state.attachments.retain(|_, attachment| attachment.volume_id != id);
                }),
                Err(error) => {
                    tracing::warn!(volume = id, %error, "cannot delete a volume");
                    cinder.set_volume_status(&id, VolumeStatus::Deleting, VolumeStatus::ErrorDeleting);
                }
            }
        });
    }

    async fn remove(&self, id: &str, snapshots: &[String]) -> Result<(), DataPathError> {
        if self.fails(|faults| &mut faults.next_delete_fails) {
            return Err(planned());
        }
        let Some(path) = &self.data_path else { return Ok(()) };
        for snapshot in snapshots {
            path.delete(snapshot).await?;
        }
        // A leftover of an interrupted connection; one in use refuses.
        path.unexport(id).await?;
        path.delete(id).await
    }

    /// `extending` to what the volume was before, or to `error_extending`.
    pub(super) fn finish_extend(self: &Arc<Self>, id: String, size: u64) {
        let cinder = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(cinder.options.latencies.extend).await;
            let _turn = cinder.gate(&id).await;
            if !cinder.read(|s| s.volumes.get(&id).is_some_and(|v| v.status == VolumeStatus::Extending)) {
                return;
            }
            let failed = cinder.fails(|faults| &mut faults.next_extend_fails);
            let extended = match &cinder.data_path {
                _ if failed => Err(planned()),
                Some(path) => path.extend(&id, size).await,
                None => Ok(()),
            };
            if let Err(error) = &extended {
                tracing::warn!(volume = id, %error, "cannot extend a volume");
            }
            cinder.write(|state| {
                let Some(volume) = state.volumes.get_mut(&id) else { return };
                let previous = volume.previous.take().unwrap_or(VolumeStatus::Available);
                volume.updated_at = Some(now());
                if extended.is_ok() {
                    volume.size = size;
                    volume.status = previous;
                } else {
                    volume.status = VolumeStatus::ErrorExtending;
                }
            });
        });
    }

    /// `creating` to `available` or `error`, of a snapshot.
    pub(super) fn finish_snapshot(self: &Arc<Self>, id: String) {
        let cinder = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(cinder.options.latencies.create).await;
            let Some((volume, size)) = cinder.read(|state| {
                let snapshot = state.snapshots.get(&id).filter(|s| s.status == SnapshotStatus::Creating)?;
                Some((snapshot.volume_id.clone(), snapshot.size))
            }) else {
                return;
            };
            let _turn = cinder.gate(&volume).await;
            let made = match &cinder.data_path {
                Some(path) => VolumeDataPath::clone_from(path.as_ref(), &id, size, &volume).await,
                None => Ok(()),
            };
            let status = match made {
                Ok(()) => SnapshotStatus::Available,
                Err(error) => {
                    tracing::warn!(snapshot = id, %error, "cannot create a snapshot");
                    SnapshotStatus::Error
                }
            };
            cinder.write(|state| {
                if let Some(snapshot) = state.snapshots.get_mut(&id) {
                    snapshot.status = status;
                    snapshot.updated_at = Some(now());
                }
            });
        });
    }

    /// `deleting` to gone or `error_deleting`, of a snapshot.
    pub(super) fn finish_snapshot_delete(self: &Arc<Self>, id: String) {
        let cinder = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(cinder.options.latencies.delete).await;
            let deleted = match &cinder.data_path {
                Some(path) => path.delete(&id).await,
                None => Ok(()),
            };
            cinder.write(|state| match &deleted {
                Ok(()) => {
                    state.snapshots.remove(&id);
                }
                Err(error) => {
                    tracing::warn!(snapshot = id, %error, "cannot delete a snapshot");
                    if let Some(snapshot) = state.snapshots.get_mut(&id) {
                        snapshot.status = SnapshotStatus::ErrorDeleting;
                    }
                }
            });
        });
    }

    fn set_volume_status(&self, id: &str, from: VolumeStatus, to: VolumeStatus) {
        self.write(|state| {
            if let Some(volume) = state.volumes.get_mut(id).filter(|v| v.status == from) {
                volume.status = to;
                volume.updated_at = Some(now());
            }
        });
    }

    /// What a restarted volume service does with what the last one left.
    pub(super) fn resume(self: &Arc<Self>) {
        let (volumes, snapshots, connected) = self.write(|state| {
            let mut volumes = Vec::new();
            for volume in state.volumes.values_mut() {
                match volume.status {
                    VolumeStatus::Creating => volume.status = VolumeStatus::Error,
                    VolumeStatus::Extending => volume.status = VolumeStatus::ErrorExtending,
                    VolumeStatus::Deleting => volumes.push(volume.id.clone()),
                    _ => {}
                }
            }
            let mut snapshots = Vec::new();
            for snapshot in state.snapshots.values_mut() {
                match snapshot.status {
                    SnapshotStatus::Creating => snapshot.status = SnapshotStatus::Error,
                    // Those of a volume on its way out go with it.
                    SnapshotStatus::Deleting if !volumes.contains(&snapshot.volume_id) => {
                        snapshots.push(snapshot.id.clone());
                    }
                    _ => {}
                }
            }
            for attachment in state.attachments.values_mut() {
                if attachment.status == AttachStatus::Detaching {
                    attachment.status = AttachStatus::ErrorDetaching;
                }
            }
            let mut connected: Vec<String> = state
                .attachments
                .values()
                .filter(|a| a.is_connected())
                .map(|a| a.volume_id.clone())
                .collect();
            connected.sort();
            connected.dedup();
            (volumes, snapshots, connected)
        });
        for id in volumes {
            self.finish_delete(id);
        }
        for id in snapshots {
            self.finish_snapshot_delete(id);
        }
        for id in connected {
            let cinder = Arc::clone(self);
            tokio::spawn(async move { cinder.export_again(&id).await });
        }
    }

    /// After a restart the device may have another number.
    async fn export_again(&self, volume_id: &str) {
        let Some(path) = &self.data_path else { return };
        let _turn = self.gate(volume_id).await;
        let read_only = self.read(|state| {
            let own = state.attachments_of(volume_id);
            let modes = own.iter().filter_map(|a| a.connection_info.get("access_mode"));
            modes.into_iter().all(|mode| mode == "ro")
        });
        match path.export(volume_id, read_only).await {
            Ok(device) => self.write(|state| {
                for attachment in state.attachments.values_mut() {
                    if attachment.volume_id == volume_id && attachment.is_connected() {
                        attachment.connection_info.insert("device_path".into(), json!(device));
                    }
                }
            }),
            Err(error) => {
                tracing::warn!(volume = volume_id, %error, "cannot export a connected volume again")
            }
        }
    }
}

/// A failure an administrator asked for.
pub(super) fn planned() -> DataPathError {
    DataPathError("the back end was told to fail".into())
}
