//! Making a volume.

use std::collections::BTreeMap;
use std::time::Duration;

use host_storage::Filesystem;
use openstack::block_storage::{NewVolume, Volume};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::marks::{INHERITED, PENDING};
use crate::record::{Origin, Record, Stage};
use crate::request::Request;
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    pub(crate) async fn create(&self, name: &str, request: Request) -> Result<()> {
        self.ledger.check(name)?;
        match self.ledger.get(name) {
            Some(record) if record.stage == Stage::Creating => {
                // A former attempt left something or nothing: take that away first, so that this one starts clean.
                self.finish_creating(record, true).await?;
            }
            Some(record) if record.stage == Stage::Adopting => self.give_back(record).await?,
            Some(record) if record.stage == Stage::GivingBack => self.finish_removing(record).await?,
            Some(record) if record.stage == Stage::Deleting => {
                self.settle_removal(record).await?;
                match self.ledger.get(name) {
                    Some(record) if record.stage == Stage::Deleting => self.await_gone(record).await?,
                    Some(record) => return self.same_or_conflict(&record, &request),
                    None => {}
                }
            }
            Some(record) => return self.same_or_conflict(&record, &request),
            None => {}
        }
        // Docker asked for the name a moment ago; that answer still counts.
        if !self.ledger.is_absent(name, self.settings.absent_for)
            && let Some(found) = self.look_up(name).await?
        {
            return self.same_or_conflict(&found, &request);
        }
        if request.volume_id.is_some() {
            self.adopt(name, request).await
        } else {
            self.make(name, request).await
        }
    }

    fn same_or_conflict(&self, record: &Record, request: &Request) -> Result<()> {
        match record.conflict(request, self.settings.default_filesystem) {
            None => Ok(()),
            Some(what) => Err(Error::Conflict { name: record.name.clone(), what: what.to_owned() }),
        }
    }

    async fn make(&self, name: &str, mut request: Request) -> Result<()> {
        let settings = &self.settings;
        if !settings.implicit_create && request == Request::default() {
            return Err(Error::refused(
                name,
                "there is no such volume, and implicit_create = false forbids to make one by the way; docker volume create -d fuxi -o size=... makes it",
            ));
        }
        // Only the blank is ours to format; what is copied has its filesystem already.
        let filesystem = request.filesystem.unwrap_or(settings.default_filesystem);
        if !request.is_copy() {
            request.check_filesystem(name, filesystem)?;
        }
        let copied = match &request.snapshot_of {
            Some(text) => Some(self.source_of_copy(name, text).await?),
            None => None,
        };
        let size = match request.size {
            Some(size) => size,
            None => match &copied {
                Some(source) => source.size,
                None => self.size_of_source(name, &request).await?.unwrap_or(settings.default_size),
            },
        };
        let multiattach = self.multiattach_type(name, &request).await?;
        request.volume_type =
            multiattach.or(request.volume_type).or_else(|| settings.default_volume_type.clone());
        request.availability_zone =
            request.availability_zone.or_else(|| settings.default_availability_zone.clone());
        let format = if request.is_copy() { INHERITED } else { PENDING };

        let mut record = Record::new(name, Stage::Creating, Origin::Created, request.clone());
        record.size = size;
        record.format = format.to_owned();
        record.copied_from = copied.map(|source| source.id);
        // What is on a copy is known once it is mounted.
        let made = request.filesystem.or_else(|| (!request.is_copy()).then_some(filesystem));
        let mut metadata = self.marks.for_new(name, made.map(Filesystem::name), format, &record.token);
        metadata.extend(self.marks.of_request(&request, record.copied_from.as_deref()));
        let mut new = NewVolume {
            name: name.to_owned(),
            size,
            metadata,
            hints: hints(&request.hints),
            description: request.description,
            volume_type: request.volume_type,
            availability_zone: request.availability_zone,
            snapshot_id: request.snapshot_id,
            source_volid: request.source_volid,
            image: request.image,
            group_id: request.group,
        };
        self.ledger.save(&record)?;
        if let Some(source) = record.copied_from.clone() {
            match self.snapshot_to_copy(&record, &source).await {
                Ok(snapshot) => new.snapshot_id = Some(snapshot.id),
                Err(error) => return Err(self.undo(record, error).await),
            }
        }
        let lost = match self.cloud.create_volume(&new).await {
            Ok(volume) => {
                record.volume_id = Some(volume.id);
                None
            }
            Err(error) if error.effect_unknown() => Some(error),
            Err(error) => {
                let error = Error::cloud(name, "create it", error);
                if record.copied_from.is_some() {
                    return Err(self.undo(record, error).await);
                }
                self.ledger.remove(name)?;
                return Err(error);
            }
        };
        if let Err(error) = self.ledger.save(&record) {
            // The journal still says `creating` with our token, so the next start would find it too.
            self.ledger.remember(&record);
            return Err(self.undo(record, error).await);
        }
        match self.await_made(&mut record, lost).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.undo(record, error).await),
        }
    }

    /// Takes back what was begun, for the error that ended it.
    async fn undo(&self, record: Record, error: Error) -> Error {
        let name = record.name.clone();
        if let Err(again) = self.finish_creating(record, true).await {
            tracing::warn!(volume = name, error = %again, "cannot undo yet, tried again later");
        }
        error
    }

    /// GiB, of what the volume is made from; Cinder looks after an image's.
    async fn size_of_source(&self, name: &str, request: &Request) -> Result<Option<u64>> {
        if let Some(id) = &request.source_volid {
            let source =
                self.cloud.get_volume(id).await.map_err(|e| Error::cloud(name, "find source_volid", e))?;
            return Ok(Some(source.size));
        }
        if let Some(id) = &request.snapshot_id {
            let source =
                self.cloud.get_snapshot(id).await.map_err(|e| Error::cloud(name, "find snapshot_id", e))?;
            return Ok(Some(source.size));
        }
        Ok(None)
    }

    /// Watches the volume until it is available. The list by name shows twins too: of several, the oldest stays, and
    /// each maker takes away its own only.
    async fn await_made(&self, record: &mut Record, lost: Option<openstack::Error>) -> Result<()> {
        let name = record.name.clone();
        let started = Instant::now();
        let mut lost = lost;
        let mut pause = self.settings.poll_first;
        let mut troubles = 0;
        let mut missing = 0;
        loop {
            let volumes = match self.marked(&name).await {
                Ok(volumes) => volumes,
                // The cloud may be gone for a moment while it works.
                Err(error) if troubles < 5 && error.is_cloud_unreachable() => {
                    troubles += 1;
                    self.wait(&mut pause).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let alive = |v: &&Volume| !v.status.starts_with("error") && v.status != "deleting";
            let winner = volumes.iter().filter(alive).min_by_key(|v| (&v.created_at, &v.id));
            let own = |v: &&Volume| v.metadata.get(&self.marks.request) == Some(&record.token);
            let Some(ours) = volumes.iter().find(|v| Some(&v.id) == record.volume_id.as_ref() || own(v))
            else {
                let patience =
                    if lost.is_some() { started.elapsed() < self.settings.lost_after } else { missing < 3 };
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
            record.volume_id = Some(ours.id.clone());
            self.progress.note(&name, format!("Cinder volume {}: {}", ours.id, ours.status));
            if ours.status.starts_with("error") {
                return Err(Error::refused(
                    &name,
                    format!(
                        "Cinder could not make it (status {}, volume {}); see openstack volume message list, or try another size or type",
                        ours.status, ours.id
                    ),
                ));
            }
            // Only what is made can be deleted again.
            if ours.encrypted && ours.status == "available" {
                return Err(Error::refused(
                    &name,
                    "its volume type encrypts, and only plain volumes can be mounted; choose another with -o volume_type=",
                ));
            }
            if ours.status == "available" {
                match winner.filter(|w| !own(w)) {
                    // It may still fail, and then ours is the one that stays.
                    Some(twin) if twin.status == "creating" => {}
                    Some(twin) => {
                        let twin = Record::of_marked(&self.marks, &name, twin);
                        let request = record.request.clone();
                        self.finish_creating(record.clone(), true).await?;
                        return self.same_or_conflict(&twin, &request);
                    }
                    None => {
                        record.learn(&self.marks, ours);
                        self.end_copy(record).await;
                        record.stage = Stage::Ready;
                        return self.ledger.save(record);
                    }
                }
            }
            if started.elapsed() > self.settings.cloud_patience {
                return Err(Error::refused(
                    &name,
                    format!("Cinder did not make it in time (status {}); try again later", ours.status),
                ));
            }
            self.wait(&mut pause).await;
        }
    }

    pub(crate) async fn wait(&self, pause: &mut Duration) {
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(self.settings.poll_longest);
    }

    /// Takes away what an unfinished creation left. We delete only what carries the token of this very journal entry
    /// and was never formatted. `give_up`: a request that left no trace yet is not waited for any longer.
    pub(crate) async fn finish_creating(&self, record: Record, give_up: bool) -> Result<()> {
        let name = &record.name;
        let volumes = self.marked(name).await?;
        let own: Vec<_> =
            volumes.iter().filter(|v| v.metadata.get(&self.marks.request) == Some(&record.token)).collect();
        let mut busy = None;
        for volume in &own {
            let untouched = [PENDING, INHERITED].contains(&self.marks.format_of(volume).as_str())
                && volume.attachments.is_empty();
            if volume.status == "deleting" {
                continue;
            }
            if !untouched {
                // Another host found and used it meanwhile: it is a volume now.
                let mut kept = record.clone();
                kept.stage = Stage::Ready;
                kept.learn(&self.marks, volume);
                return self.ledger.save(&kept);
            }
            if let Err(error) = self.cloud.delete_volume(&volume.id).await {
                busy = Some(error);
            }
        }
        if let Some(error) = busy {
            return Err(Error::cloud(name, "take back the unfinished volume", error));
        }
        self.drop_copy_snapshot(&record).await?;
        let late = i64::try_from(self.settings.lost_after.as_secs()).unwrap_or(i64::MAX);
        if !own.is_empty() || record.volume_id.is_some() || give_up || record.age() > late {
            self.ledger.remove(name)?;
        }
        Ok(())
    }
}

/// As Cinder's scheduler reads them: those of its own filters are lists of ids.
fn hints(asked: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let value = |key: &str, text: &str| match key {
        "same_host" | "different_host" => json!(text.split(',').collect::<Vec<_>>()),
        _ => json!(text),
    };
    asked.iter().map(|(key, text)| (key.clone(), value(key, text))).collect()
}
