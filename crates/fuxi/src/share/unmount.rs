//! Unmounting, by the kernel's truth, and no longer being let in.

use std::sync::Arc;

use tokio::time::Instant;

use super::Shares;
use super::record::{ShareRecord, Stage};
use crate::{Error, Result};

impl Shares {
    pub(crate) async fn unmount(self: Arc<Self>, name: &str, id: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.mounted.is_none() {
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
        tracing::warn!(share = name, "mounted, but the caller had gone");
        let Some(mut record) = self.ledger.get(name) else { return };
        record.doubtful |= record.references.contains_key(id);
        if let Err(error) = self.ledger.save(&record) {
            tracing::warn!(share = name, %error, "cannot note a doubtful reference");
        }
        if let Err(error) = self.settle(&record).await {
            tracing::warn!(share = name, %error, "cannot unmount yet");
        }
    }

    /// Unmounts the share after its delay if nobody needs it, or only doubtful references do.
    pub(super) async fn settle(self: Arc<Self>, record: &ShareRecord) -> Result<()> {
        if !record.references.is_empty() && !record.doubtful {
            return Ok(());
        }
        let common = &self.common;
        let delay = if record.references.is_empty() { common.detach_delay } else { common.doubt_delay };
        self.ledger.set_due(&record.name, Some(Instant::now() + delay));
        if delay.is_zero() {
            return self.unmount_if_due(&record.name).await;
        }
        let (shares, name) = (Arc::downgrade(&self), record.name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let Some(shares) = shares.upgrade() else { return };
            let _turn = shares.ledger.turn(&name).lock_owned().await;
            if let Err(error) = shares.unmount_if_due(&name).await {
                tracing::warn!(share = name, %error, "cannot unmount yet, tried again later");
            }
        });
        Ok(())
    }

    /// Unmounts an idle share whose delay is over. A Mount in between cancels that.
    pub(super) async fn unmount_if_due(&self, name: &str) -> Result<()> {
        if self.ledger.due(name).is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.mounted.is_none() || (!record.references.is_empty() && !record.doubtful) {
            self.ledger.set_due(name, None);
            return Ok(());
        }
        match self.let_go(&mut record).await {
            // Somebody uses it: that is no failure, it stays as long as it is needed.
            Err(Error::InUse { by, .. }) => {
                tracing::debug!(share = name, by, "still in use, kept mounted");
                Ok(())
            }
            other => other,
        }
    }

    /// Unmounts it, if the kernel shows no other user on this host, and ends the rule that is ours; otherwise
    /// [`Error::InUse`] and all stays as it is.
    pub(super) async fn let_go(&self, record: &mut ShareRecord) -> Result<()> {
        self.unmount_here(record).await?;
        self.drop_rule(record).await?;
        self.at_rest(record)
    }

    /// Unmounts it; the rule stays.
    pub(super) async fn unmount_here(&self, record: &mut ShareRecord) -> Result<()> {
        let name = record.name.clone();
        let Some(export) = self.mounted_export(record)? else { return Ok(()) };
        let usage = self.host.share_usage(&name, &export).await.map_err(|e| Error::host(&name, e))?;
        if !usage.others.is_empty() {
            return Err(Error::InUse {
                name,
                by: format!("{}; stop what uses it there", usage.others.join(", ")),
            });
        }
        let before = record.clone();
        if record.stage == Stage::Mounted {
            record.stage = Stage::Unmounting;
        }
        // A full disk must not keep a share mounted: the next start reads `mounted` and finds out.
        if let Err(error) = self.ledger.save(record) {
            tracing::warn!(share = name, %error, "unmounting without a journal");
        }
        if let Err(error) = self.host.unmount_share(&name, &export).await {
            // It counts as mounted still, and the server may come back.
            return Err(self.still_used(before, record, error));
        }
        record.mounted = None;
        Ok(())
    }

    fn still_used(
        &self,
        mut before: ShareRecord,
        record: &mut ShareRecord,
        error: host_storage::Error,
    ) -> Error {
        if !error.is_busy() {
            before.trouble = Some(error.to_string());
        }
        if let Err(error) = self.ledger.save(&before) {
            tracing::warn!(share = before.name, %error, "cannot note that it is still in use");
            self.ledger.remember(&before);
        }
        *record = before;
        if error.is_busy() {
            Error::InUse { name: record.name.clone(), by: error.to_string() }
        } else {
            Error::host(&record.name, error)
        }
    }

    /// The share is mounted no longer.
    fn at_rest(&self, record: &mut ShareRecord) -> Result<()> {
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
