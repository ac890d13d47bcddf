//! Mounting: claim, connect, prove, complete, look, format if it is ours and blank, mount, mark, and only then answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use host_storage::connector::{Link, is_encrypted};
use openstack::block_storage::Volume;

use crate::claim::{Claim, Unclaimed};
use crate::content::mount_options;
use crate::record::{Attached, Origin, Record, Stage};
use crate::service::Core;
use crate::{Content, Device, Error, Result};

/// Bytes of a GiB.
pub(crate) const GIB: u64 = 1 << 30;
/// How long what this host wrote down of a volume is believed without asking, in seconds.
const KNOWN_FOR: i64 = 600;

impl Core {
    pub(crate) async fn mount(&self, name: &str, id: &str) -> Result<PathBuf> {
        self.ledger.set_due(name, None);
        let mut record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        if record.stage == Stage::Deleting {
            self.settle_removal(record).await?;
            record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        }
        if matches!(record.stage, Stage::Deleting | Stage::GivingBack) {
            return Err(Error::refused(name, "it is being removed; create it again"));
        }
        if let Some(path) = self.mounted_already(&mut record, id).await? {
            self.ledger.note_mount(name);
            return Ok(path);
        }
        if record.attached.is_some() {
            // Half-done by a former attempt: end that first.
            self.detach(&mut record).await?;
            record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        }
        let path = self.attach(&mut record, id).await?;
        self.ledger.note_mount(name);
        Ok(path)
    }

    /// The path, without any call of the cloud, if the kernel confirms what the journal says.
    async fn mounted_already(&self, record: &mut Record, id: &str) -> Result<Option<PathBuf>> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        let (true, Some(attached)) = (record.mounted(), record.attached.clone()) else { return Ok(None) };
        let (Some(device), Some(filesystem)) = (&attached.device, attached.mounted) else { return Ok(None) };
        if attached.boot_id != self.host.boot_id().await.map_err(failed)? {
            return Ok(None);
        }
        let usage = self.host.usage(device, &name).await.map_err(failed)?;
        if !usage.mounted && usage.others.is_empty() {
            return Ok(None);
        }
        // Mounting what is mounted proves it; what somebody unmounted under a living container comes back.
        let options = mount_options(record, filesystem).map_err(|reason| Error::refused(&name, reason))?;
        self.host.mount(device, filesystem, &options, &name).await.map_err(failed)?;
        let path = self.place(record);
        self.grow(record, device, filesystem).await;
        let count = record.references.entry(id.to_owned()).or_default();
        *count = count.saturating_add(1);
        record.doubtful |= *count > 1;
        self.ledger.save(record)?;
        Ok(Some(path))
    }

    async fn attach(&self, record: &mut Record, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        let boot_id = self.host.boot_id().await.map_err(|e| Error::host(&name, e))?;
        let server = self.server_without(record).await?;
        record.stage = Stage::Attaching;
        record.references.clear();
        record.doubtful = false;
        record.trouble = None;
        let claim = uuid::Uuid::new_v4().simple().to_string();
        // The disk of a server may be here before its attachment is known.
        let link = server.as_ref().map(|_| Link::Server);
        record.attached = Some(Attached { boot_id, server, claim, link, ..Attached::default() });
        self.ledger.save(record)?;
        let mut claimed = self.claim(record).await;
        if matches!(claimed, Err(Unclaimed::Refused(_))) {
            match self.take_from_the_dead(record).await {
                Ok(true) => claimed = self.claim(record).await,
                Ok(false) => {}
                // The refusal, which names the holder, says more.
                Err(error) => tracing::warn!(volume = name, %error, "cannot take it from a dead server"),
            }
        }
        let result = match claimed {
            Ok(claim) => self.use_claim(record, claim, id).await,
            Err(Unclaimed::Unknown(error)) => Err(error),
            Err(Unclaimed::Refused(error)) => {
                self.at_rest(record)?;
                return Err(error);
            }
        };
        match result {
            Ok(path) => Ok(path),
            Err(error) => {
                record.trouble = Some(error.to_string());
                if let Err(again) = self.detach(record).await {
                    tracing::warn!(volume = name, error = %again, "cannot undo the attachment yet, tried again later");
                }
                Err(error)
            }
        }
    }

    async fn use_claim(&self, record: &mut Record, claim: Claim, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        let connection = &claim.connection;
        let link = self.host.link(connection, record.id());
        // Before anything is connected, so that it can be let go of whatever happens.
        self.note(record, |a| {
            a.id = Some(claim.id.clone());
            a.link = link.as_ref().ok().cloned().or_else(|| a.link.take());
        });
        self.ledger.save(record)?;
        if is_encrypted(connection) {
            return Err(Error::refused(
                &name,
                "Cinder encrypts it, and only plain volumes can be mounted; nothing was read or written; copy its data \
                 with a server that has it attached, to a volume of a type without encryption (-o volume_type=)",
            ));
        }
        link.map_err(|e| Error::host(&name, e))?;
        // At the same time, because one waits for the cloud and the other for this host. Nothing is written to the device
        // before the claim is complete: until then another host may take it for a lost one of its own and end it.
        let seen = record.clone();
        let (completed, device, volume) = tokio::join!(
            self.complete(&seen, &claim.id),
            self.connect_and_look(record, connection),
            self.look_again(&seen)
        );
        let (device, content) = device?;
        self.note(record, |a| {
            // By now it tells the disk from another one in its place.
            a.link = Some(device.link.clone());
            a.device = Some(device.clone());
        });
        // A marked volume is never formatted again. The first attempt after the making knows the mark; a later one has to ask,
        // because it may have been written by a call whose answer was lost, or by another host.
        record.format_begun |= record.is_pending() && matches!(content, Ok(Content::Blank));
        self.ledger.save(record)?;
        completed?;
        if let Some(volume) = volume? {
            self.believe(record, &device, &volume)?;
        }
        self.refuse_bad_company(record, &claim.id).await?;
        let prepared = self.prepare(record, &device, content?).await?;
        self.mark_used(record, &prepared).await?;
        let (path, filesystem) = (prepared.path, prepared.filesystem);
        self.note(record, |a| a.mounted = Some(filesystem));
        record.stage = Stage::Attached;
        record.references = BTreeMap::from([(id.to_owned(), 1)]);
        self.ledger.save(record)?;
        Ok(path)
    }

    /// The device, and what is on it; looking changes nothing.
    async fn connect_and_look(
        &self,
        record: &mut Record,
        connection: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(Device, Result<Content>)> {
        let device = self.connect(record, connection).await?;
        let content = self.host.inspect(&device).await.map_err(|e| Error::host(&record.name, e));
        Ok((device, content))
    }

    /// The volume as Cinder knows it now, unless this host learned of it a moment ago: since then another host may have
    /// formatted it, given it back, or somebody may have changed its type.
    async fn look_again(&self, record: &Record) -> Result<Option<Volume>> {
        let begun = record.format_begun && record.is_pending();
        if !begun && record.age() <= KNOWN_FOR {
            return Ok(None);
        }
        let volume = self.cloud.get_volume(record.id()).await;
        volume.map(Some).map_err(|e| Error::cloud(&record.name, "read its marks", e))
    }

    /// Takes over what Cinder says now, if it is the same volume still.
    fn believe(&self, record: &mut Record, device: &Device, volume: &Volume) -> Result<()> {
        let ours = self.marks.names(volume, &record.name) && self.marks.origin(volume) == record.origin;
        if !ours {
            return Err(Error::refused(
                &record.name,
                format!(
                    "Cinder volume {} no longer carries the marks of this Docker volume (given back or taken over elsewhere?); remove it here: docker volume rm {}",
                    volume.id, record.name
                ),
            ));
        }
        record.learn(&self.marks, volume);
        if record.origin == Origin::Adopted && record.request.subdirectory.is_none() {
            record.request.subdirectory = self.marks.request_of(volume).subdirectory;
        }
        // The device was proven to have the size that it was asked for.
        record.size = device.size / GIB;
        self.ledger.save(record)
    }

    fn note(&self, record: &mut Record, change: impl FnOnce(&mut Attached)) {
        change(record.attached.get_or_insert_default());
    }

    async fn connect(
        &self,
        record: &mut Record,
        connection: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Device> {
        let name = record.name.clone();
        let first = match self.host.connect(connection, record.id(), record.size.saturating_mul(GIB)).await {
            Ok(device) => return Ok(device),
            Err(e) => Error::host(&name, e),
        };
        // It may have grown since we last asked; if so, the size Cinder names now must fit exactly.
        let volume =
            self.cloud.get_volume(record.id()).await.map_err(|e| Error::cloud(&name, "look at it", e))?;
        if volume.size == record.size {
            return Err(first);
        }
        record.size = volume.size;
        let size = record.size.saturating_mul(GIB);
        self.host.connect(connection, record.id(), size).await.map_err(|e| Error::host(&name, e))
    }
}
