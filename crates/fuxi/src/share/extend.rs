//! Growing a share, mounted or not: its server shows the new size by itself.

use tokio::time::Instant;

use super::Shares;
use crate::{Error, Result};

impl Shares {
    /// Grows the share to `gib` GiB and returns the size it has then. One that is as large is left as it is.
    pub(crate) async fn extend(&self, name: &str, gib: u64) -> Result<u64> {
        let mut record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        let failed = |e| Error::cloud(name, "extend it", e);
        let before = self.cloud.get_share(record.id()).await.map_err(failed)?;
        if gib < before.size {
            return Err(Error::refused(
                name,
                format!("it has {} GiB already; a share is not shrunk", before.size),
            ));
        }
        if gib > before.size {
            match self.cloud.extend_share(record.id(), gib).await {
                // What follows shows whether it was done.
                Err(error) if !error.effect_unknown() => return Err(failed(error)),
                _ => {}
            }
        }
        let started = Instant::now();
        let mut pause = self.common.poll_first;
        loop {
            let share = self.cloud.get_share(record.id()).await.map_err(failed)?;
            if share.size >= gib && share.status == "available" {
                record.size = share.size;
                // Only what this host has in hand is written down here.
                if self.ledger.get(name).is_some() {
                    self.ledger.save(&record)?;
                }
                return Ok(record.size);
            }
            if share.status.contains("error") || started.elapsed() > self.common.cloud_patience {
                let why = self.why(record.id()).await;
                return Err(Error::refused(
                    name,
                    format!("Manila did not extend it (status {}, {} GiB){why}", share.status, share.size),
                ));
            }
            self.wait(&mut pause).await;
        }
    }
}
