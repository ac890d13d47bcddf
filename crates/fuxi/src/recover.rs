//! After a start, and from time to time: what was half done is finished or undone, what nobody uses is detached.

use std::sync::Arc;
use std::time::Duration;

use crate::record::{Record, Stage};
use crate::service::{Core, Service};
use crate::{Error, Result};

/// How long one volume may keep those behind it waiting.
const PER_VOLUME: Duration = Duration::from_secs(30);

impl Service {
    /// Brings journal, kernel and cloud into agreement. What cannot be done now is done by [`Service::sweep`], which is
    /// started here if the settings ask for it.
    pub async fn recover(&self) {
        // One provider that does not answer must not keep the other's volumes waiting.
        let volumes = async {
            for record in self.core.ledger.all() {
                let core = self.core.clone();
                let work = tokio::spawn(async move {
                    let turn = core.ledger.turn(&record.name).lock_owned().await;
                    core.report(&record.name, core.clone().recover(&record.name).await);
                    drop(turn);
                });
                let _ = tokio::time::timeout(PER_VOLUME, work).await;
            }
        };
        let shares = async {
            if let Some(shares) = &self.shares {
                shares.recover().await;
            }
        };
        tokio::join!(volumes, shares);
        let Some(period) = self.core.settings.sweep_every else { return };
        let core = Arc::downgrade(&self.core);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(core) = core.upgrade() else { return };
                core.sweep().await;
            }
        });
        let Some(shares) = self.shares.as_ref().map(Arc::downgrade) else { return };
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(shares) = shares.upgrade() else { return };
                shares.sweep().await;
            }
        });
    }

    /// Looks after idle and half-done volumes once; those that are being worked on are left alone.
    pub async fn sweep(&self) {
        self.core.clone().sweep().await;
        if let Some(shares) = &self.shares {
            shares.clone().sweep().await;
        }
    }
}

impl Core {
    async fn sweep(self: Arc<Self>) {
        for record in self.ledger.all() {
            let Ok(turn) = self.ledger.turn(&record.name).try_lock_owned() else { continue };
            let core = self.clone();
            let work = tokio::spawn(async move {
                core.report(&record.name, core.clone().look_after(&record.name).await);
                drop(turn);
            });
            // Storage that is away may hold one volume up for as long as it likes; it keeps its turn, the others go on.
            let _ = tokio::time::timeout(PER_VOLUME, work).await;
        }
    }

    fn report(&self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {}
            Err(error @ Error::InUse { .. }) => tracing::debug!(volume = name, %error, "kept"),
            Err(error) => {
                tracing::warn!(volume = name, %error, "cannot be tidied yet, tried again later");
                if let Some(mut record) = self.ledger.get(name) {
                    record.trouble = Some(error.to_string());
                    self.ledger.remember(&record);
                }
            }
        }
    }

    /// The first look after a start: what the journal says of this host may be outdated.
    async fn recover(self: Arc<Self>, name: &str) -> Result<()> {
        let Some(mut record) = self.ledger.get(name) else { return Ok(()) };
        if record.stage == Stage::Attached {
            let boot_id = self.host.boot_id().await.map_err(|e| Error::host(name, e))?;
            if record.attached.as_ref().is_none_or(|a| a.boot_id != boot_id) {
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
        if record.stage != Stage::Attached {
            return self.finish(record).await;
        }
        // After a crash of dockerd some Unmounts never come: a reference that no container shows is doubtful.
        if !record.doubtful
            && !self.ledger.mounted_within(name, self.settings.starts_within)
            && let Some(device) = record.attached.as_ref().and_then(|a| a.device.as_ref())
        {
            let usage = self.host.usage(device, name).await.map_err(|e| Error::host(name, e))?;
            if usage.others.is_empty() {
                record.doubtful = true;
                self.ledger.save(&record)?;
            }
        }
        if record.references.is_empty() || record.doubtful {
            if self.ledger.due(name).is_none() {
                return self.settle(&record).await;
            }
            return self.detach_if_due(name).await;
        }
        Ok(())
    }

    /// Finishes or undoes what a stage says was begun.
    async fn finish(&self, mut record: Record) -> Result<()> {
        match record.stage {
            Stage::Ready | Stage::Attached => Ok(()),
            Stage::Creating => self.finish_creating(record, false).await,
            Stage::Adopting | Stage::GivingBack => self.give_back(record).await,
            Stage::Attaching | Stage::Detaching => self.detach(&mut record).await,
            Stage::Deleting => self.settle_removal(record).await,
        }
    }
}
