//! Copying a volume by way of a snapshot, which goes again when the copy is made.

use std::collections::BTreeMap;

use openstack::block_storage::{Snapshot, Volume};
use tokio::time::Instant;

use crate::marks::FROM;
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    /// The volume that `snapshot_of` names: a Docker volume's name first, then a Cinder volume's id.
    pub(crate) async fn source_of_copy(&self, name: &str, text: &str) -> Result<Volume> {
        let failed = |e| Error::cloud(name, "look at the volume to copy", e);
        let id = match self.find(text).await? {
            Some(record) if record.is_pending() => {
                return Err(Error::refused(
                    name,
                    format!(
                        "volume {text} was never mounted, so there is nothing to copy; create {name} without snapshot_of"
                    ),
                ));
            }
            Some(record) => record.id().to_owned(),
            None if uuid::Uuid::try_parse(text).is_ok() => text.to_owned(),
            None => {
                return Err(Error::refused(
                    name,
                    format!("there is no volume {text} to copy; docker volume ls shows them"),
                ));
            }
        };
        match self.cloud.get_volume(&id).await {
            Ok(volume) if volume.encrypted => Err(Error::refused(
                name,
                format!("Cinder volume {id} is encrypted, which is not supported; copy another one"),
            )),
            Ok(volume) => Ok(volume),
            Err(e) if e.is_not_found() => Err(Error::refused(
                name,
                format!("there is no Cinder volume {id} in this project; see openstack volume list"),
            )),
            Err(e) => Err(failed(e)),
        }
    }

    /// Makes the snapshot that `record` is copied from, marked with its token, and waits until it can be used. If the
    /// source is mounted here, what its containers wrote is written back first.
    pub(crate) async fn snapshot_to_copy(&self, record: &Record, source: &str) -> Result<Snapshot> {
        let name = &record.name;
        let here = self.ledger.all().into_iter().find(|r| r.id() == source && r.mounted());
        if let Some(mounted) = here {
            self.host.sync(&mounted.name).await.map_err(|e| Error::host(name, e))?;
        }
        let metadata = BTreeMap::from(
            [(FROM, self.marks.label.as_str()), (&self.marks.request, &record.token)]
                .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let failed = |e| Error::cloud(name, "snapshot the volume to copy", e);
        let mut lost = match self.cloud.create_snapshot(source, &format!("copy-to-{name}"), &metadata).await {
            Ok(_) => None,
            Err(error) if error.effect_unknown() => Some(error),
            Err(error) => return Err(failed(error)),
        };
        let started = Instant::now();
        let (mut pause, mut missing) = (self.settings.poll_first, 0);
        loop {
            let Some(ours) = self.own_snapshots(record, source).await?.into_iter().next() else {
                let patient =
                    if lost.is_some() { started.elapsed() < self.settings.lost_after } else { missing < 3 };
                if patient {
                    missing += 1;
                    self.wait(&mut pause).await;
                    continue;
                }
                return Err(match lost.take() {
                    Some(error) => failed(error),
                    None => Error::refused(name, "somebody deleted its snapshot; create it again"),
                });
            };
            if ours.status == "available" {
                return Ok(ours);
            }
            if ours.status.starts_with("error") || started.elapsed() > self.settings.cloud_patience {
                let why = self.cloud.explain(&ours.id).await.ok().flatten();
                return Err(Error::refused(
                    name,
                    format!(
                        "Cinder could not snapshot volume {source} (status {}){}",
                        ours.status,
                        why.map(|text| format!(": {text}")).unwrap_or_default()
                    ),
                ));
            }
            self.wait(&mut pause).await;
        }
    }

    /// Snapshots of `source` that carry the token of this very journal entry.
    async fn own_snapshots(&self, record: &Record, source: &str) -> Result<Vec<Snapshot>> {
        let mut found = match self.cloud.list_snapshots(source).await {
            Ok(found) => found,
            Err(e) if e.is_not_found() => Vec::new(),
            Err(e) => return Err(Error::cloud(&record.name, "look for the snapshot it is copied from", e)),
        };
        found
            .retain(|s| s.metadata.get(&self.marks.request) == Some(&record.token) && s.status != "deleting");
        Ok(found)
    }

    /// Deletes the snapshot this volume was copied from. Some back ends keep it as long as the copy needs it.
    pub(crate) async fn drop_copy_snapshot(&self, record: &Record) -> Result<()> {
        let Some(source) = record.copied_from.as_deref() else { return Ok(()) };
        for snapshot in self.own_snapshots(record, source).await? {
            self.cloud
                .delete_snapshot(&snapshot.id)
                .await
                .map_err(|e| Error::cloud(&record.name, "delete the snapshot it was copied from", e))?;
        }
        Ok(())
    }

    /// The copy is made: its snapshot goes, now or with the copy.
    pub(crate) async fn end_copy(&self, record: &Record) {
        if let Err(error) = self.drop_copy_snapshot(record).await {
            tracing::warn!(volume = record.name, %error, "its snapshot is kept, marked, until the volume is removed");
        }
    }

    /// The volume is gone: so is what was kept for it, and its journal entry.
    pub(crate) async fn forget(&self, record: &Record) -> Result<()> {
        match self.drop_copy_snapshot(record).await {
            // The journal alone remembers the snapshot: it goes when the cloud answers again.
            Err(error) if error.is_cloud_unreachable() => return Err(error),
            Err(error) => {
                tracing::warn!(volume = record.name, %error, "the snapshot it was copied from is left")
            }
            Ok(()) => {}
        }
        self.ledger.remove(&record.name)
    }
}
