//! After a start, and from time to time: what was half done is finished or undone, what nobody uses is unmounted.

use std::sync::Arc;

use super::Shares;
use super::record::{ShareRecord, Stage};
use crate::{Error, Result};

impl Shares {
    /// Brings journal, kernel and cloud into agreement.
    pub(crate) async fn recover(self: &Arc<Self>) {
        for record in self.ledger.all() {
            let turn = self.ledger.turn(&record.name).lock_owned().await;
            self.report(&record.name, self.clone().recover_one(&record.name).await);
            drop(turn);
        }
    }

    /// Looks after idle and half-done shares once; those that are being worked on are left alone.
    pub(crate) async fn sweep(self: Arc<Self>) {
        for record in self.ledger.all() {
            let Ok(turn) = self.ledger.turn(&record.name).try_lock_owned() else { continue };
            self.report(&record.name, self.clone().look_after(&record.name).await);
            drop(turn);
        }
    }

    fn report(&self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {}
            Err(error @ Error::InUse { .. }) => tracing::debug!(share = name, %error, "kept"),
            Err(error) => {
                tracing::warn!(share = name, %error, "cannot be tidied yet, tried again later");
                if let Some(mut record) = self.ledger.get(name) {
                    record.trouble = Some(error.to_string());
                    self.ledger.remember(&record);
                }
            }
        }
    }

    /// The first look after a start: what the journal says of this host may be outdated.
    async fn recover_one(self: Arc<Self>, name: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.stage == Stage::Mounted {
            let boot_id = self.host.boot_id().await.map_err(|e| Error::host(name, e))?;
            if record.mounted.as_ref().is_none_or(|m| m.boot_id != boot_id) {
                record.references.clear();
            }
            // Unmounts may have been missed, and a container may just be starting: the kernel decides, after a while.
            record.doubtful = true;
            self.ledger.save(&record)?;
            return self.settle(&record).await;
        }
        self.finish(record).await
    }

    async fn look_after(self: Arc<Self>, name: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.stage != Stage::Mounted {
            return self.finish(record).await;
        }
        // After a crash of dockerd some Unmounts never come: a reference that no container shows is doubtful.
        if !record.doubtful
            && let Some(export) = self.mounted_export(&record)?
        {
            let usage = self.host.share_usage(name, &export).await.map_err(|e| Error::host(name, e))?;
            if usage.others.is_empty() {
                record.doubtful = true;
                self.ledger.save(&record)?;
            }
        }
        if record.references.is_empty() || record.doubtful {
            if self.ledger.due(name).is_none() {
                return self.settle(&record).await;
            }
            self.unmount_if_due(name).await?;
        }
        self.watch_export(name).await
    }

    /// Tells when a mounted share moved.
    async fn watch_export(&self, name: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name).filter(ShareRecord::is_mounted) else { return Ok(()) };
        if self.exports_checked.is_fresh(name, self.settings.exports_checked_every) {
            return Ok(());
        }
        let moved = self.check_export(&record).await;
        self.exports_checked.note(name);
        if moved.is_ok() && record.trouble.is_some() {
            record.trouble = None;
            self.ledger.remember(&record);
        }
        moved
    }

    /// Finishes or undoes what a stage says was begun.
    async fn finish(&self, mut record: ShareRecord) -> Result<()> {
        match record.stage {
            // A rule that could not be ended, or one of a mount that never came about.
            Stage::Ready if record.rule.is_some() => self.let_go(&mut record).await,
            Stage::Ready | Stage::Mounted => Ok(()),
            Stage::Creating => self.finish_creating(record, false).await,
            Stage::Adopting | Stage::GivingBack => self.give_back(record).await,
            Stage::Mounting | Stage::Unmounting => self.let_go(&mut record).await,
            Stage::Deleting => self.settle_removal(record).await,
        }
    }
}
