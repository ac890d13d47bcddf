//! Unmounting and detaching, by the kernel's truth.

use std::sync::Arc;

use tokio::time::Instant;

use crate::record::{Record, Stage};
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    pub(crate) async fn unmount(self: Arc<Self>, name: &str, id: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.attached.is_none() {
            return Ok(());
        }
        match record.references.get_mut(id) {
            Some(count) if *count > 1 => {
                *count -= 1;
                record.doubtful = true;
            }
            Some(_) => {
                record.references.remove(id);
            }
            // Of a Mount before our journal: what remains may be as wrong.
            None => record.doubtful = true,
        }
        self.ledger.save(&record)?;
        self.settle(&record).await
    }

    /// Docker did not hear that its Mount succeeded, and sends no Unmount.
    pub(crate) async fn undelivered(self: Arc<Self>, name: &str, id: &str) {
        tracing::warn!(volume = name, "mounted, but the caller had gone");
        let Some(mut record) = self.ledger.get(name) else { return };
        record.doubtful |= record.references.contains_key(id);
        if let Err(error) = self.ledger.save(&record) {
            tracing::warn!(volume = name, %error, "cannot note a doubtful reference");
        }
        if let Err(error) = self.settle(&record).await {
            tracing::warn!(volume = name, %error, "cannot detach yet");
        }
    }

    /// Detaches the volume after its delay if nobody needs it, or only doubtful references do.
    pub(crate) async fn settle(self: Arc<Self>, record: &Record) -> Result<()> {
        if !record.references.is_empty() && !record.doubtful {
            return Ok(());
        }
        let settings = &self.settings;
        let delay = if record.references.is_empty() { settings.detach_delay } else { settings.doubt_delay };
        self.ledger.set_due(&record.name, Some(Instant::now() + delay));
        if delay.is_zero() {
            return self.detach_if_due(&record.name).await;
        }
        let (core, name) = (Arc::downgrade(&self), record.name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let Some(core) = core.upgrade() else { return };
            let _turn = core.ledger.turn(&name).lock_owned().await;
            if let Err(error) = core.detach_if_due(&name).await {
                tracing::warn!(volume = name, %error, "cannot detach yet, tried again later");
            }
        });
        Ok(())
    }

    /// Detaches an idle volume whose delay is over. A Mount in between cancels that.
    pub(crate) async fn detach_if_due(&self, name: &str) -> Result<()> {
        if self.ledger.due(name).is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.attached.is_none() || (!record.references.is_empty() && !record.doubtful) {
            self.ledger.set_due(name, None);
            return Ok(());
        }
        match self.detach(&mut record).await {
            // Somebody uses it: that is no failure, it stays as long as it is needed.
            Err(Error::InUse { by, .. }) => {
                tracing::debug!(volume = name, by, "still in use, kept attached");
                Ok(())
            }
            other => other,
        }
    }

    /// Unmounts and detaches, if the kernel shows no other user; otherwise [`Error::InUse`] and all stays as it is.
    pub(crate) async fn detach(&self, record: &mut Record) -> Result<()> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        let Some(attached) = record.attached.clone() else { return self.at_rest(record) };
        let same_boot = attached.boot_id == self.host.boot_id().await.map_err(failed)?;
        // Mounts and device numbers of an earlier boot are gone with it.
        if let Some(device) = attached.device.as_ref().filter(|_| same_boot) {
            let usage = self.host.usage(device, &name).await.map_err(failed)?;
            if !usage.others.is_empty() {
                return Err(Error::InUse {
                    name,
                    by: format!("{}; stop the container that uses it", usage.others.join(", ")),
                });
            }
            let before = record.clone();
            if record.stage == Stage::Attached {
                record.stage = Stage::Detaching;
            }
            // A full disk must not keep a volume attached: the next start reads `attached` and finds out.
            if let Err(error) = self.ledger.save(record) {
                tracing::warn!(volume = name, %error, "detaching without a journal");
            }
            if let Err(error) = self.host.unmount(device, &name).await {
                return Err(self.still_used(before, error));
            }
            if let Err(error) = self.host.release(device).await {
                // It counts as mounted still: the next Mount then mounts it again beside whoever holds it.
                return Err(self.still_used(before, error));
            }
        }
        // Some storage connects by itself after a reboot.
        if let Some(link) = &attached.link {
            self.host.disconnect(link, record.id()).await.map_err(|e| match e.is_busy() {
                true => Error::InUse { name: name.clone(), by: e.to_string() },
                false => failed(e),
            })?;
        }
        self.unclaim(record, attached.id.as_deref()).await?;
        self.at_rest(record)
    }

    fn still_used(&self, record: Record, error: host_storage::Error) -> Error {
        if let Err(error) = self.ledger.save(&record) {
            tracing::warn!(volume = record.name, %error, "cannot note that it is still in use");
            self.ledger.remember(&record);
        }
        if error.is_busy() {
            Error::InUse { name: record.name, by: error.to_string() }
        } else {
            Error::host(&record.name, error)
        }
    }

    /// The volume is attached no longer.
    pub(crate) fn at_rest(&self, record: &mut Record) -> Result<()> {
        record.attached = None;
        record.references.clear();
        record.doubtful = false;
        if !matches!(record.stage, Stage::Deleting | Stage::GivingBack) {
            record.stage = Stage::Ready;
        }
        self.ledger.set_due(&record.name, None);
        if record.visiting && record.stage == Stage::Ready {
            return self.ledger.remove(&record.name);
        }
        self.ledger.save(record)
    }
}
