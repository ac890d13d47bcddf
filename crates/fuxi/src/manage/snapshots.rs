//! Snapshots of a Docker volume.

use std::collections::BTreeMap;

use openstack::block_storage::Snapshot;
use serde::Serialize;
use tokio::time::Instant;

use crate::marks::{FROM, NAME};
use crate::service::Core;
use crate::{Error, Result, Service};

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeSnapshot {
    /// Cinder's id, for `-o snapshot_id=`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Cinder's word for its state.
    pub status: String,
    /// GiB.
    pub size: u64,
    /// UTC, ISO 8601.
    pub created_at: String,
}

impl From<Snapshot> for VolumeSnapshot {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { id, name, status, size, created_at, .. } = snapshot;
        Self { id, name, status, size, created_at }
    }
}

impl Service {
    /// Takes a snapshot and waits until it can be used. Of a mounted volume it holds what was written back before: the
    /// filesystem is flushed first if it is mounted here.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the cloud's refusal. A snapshot that failed in the making is removed.
    pub async fn snapshot(&self, name: &str, snapshot: &str) -> Result<VolumeSnapshot> {
        crate::name::check(name)?;
        let (name, snapshot) = (name.to_owned(), snapshot.to_owned());
        let service = self.clone();
        self.job_within(super::OPERATOR, name.clone(), "snapshot it", move |core| async move {
            service.refuse_if_a_share(&name, "snapshots").await?;
            core.take_snapshot(&name, &snapshot).await.map(VolumeSnapshot::from)
        })
        .await
    }

    /// The snapshots of a volume, the oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the cloud cannot be asked.
    pub async fn snapshots(&self, name: &str) -> Result<Vec<VolumeSnapshot>> {
        crate::name::check(name)?;
        self.refuse_if_a_share(name, "snapshots").await?;
        let core = &self.core;
        let record = core.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        let mut found = core
            .cloud
            .list_snapshots(record.id())
            .await
            .map_err(|e| Error::cloud(name, "list its snapshots", e))?;
        found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        Ok(found.into_iter().map(VolumeSnapshot::from).collect())
    }
}

impl Core {
    /// Makes a snapshot and waits until it is `available`.
    pub(crate) async fn take_snapshot(&self, name: &str, snapshot: &str) -> Result<Snapshot> {
        let record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        if record.mounted() {
            self.progress.note(name, "writing back what is not on the device yet");
            self.host.sync(&record.name).await.map_err(|e| Error::host(name, e))?;
        }
        let metadata = BTreeMap::from(
            [(FROM, self.marks.label.as_str()), (NAME, name)].map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let failed = |e| Error::cloud(name, "snapshot it", e);
        let made = self.cloud.create_snapshot(record.id(), snapshot, &metadata).await.map_err(failed)?;
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            let now = self.cloud.get_snapshot(&made.id).await.map_err(failed)?;
            if now.status == "available" {
                return Ok(now);
            }
            if now.status.starts_with("error") || started.elapsed() > self.settings.cloud_patience {
                let why = self.cloud.explain(&made.id).await.ok().flatten();
                if let Err(error) = self.cloud.delete_snapshot(&made.id).await {
                    tracing::warn!(volume = name, snapshot = made.id, %error, "cannot remove a failed snapshot");
                }
                return Err(Error::refused(
                    name,
                    format!(
                        "Cinder could not snapshot it (status {}){}",
                        now.status,
                        why.map(|text| format!(": {text}")).unwrap_or_default()
                    ),
                ));
            }
            self.progress.note(name, format!("snapshot {}: {}", made.id, now.status));
            self.wait(&mut pause).await;
        }
    }
}
