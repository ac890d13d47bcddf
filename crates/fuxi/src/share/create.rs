//! Making a share. Nothing is mounted.

use std::collections::BTreeMap;

use openstack::shared_file_systems::{NewShare, Share};
use tokio::time::Instant;

use super::Shares;
use super::record::{ShareRecord, Stage};
use super::request::ShareRequest;
use crate::record::Origin;
use crate::{Error, Result};

impl Shares {
    /// Whether the options are ones a share takes.
    pub(crate) fn check_options(&self, name: &str, options: &BTreeMap<String, String>) -> Result<()> {
        ShareRequest::parse(name, options).map(drop)
    }

    pub(crate) async fn create(&self, name: &str, options: &BTreeMap<String, String>) -> Result<()> {
        let request = ShareRequest::parse(name, options)?;
        self.ledger.check(name)?;
        match self.ledger.get(name) {
            Some(record) if record.stage == Stage::Creating => {
                // A former attempt left something or nothing: end that first, so that this one starts clean.
                self.finish_creating(record, true).await?;
                if let Some(mut record) = self.ledger.get(name) {
                    same_or_conflict(&record, &request)?;
                    // Manila may still be making it: that is waited for.
                    let unfinished = record.stage == Stage::Creating;
                    return if unfinished { self.await_made(&mut record, None).await } else { Ok(()) };
                }
            }
            Some(record) if record.stage == Stage::Adopting => self.give_back(record).await?,
            Some(record) if record.stage == Stage::GivingBack => self.finish_removing(record).await?,
            Some(record) if record.stage == Stage::Deleting => {
                self.settle_removal(record).await?;
                match self.ledger.get(name) {
                    Some(record) if record.stage == Stage::Deleting => self.await_gone(record, false).await?,
                    Some(record) => return same_or_conflict(&record, &request),
                    None => {}
                }
            }
            Some(record) => return same_or_conflict(&record, &request),
            None => {}
        }
        // Docker asked for the name a moment ago; that answer still counts.
        if !self.ledger.is_absent(name, self.common.absent_for)
            && let Some(found) = self.look_up(name).await?
        {
            return same_or_conflict(&found, &request);
        }
        if request.volume_id.is_some() {
            self.adopt(name, request).await
        } else {
            self.make(name, request).await
        }
    }

    async fn make(&self, name: &str, mut request: ShareRequest) -> Result<()> {
        let settings = &self.settings;
        if !self.common.implicit_create && request == ShareRequest::default() {
            return Err(Error::refused(
                name,
                "there is no such share, and implicit_create = false forbids to make one by the way; docker volume create -d fuxi -o volume_provider=manila -o size=... makes it",
            ));
        }
        let protocol = request.protocol.unwrap_or(settings.default_protocol);
        request.protocol = Some(protocol);
        request.check_mount_options(name, protocol)?;
        // A share that this host cannot use is not made.
        settings.identity(protocol).map_err(|reason| {
            Error::refused(name, format!("this host has no name for {protocol} shares: {reason}"))
        })?;
        request.size = Some(request.size.unwrap_or(self.common.default_size));
        request.share_type = request.share_type.or_else(|| settings.default_share_type.clone());
        request.share_network = request.share_network.or_else(|| settings.default_share_network.clone());
        request.availability_zone =
            request.availability_zone.or_else(|| settings.default_availability_zone.clone());

        let mut record = ShareRecord::new(name, Stage::Creating, Origin::Created, request.clone());
        let new = NewShare {
            name: name.to_owned(),
            share_proto: protocol.name().to_owned(),
            size: record.size,
            metadata: self.marks.for_new(name, &record.token, &record.how, &record.root),
            description: request.description,
            share_type: request.share_type,
            share_network_id: request.share_network,
            availability_zone: request.availability_zone,
            snapshot_id: request.snapshot_id,
            is_public: request.is_public,
            share_group_id: request.share_group,
        };
        self.ledger.save(&record)?;
        let lost = match self.cloud.create_share(&new).await {
            Ok(share) => {
                record.share_id = Some(share.id);
                None
            }
            Err(error) if error.effect_unknown() => Some(error),
            Err(error) => {
                self.ledger.remove(name)?;
                return Err(Error::cloud(name, "create it", error));
            }
        };
        let done = match self.ledger.save(&record) {
            Ok(()) => self.await_made(&mut record, lost).await,
            Err(error) => {
                // The journal still says `creating` with our token, so the next start would find it too.
                self.ledger.remember(&record);
                Err(error)
            }
        };
        if done.is_err()
            && let Err(again) = self.finish_creating(record, true).await
        {
            tracing::warn!(share = name, error = %again, "cannot undo yet, tried again later");
        }
        done
    }

    /// Watches the share until it is available. The list by name shows twins too: of several, the oldest stays, and
    /// each maker takes away its own only.
    async fn await_made(&self, record: &mut ShareRecord, lost: Option<openstack::Error>) -> Result<()> {
        let name = record.name.clone();
        let started = Instant::now();
        let mut lost = lost;
        let mut pause = self.common.poll_first;
        let mut troubles = 0;
        let mut missing = 0;
        loop {
            let shares = match self.marked(&name).await {
                Ok(shares) => shares,
                // The cloud may be gone for a moment while it works.
                Err(error) if troubles < 5 && error.is_cloud_unreachable() => {
                    troubles += 1;
                    self.wait(&mut pause).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let alive = |s: &&Share| !s.status.starts_with("error") && s.status != "deleting";
            let winner = shares.iter().filter(alive).min_by_key(|s| (&s.created_at, &s.id));
            let own = |s: &&Share| s.metadata.get(&self.marks.request) == Some(&record.token);
            let Some(ours) = shares.iter().find(|s| Some(&s.id) == record.share_id.as_ref() || own(s)) else {
                let patience =
                    if lost.is_some() { started.elapsed() < self.common.lost_after } else { missing < 3 };
                if patience {
                    missing += 1;
                    self.wait(&mut pause).await;
                    continue;
                }
                return Err(match lost.take() {
                    Some(error) => Error::cloud(&name, "create it", error),
                    None => {
                        Error::refused(&name, "somebody deleted it while it was being made; create it again")
                    }
                });
            };
            record.share_id = Some(ours.id.clone());
            if ours.status.starts_with("error") {
                let why = self.why(&ours.id).await;
                return Err(Error::refused(
                    &name,
                    format!("Manila could not make it (status {}, share {}){why}", ours.status, ours.id),
                ));
            }
            if ours.status == "available" {
                match winner.filter(|w| !own(w)) {
                    Some(twin) => {
                        let twin = ShareRecord::of_marked(&self.marks, &name, twin);
                        let request = record.request.clone();
                        self.discard(record).await?;
                        return same_or_conflict(&twin, &request);
                    }
                    None => {
                        record.learn(&self.marks, ours);
                        record.stage = Stage::Ready;
                        return self.ledger.save(record);
                    }
                }
            }
            if started.elapsed() > self.common.cloud_patience {
                return Err(Error::refused(
                    &name,
                    format!("Manila did not make it in time (status {}); try again later", ours.status),
                ));
            }
            self.wait(&mut pause).await;
        }
    }

    /// What Manila tells about a failure, or where to look.
    pub(super) async fn why(&self, id: &str) -> String {
        match self.cloud.explain(id).await {
            Ok(Some(text)) => format!(": {text}"),
            _ => "; see openstack share message list, or try another size, type or share_network".into(),
        }
    }

    /// Ends what an unfinished creation left. A share that failed is deleted, if it carries the token of this very
    /// journal entry; one that became available is kept as a volume, for another host may have written to it already.
    /// `give_up`: a request that left no trace yet is not waited for any longer.
    pub(super) async fn finish_creating(&self, mut record: ShareRecord, give_up: bool) -> Result<()> {
        let name = record.name.clone();
        let shares = self.marked(&name).await?;
        let own: Vec<_> =
            shares.iter().filter(|s| s.metadata.get(&self.marks.request) == Some(&record.token)).collect();
        for share in &own {
            if share.status == "deleting" {
                continue;
            }
            if share.status.starts_with("error") {
                self.cloud
                    .delete_share(&share.id)
                    .await
                    .map_err(|e| Error::cloud(&name, "take back the unfinished share", e))?;
                continue;
            }
            if share.status != "available" {
                // Manila deletes nothing that it is still making. Later.
                record.share_id = Some(share.id.clone());
                return self.ledger.save(&record);
            }
            let other = shares.iter().any(|s| {
                s.id != share.id
                    && s.status == "available"
                    && (&s.created_at, &s.id) < (&share.created_at, &share.id)
            });
            record.learn(&self.marks, share);
            if other {
                return self.discard(&mut record).await;
            }
            record.stage = Stage::Ready;
            return self.ledger.save(&record);
        }
        let late = i64::try_from(self.common.lost_after.as_secs()).unwrap_or(i64::MAX);
        if !own.is_empty() || record.share_id.is_some() || give_up || record.age() > late {
            self.ledger.remove(&name)?;
        }
        Ok(())
    }

    /// Deletes our own twin of an older share of that name, unless somebody uses it.
    async fn discard(&self, record: &mut ShareRecord) -> Result<()> {
        let name = record.name.clone();
        let failed = |e| Error::cloud(&name, "take back its twin", e);
        let Some(share) = self.look(record).await? else { return self.ledger.remove(&name) };
        let own = share.metadata.get(&self.marks.request) == Some(&record.token);
        let used = share.metadata.contains_key(&self.marks.used)
            || !self.cloud.list_access_rules(&share.id).await.map_err(failed)?.is_empty();
        if !own || used {
            // The name is ambiguous now, and an operator has to say which one is meant.
            record.stage = Stage::Ready;
            return self.ledger.save(record);
        }
        self.cloud.delete_share(&share.id).await.map_err(failed)?;
        self.ledger.remove(&name)
    }
}

fn same_or_conflict(record: &ShareRecord, request: &ShareRequest) -> Result<()> {
    match record.conflict(request) {
        None => Ok(()),
        Some(what) => Err(Error::Conflict { name: record.name.clone(), what: what.to_owned() }),
    }
}
