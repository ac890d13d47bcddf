//! Making a volume.

use std::time::Duration;

use openstack::block_storage::{NewVolume, Volume};
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
            Some(record) if matches!(record.stage, Stage::Deleting | Stage::GivingBack) => {
                self.finish_removing(record).await?;
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
        if let (Some(source), None) = (&request.source_volid, request.size) {
            let source = self
                .cloud
                .get_volume(source)
                .await
                .map_err(|e| Error::cloud(name, "find source_volid", e))?;
            request.size = Some(source.size);
        }
        let size = request.size.unwrap_or(settings.default_size);
        request.volume_type = request.volume_type.or_else(|| settings.default_volume_type.clone());
        request.availability_zone =
            request.availability_zone.or_else(|| settings.default_availability_zone.clone());
        // Only the blank is ours to format; what is copied has its filesystem already.
        let filesystem = request.filesystem.unwrap_or(settings.default_filesystem);
        let format = if request.is_copy() { INHERITED } else { PENDING };

        let mut record = Record::new(name, Stage::Creating, Origin::Created, request.clone());
        record.size = size;
        record.format = format.to_owned();
        let new = NewVolume {
            name: name.to_owned(),
            size,
            metadata: self.marks.for_new(name, filesystem.name(), format, &record.token),
            description: request.description,
            volume_type: request.volume_type,
            availability_zone: request.availability_zone,
            snapshot_id: request.snapshot_id,
            source_volid: request.source_volid,
        };
        self.ledger.save(&record)?;
        let lost = match self.cloud.create_volume(&new).await {
            Ok(volume) => {
                record.volume_id = Some(volume.id);
                None
            }
            Err(error) if error.effect_unknown() => Some(error),
            Err(error) => {
                self.ledger.remove(name)?;
                return Err(Error::cloud(name, "create it", error));
            }
        };
        if let Err(error) = self.ledger.save(&record) {
            self.ledger.remember(&record);
            // The journal still says `creating` with our token, so the next start would find it too.
            if let Err(again) = self.finish_creating(record, true).await {
                tracing::warn!(volume = name, error = %again, "cannot undo yet, tried again later");
            }
            return Err(error);
        }
        match self.await_made(&mut record, lost).await {
            Ok(()) => Ok(()),
            Err(error) => {
                if let Err(again) = self.finish_creating(record, true).await {
                    tracing::warn!(volume = name, error = %again, "cannot undo yet, tried again later");
                }
                Err(error)
            }
        }
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
                    Some(twin) => {
                        let twin = Record::of_marked(&self.marks, &name, twin);
                        let request = record.request.clone();
                        self.finish_creating(record.clone(), true).await?;
                        return self.same_or_conflict(&twin, &request);
                    }
                    None => {
                        record.learn(&self.marks, ours);
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
        let late = i64::try_from(self.settings.lost_after.as_secs()).unwrap_or(i64::MAX);
        if !own.is_empty() || record.volume_id.is_some() || give_up || record.age() > late {
            self.ledger.remove(name)?;
        }
        Ok(())
    }
}
