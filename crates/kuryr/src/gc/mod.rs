//! Orphans: what is there, looks like ours, and no record of the journal names. With a whole journal there are none;
//! they come from a state directory that was lost, put back from a copy, or damaged.

mod facts;
mod known;
mod remove;
mod report;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use self::known::Known;
use self::verdict::Judge;
use crate::service::{Inner, Service};
use crate::{Error, Result};

pub use report::{Orphan, OrphanAction, OrphanKind, OrphanReport};

/// Pause after a round the cloud did not answer; twice as long after each.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest of these pauses.
const AGAIN_LAST: Duration = Duration::from_secs(300);

impl Service {
    /// Compares journal, cloud and host. Removes what is provably ours and nobody's, unless `dry_run`; tells the rest.
    /// Takes as long as the cloud does: five lists and a call or two per orphan.
    ///
    /// # Errors
    /// Cloud or host cannot be asked. What could not be removed is told in the report.
    pub async fn collect_orphans(&self, dry_run: bool) -> Result<OrphanReport> {
        let inner = Arc::clone(&self.inner);
        // A caller that hangs up must not stop it between two steps.
        let work = tokio::spawn(async move { inner.collect_orphans(dry_run).await });
        work.await.unwrap_or_else(|died| {
            Err(Error::Broken {
                operation: "look for",
                resource: "orphans".to_owned(),
                reason: died.to_string(),
            })
        })
    }

    /// Looks for orphans in the background: now, and again each [`crate::Settings::orphan_interval`].
    pub fn watch_for_orphans(&self) {
        let weak = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            let mut again = AGAIN;
            loop {
                let Some(inner) = weak.upgrade() else { return };
                let regular = inner.settings.orphan_interval;
                let pause = match inner.collect_orphans(false).await {
                    Ok(report) => {
                        again = AGAIN;
                        for left in report.orphans.iter().filter(|o| o.action == OrphanAction::Left) {
                            tracing::warn!(kind = ?left.kind, id = left.id, why = left.why, "an orphan is left alone");
                        }
                        regular
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot look for orphans now, trying again later");
                        again = AGAIN_LAST.min(again * 2);
                        Some(again)
                    }
                };
                drop(inner);
                let Some(pause) = pause else { return };
                tokio::time::sleep(pause).await;
            }
        });
    }
}

impl Inner {
    async fn collect_orphans(&self, dry_run: bool) -> Result<OrphanReport> {
        let _turn = self.locks.lock("orphans", "all").await;
        let facts = self.facts().await?;
        // After the look: what was begun before it has been written down before.
        let known = Known::of(self);
        let judge = Judge { facts: &facts, known: &known, marks: &self.marks, host: &self.settings.host };
        let mut orphans = judge.orphans();
        if !dry_run {
            self.remove_orphans(&mut orphans).await;
        }
        Ok(OrphanReport { dry_run, unseen: facts.unseen, orphans })
    }
}
