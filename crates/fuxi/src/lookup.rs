//! Finding volumes by name, without side effects.

use std::collections::{BTreeMap, HashSet};

use openstack::block_storage::Volume;

use crate::marks::{FROM, NAME};
use crate::record::{Record, Stage};
use crate::service::Core;
use crate::{Error, Result, VolumeInfo};

impl Core {
    /// The volume of that name: from memory, or by one list call.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Record>> {
        self.ledger.check(name)?;
        if let Some(record) = self.ledger.get(name) {
            return Ok(record.is_visible().then_some(record));
        }
        if self.ledger.is_absent(name, self.settings.absent_for) {
            return Ok(None);
        }
        let found = self.look_up(name).await?;
        if found.is_none() {
            self.ledger.note_absent(name);
        }
        Ok(found)
    }

    /// Asks Cinder, whatever memory says.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<Record>> {
        // One call must find what we made, what was adopted (its Cinder name is the user's) and what OpenStack's Fuxi
        // made (it has no key for Docker's name); the label is all they share.
        let filter = [(FROM, self.marks.label.as_str())];
        let mut volumes =
            self.cloud.list_volumes(&filter).await.map_err(|e| Error::cloud(name, "look it up", e))?;
        // What is on its way out is no longer a volume.
        volumes.retain(|v| self.marks.names(v, name) && v.status != "deleting");
        match volumes.as_slice() {
            [] => Ok(None),
            [volume] => Ok(Some(Record::of_marked(&self.marks, name, volume))),
            several => Err(Error::Ambiguous {
                name: name.to_owned(),
                ids: several.iter().map(|v| v.id.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// All volumes that carry our own mark for this name.
    pub(crate) async fn marked(&self, name: &str) -> Result<Vec<Volume>> {
        let filter = [(FROM, self.marks.label.as_str()), (NAME, name)];
        let mut volumes =
            self.cloud.list_volumes(&filter).await.map_err(|e| Error::cloud(name, "look it up", e))?;
        // Not every back end of the list filters as it is told.
        volumes.retain(|v| self.marks.names(v, name));
        Ok(volumes)
    }

    /// Asks Cinder for all volumes with our mark, unless somebody does already, and keeps the answer for [`Self::list`].
    pub(crate) async fn refresh_list(&self) {
        let Ok(_alone) = self.refreshing.try_lock() else { return };
        let found = match self.cloud.list_volumes(&[(FROM, self.marks.label.as_str())]).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "cannot list volumes; those known so far are shown");
                return;
            }
        };
        self.forget_removed_elsewhere(&found).await;
        let listed = found.iter().filter(|v| v.status != "deleting").filter_map(|volume| {
            let name = self.marks.name_of(volume)?;
            Some((name.to_owned(), Record::of_marked(&self.marks, name, volume)))
        });
        self.ledger.note_listed(listed.collect());
    }

    /// Another host may have removed what this one made. A record at rest of a volume that Cinder no longer lists is dropped
    /// once Cinder says for certain that there is none.
    async fn forget_removed_elsewhere(&self, listed: &[Volume]) {
        let listed: HashSet<&str> = listed.iter().map(|v| v.id.as_str()).collect();
        for record in self.ledger.all() {
            let unlisted = |id: &&String| !listed.contains(id.as_str());
            let Some(id) = record.volume_id.as_ref().filter(unlisted) else { continue };
            let Ok(_turn) = self.ledger.turn(&record.name).try_lock_owned() else { continue };
            let at_rest = |r: &Record| {
                r.stage == Stage::Ready && r.attached.is_none() && r.volume_id == record.volume_id
            };
            if !self.ledger.get(&record.name).is_some_and(|r| at_rest(&r)) {
                continue;
            }
            let gone = self.cloud.get_volume(id).await.is_err_and(|e| e.is_not_found());
            if gone && let Err(error) = self.ledger.remove(&record.name) {
                tracing::warn!(volume = record.name, %error, "cannot forget a volume that another host removed");
            }
        }
    }

    /// The volumes of Cinder's last answer and those of this host, whose own records count more.
    pub(crate) fn list(&self) -> Vec<VolumeInfo> {
        let mut volumes: BTreeMap<_, _> =
            self.ledger.listed().into_iter().map(|(name, record)| (name, self.info(&record))).collect();
        for record in self.ledger.all() {
            if record.is_visible() {
                volumes.insert(record.name.clone(), self.info(&record));
            } else {
                volumes.remove(&record.name);
            }
        }
        volumes.into_values().collect()
    }
}
