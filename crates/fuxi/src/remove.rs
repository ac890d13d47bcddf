//! Removing: what we made is deleted, what we adopted is given back.

use openstack::block_storage::Volume;
use tokio::time::Instant;

use crate::holder::{self, Holder};
use crate::record::{Origin, Record, Stage};
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let record = match self.ledger.get(name) {
            Some(record) if record.stage == Stage::Creating => {
                self.finish_creating(record, true).await?;
                // Another host may have used it meanwhile: then it is a volume, and removed like one.
                match self.ledger.get(name) {
                    Some(record) => record,
                    None => return Ok(()),
                }
            }
            Some(record) if record.stage == Stage::Adopting => return self.give_back(record).await,
            Some(record) => record,
            None => match self.find(name).await? {
                Some(record) => record,
                None => {
                    tracing::info!(volume = name, "asked to remove an unknown volume");
                    return Ok(());
                }
            },
        };
        self.finish_removing(record).await
    }

    /// Takes a removal up, wherever it was left.
    pub(crate) async fn finish_removing(&self, mut record: Record) -> Result<()> {
        let name = record.name.clone();
        if !self.references_are_dead(&record).await? {
            let ids: Vec<_> =
                record.references.keys().map(|k| k.chars().take(12).collect::<String>()).collect();
            return Err(Error::InUse {
                name,
                by: format!("mounted on this host for {}; stop that container", ids.join(", ")),
            });
        }
        if record.attached.is_some() {
            self.detach(&mut record).await?;
        }
        match record.origin {
            Origin::Created => self.delete(record).await,
            Origin::Adopted => {
                self.refuse_if_attached_elsewhere(&record).await?;
                record.stage = Stage::GivingBack;
                self.ledger.save(&record)?;
                self.give_back(record).await
            }
            Origin::Unknown => Err(Error::refused(
                &name,
                format!(
                    "Cinder volume {} carries our label, but nothing tells whether it was made or only adopted for Docker (Fuxi wrote the same for both), so it is not deleted; if you mean it: openstack volume delete {}",
                    record.id(),
                    record.id()
                ),
            )),
        }
    }

    /// Docker removes only what none of its containers has; but the last Unmounts of a Docker that was killed never come,
    /// and those of another Docker's containers may be due. So the kernel decides, once a container had time to show.
    async fn references_are_dead(&self, record: &Record) -> Result<bool> {
        if record.references.is_empty() || record.doubtful {
            return Ok(true);
        }
        let device = record.attached.as_ref().and_then(|a| a.device.as_ref());
        let (Some(device), false) =
            (device, self.ledger.mounted_within(&record.name, self.settings.shows_after))
        else {
            return Ok(false);
        };
        let usage = self.host.usage(device, &record.name).await.map_err(|e| Error::host(&record.name, e))?;
        Ok(usage.others.is_empty())
    }

    async fn look(&self, record: &Record) -> Result<Option<Volume>> {
        match self.cloud.get_volume(record.id()).await {
            Ok(volume) => Ok(Some(volume)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(Error::cloud(&record.name, "look at it", e)),
        }
    }

    async fn refuse_if_attached_elsewhere(&self, record: &Record) -> Result<()> {
        match self.look(record).await? {
            Some(volume) => attached_elsewhere(record, &volume).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    async fn delete(&self, mut record: Record) -> Result<()> {
        let name = record.name.clone();
        let Some(volume) = self.look(&record).await? else { return self.forget(&record).await };
        // Journal and mark must agree before anything is destroyed.
        let proven = self.marks.names(&volume, &name)
            && self.marks.origin(&volume) == Origin::Created
            && volume.metadata.get(&self.marks.request) == Some(&record.token);
        if !proven {
            self.settle_removal(record).await?;
            return Err(Error::refused(
                &name,
                format!(
                    "Cinder volume {} no longer carries the marks of one we made, so it is not deleted; restore them or delete it with openstack volume delete",
                    volume.id
                ),
            ));
        }
        if let Some(error) = attached_elsewhere(&record, &volume) {
            self.settle_removal(record).await?;
            return Err(error);
        }
        record.stage = Stage::Deleting;
        self.ledger.save(&record)?;
        if volume.status != "deleting"
            && let Err(error) = self.cloud.delete_volume(&volume.id).await
            && !error.effect_unknown()
        {
            record.stage = Stage::Ready;
            self.ledger.save(&record)?;
            return Err(Error::cloud(&name, "delete it", error));
        }
        self.await_gone(record).await
    }

    /// Ends a removal whose outcome nobody saw: what is gone is forgotten, what is on its way is left to go, anything else is
    /// a volume again. Nothing is destroyed here: since the user's request failed, another host may use the volume, and a
    /// moment between two of its containers is no proof that nobody needs it.
    pub(crate) async fn settle_removal(&self, mut record: Record) -> Result<()> {
        if record.stage != Stage::Deleting {
            return Ok(());
        }
        match self.look(&record).await? {
            None => self.forget(&record).await,
            Some(volume) if volume.status == "deleting" => Ok(()),
            Some(_) => {
                record.stage = Stage::Ready;
                self.ledger.save(&record)
            }
        }
    }

    pub(crate) async fn await_gone(&self, mut record: Record) -> Result<()> {
        let name = record.name.clone();
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            let status = match self.look(&record).await? {
                None => return self.forget(&record).await,
                Some(volume) => volume.status,
            };
            if status != "deleting" || started.elapsed() > self.settings.cloud_patience {
                // The request was lost on its way, or Cinder failed: the user decides anew.
                record.stage = Stage::Ready;
                self.ledger.save(&record)?;
                return Err(Error::refused(
                    &name,
                    format!(
                        "Cinder did not delete volume {} (status {status}); repeat the command",
                        record.id()
                    ),
                ));
            }
            self.wait(&mut pause).await;
        }
    }
}

fn attached_elsewhere(record: &Record, volume: &Volume) -> Option<Error> {
    let busy = ["in-use", "reserved", "attaching", "detaching"].contains(&volume.status.as_str());
    if !busy && volume.attachments.is_empty() {
        return None;
    }
    let holders = Holder::all(volume, None);
    let by = if holders.is_empty() { "another host".to_owned() } else { holder::describe(&holders) };
    Some(Error::InUse {
        name: record.name.clone(),
        by: format!(
            "Cinder volume {} is {}, held by {by}; remove it there, or stop its container first",
            volume.id, volume.status
        ),
    })
}
