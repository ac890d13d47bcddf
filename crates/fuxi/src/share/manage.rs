//! What an operator asks of a share.

use super::Shares;
use crate::{Error, Result, VolumeDetails};

impl Shares {
    /// Unmounts the share from this host now and ends its rule if it is ours. Docker's references do not count, the
    /// kernel's users do.
    pub(crate) async fn detach(&self, name: &str) -> Result<()> {
        let in_hand = |r: &super::ShareRecord| r.mounted.is_some() || r.rule.is_some();
        let Some(mut record) = self.ledger.get(name).filter(in_hand) else {
            return Err(Error::refused(name, "it is not mounted on this host"));
        };
        self.let_go(&mut record).await
    }

    /// The share as this host and, newly asked, Manila know it.
    pub(crate) async fn show(&self, name: &str) -> Result<VolumeDetails> {
        let not_found = || Error::NotFound { name: name.to_owned() };
        let record = self.find(name).await?.ok_or_else(not_found)?;
        let share = self.look(&record).await?.ok_or_else(not_found)?;
        let info = self.info(&record);
        Ok(VolumeDetails {
            name: info.name,
            mountpoint: info.mountpoint,
            status: info.status.into_iter().collect(),
            cloud_status: share.status,
            holders: Vec::new(),
            references: record.references.keys().cloned().collect(),
        })
    }
}
