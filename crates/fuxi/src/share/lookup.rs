//! Finding shares by name, without side effects: nothing is mounted by a look.

use std::collections::BTreeMap;

use openstack::shared_file_systems::Share;

use super::record::Stage;
use super::{ShareRecord, Shares};
use crate::marks::{FROM, NAME};
use crate::{Error, Result, VolumeInfo};

impl Shares {
    /// The share of that name: from memory, or by one list call.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<ShareRecord>> {
        self.ledger.check(name)?;
        if let Some(record) = self.ledger.get(name) {
            return Ok(record.is_visible().then_some(record));
        }
        if self.ledger.is_absent(name, self.common.absent_for) {
            return Ok(None);
        }
        let found = self.look_up(name).await?;
        if found.is_none() {
            self.ledger.note_absent(name);
        }
        Ok(found)
    }

    /// Asks Manila, whatever memory says.
    pub(super) async fn look_up(&self, name: &str) -> Result<Option<ShareRecord>> {
        let filter = [(FROM, self.marks.label.as_str())];
        let mut shares =
            self.cloud.list_shares(&filter).await.map_err(|e| Error::cloud(name, "look it up", e))?;
        // What is on its way out is no longer a share.
        shares.retain(|s| self.marks.names(s, name) && s.status != "deleting");
        match shares.as_slice() {
            [] => Ok(None),
            [share] => Ok(Some(ShareRecord::of_marked(&self.marks, name, share))),
            several => {
                let ids: Vec<_> = several.iter().map(|s| s.id.as_str()).collect();
                Err(Error::refused(
                    name,
                    format!(
                        "its name matches several Manila shares ({}); remove {NAME} from all but one",
                        ids.join(", ")
                    ),
                ))
            }
        }
    }

    /// All shares that carry our own mark for this name.
    pub(super) async fn marked(&self, name: &str) -> Result<Vec<Share>> {
        let filter = [(FROM, self.marks.label.as_str()), (NAME, name)];
        let mut shares =
            self.cloud.list_shares(&filter).await.map_err(|e| Error::cloud(name, "look it up", e))?;
        // Not every back end of the list filters as it is told.
        shares.retain(|s| self.marks.names(s, name));
        Ok(shares)
    }

    /// The share as it is now; `None` if it is gone.
    pub(super) async fn look(&self, record: &ShareRecord) -> Result<Option<Share>> {
        match self.cloud.get_share(record.id()).await {
            Ok(share) => Ok(Some(share)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(Error::cloud(&record.name, "look at it", e)),
        }
    }

    /// Asks Manila for all shares with our mark, unless somebody does already, and keeps the answer for [`Self::list`].
    pub(crate) async fn refresh_list(&self) {
        let Ok(_alone) = self.refreshing.try_lock() else { return };
        let found = match self.cloud.list_shares(&[(FROM, self.marks.label.as_str())]).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "cannot list shares; those known so far are shown");
                return;
            }
        };
        self.forget_removed_elsewhere(&found).await;
        let listed = found.iter().filter(|s| s.status != "deleting").filter_map(|share| {
            let name = self.marks.name_of(share)?;
            Some((name.to_owned(), ShareRecord::of_marked(&self.marks, name, share)))
        });
        self.ledger.note_listed(listed.collect());
    }

    /// Another host may have removed what this one made, or given back what this one adopted. A record at rest that
    /// Manila no longer lists under its name is dropped once Manila says for certain that there is no such share, or that
    /// it does not carry our mark for the name.
    async fn forget_removed_elsewhere(&self, listed: &[Share]) {
        for record in self.ledger.all() {
            let name = &record.name;
            let unlisted = |id: &String| listed.iter().all(|s| s.id != *id || !self.marks.names(s, name));
            let Some(id) = record.share_id.as_ref().filter(|id| unlisted(id)) else { continue };
            let Ok(_turn) = self.ledger.turn(name).try_lock_owned() else { continue };
            let at_rest = |r: &ShareRecord| {
                r.stage == Stage::Ready
                    && r.mounted.is_none()
                    && r.rule.is_none()
                    && r.share_id == record.share_id
            };
            if !self.ledger.get(name).is_some_and(|r| at_rest(&r)) {
                continue;
            }
            let gone = match self.cloud.get_share(id).await {
                Ok(share) => !self.marks.names(&share, name),
                Err(error) => error.is_not_found(),
            };
            if gone && let Err(error) = self.ledger.remove(name) {
                tracing::warn!(share = name, %error, "cannot forget a share that another host removed");
            }
        }
    }

    /// The shares of Manila's last answer and those of this host, whose own records count more.
    pub(crate) fn list(&self) -> Vec<VolumeInfo> {
        let mut shares: BTreeMap<_, _> =
            self.ledger.listed().into_iter().map(|(name, record)| (name, self.info(&record))).collect();
        for record in self.ledger.all() {
            if record.is_visible() {
                shares.insert(record.name.clone(), self.info(&record));
            } else {
                shares.remove(&record.name);
            }
        }
        shares.into_values().collect()
    }
}
