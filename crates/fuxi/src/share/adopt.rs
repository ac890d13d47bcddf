//! Adopting the user's share, and giving it back exactly as it was found.

use openstack::shared_file_systems::Share;

use super::Shares;
use super::record::{ShareRecord, Stage};
use super::request::ShareRequest;
use crate::marks::{FROM, NAME};
use crate::record::Origin;
use crate::{Error, Result};

/// The longest metadata value Manila stores.
const LONGEST: usize = 1023;

impl Shares {
    pub(super) async fn adopt(&self, name: &str, request: ShareRequest) -> Result<()> {
        let id = request.volume_id.clone().unwrap_or_default();
        let share = match self.cloud.get_share(&id).await {
            Ok(share) => share,
            Err(e) if e.is_not_found() => {
                return Err(Error::refused(
                    name,
                    format!("there is no Manila share {id} in this project; see openstack share list"),
                ));
            }
            Err(e) => return Err(Error::cloud(name, "look at the share to adopt", e)),
        };
        let own = self.cloud.project_id().await;
        if let Some(own) = own.map_err(|e| Error::cloud(name, "look at the share to adopt", e))?
            && share.project_id != own
        {
            // A public share, or we are its cloud's operator; our lists would never show it.
            return Err(Error::refused(
                name,
                format!(
                    "Manila share {id} belongs to project {}, not to this one; only a share of its own is adopted",
                    share.project_id
                ),
            ));
        }
        self.check_adoptable(name, &request, &share)?;
        let mut record = ShareRecord::new(name, Stage::Adopting, Origin::Adopted, request);
        record.learn(&self.marks, &share);
        let keys = self.marks.of_adoption();
        record.before = share
            .metadata
            .iter()
            .filter(|(k, _)| keys.contains(&k.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut metadata = self.marks.for_adopted(name, &record.how);
        if !record.before.is_empty() {
            let before = serde_json::to_string(&record.before).unwrap_or_default();
            if before.len() > LONGEST {
                return Err(Error::refused(
                    name,
                    format!("share {id} has metadata {NAME} too long to be kept; rename that key first"),
                ));
            }
            metadata.insert(self.marks.before.clone(), before);
        }
        self.ledger.save(&record)?;
        let merged = match self.cloud.merge_metadata(&id, &metadata).await {
            // Merging the same again is harmless, and tells whether it works.
            Err(e) if e.effect_unknown() => self.cloud.merge_metadata(&id, &metadata).await,
            other => other,
        };
        let done = match merged {
            Ok(()) => {
                record.stage = Stage::Ready;
                self.ledger.save(&record)
            }
            Err(e) => Err(Error::cloud(name, "mark the share to adopt", e)),
        };
        if done.is_err() {
            record.stage = Stage::Adopting;
            if let Err(error) = self.give_back(record).await {
                tracing::warn!(share = name, %error, "cannot undo the adoption yet, tried again later");
            }
        }
        done
    }

    fn check_adoptable(&self, name: &str, request: &ShareRequest, share: &Share) -> Result<()> {
        let refused = |reason: String| Err(Error::refused(name, reason));
        let id = &share.id;
        match (share.metadata.get(FROM), share.metadata.get(NAME)) {
            (Some(label), _) if *label != self.marks.label => {
                return refused(format!(
                    "Manila share {id} belongs to {FROM}={label}; remove it there first"
                ));
            }
            (Some(_), Some(other)) => {
                return refused(format!(
                    "Manila share {id} is the Docker volume {other} already; use that name"
                ));
            }
            _ => {}
        }
        if share.metadata.contains_key(&self.marks.request) {
            return refused(format!(
                "Manila share {id} carries {} of a Docker volume; remove that metadata if it is a leftover",
                self.marks.request
            ));
        }
        let Some(protocol) = host_storage::shares::Protocol::of_name(&share.share_proto) else {
            return refused(format!(
                "Manila share {id} speaks {}, which cannot be mounted here",
                share.share_proto
            ));
        };
        if request.protocol.is_some_and(|p| p != protocol) {
            return refused(format!("Manila share {id} speaks {protocol}; leave share_proto out"));
        }
        request.check_mount_options(name, protocol)?;
        if let Err(reason) = self.settings.identity(protocol) {
            return refused(format!("this host has no name for {protocol} shares: {reason}"));
        }
        if share.status != "available" {
            return refused(format!(
                "Manila share {id} is {}, not available; see openstack share show {id}",
                share.status
            ));
        }
        match request.size {
            Some(size) if size != share.size => {
                refused(format!("Manila share {id} has {} GiB, not {size}; leave size out", share.size))
            }
            _ => Ok(()),
        }
    }

    /// Puts the user's metadata back as it was and forgets the share. Never deletes it.
    pub(super) async fn give_back(&self, record: ShareRecord) -> Result<()> {
        let (name, id) = (&record.name, record.id());
        let failed = |e| Error::cloud(name, "give it back", e);
        let Some(share) = self.look(&record).await? else { return self.ledger.remove(name) };
        let taken = |key: &str, ours: &str| {
            share.metadata.get(key).is_some_and(|v| v != ours && Some(v) != record.before.get(key))
        };
        if taken(NAME, name) || taken(FROM, &self.marks.label) {
            tracing::warn!(share = name, id, "given back elsewhere and adopted anew: left to its new owner");
            return self.ledger.remove(name);
        }
        let keys = self.marks.of_adoption();
        for key in keys.into_iter().filter(|k| !record.before.contains_key(*k)) {
            if share.metadata.contains_key(key) {
                match self.cloud.delete_metadata_key(id, key).await {
                    Err(e) if !e.is_not_found() => return Err(failed(e)),
                    _ => {}
                }
            }
        }
        if record.before.iter().any(|(k, v)| share.metadata.get(k) != Some(v)) {
            self.cloud.merge_metadata(id, &record.before).await.map_err(failed)?;
        }
        self.ledger.remove(name)
    }
}
