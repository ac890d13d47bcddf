//! Mounting: claim, connect, prove, complete, look, format if it is ours and blank, mount, mark, and only then answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openstack::block_storage::{Attachment, NewAttachment};
use tokio::time::Instant;

use crate::content::{Action, decide, filesystem_uuid, format_mark, mount_options};
use crate::marks::{FSTYPE, INHERITED};
use crate::record::{Attached, Record, Stage};
use crate::service::Core;
use crate::{Content, Device, Error, Result};

const GIB: u64 = 1 << 30;
/// How long after a volume's making its maker need not ask whether another host formatted it, in seconds.
const MARK_KNOWN_FOR: i64 = 600;

impl Core {
    pub(crate) async fn mount(&self, name: &str, id: &str) -> Result<PathBuf> {
        self.ledger.set_due(name, None);
        let mut record = self.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
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
        let options = mount_options(record, filesystem);
        let path = self.host.mount(device, filesystem, options, &name).await.map_err(failed)?;
        let count = record.references.entry(id.to_owned()).or_default();
        *count = count.saturating_add(1);
        record.doubtful |= *count > 1;
        self.ledger.save(record)?;
        Ok(Some(path))
    }

    async fn attach(&self, record: &mut Record, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        let boot_id = self.host.boot_id().await.map_err(|e| Error::host(&name, e))?;
        let connector = self.host.connector().await.map_err(|e| Error::host(&name, e))?;
        record.stage = Stage::Attaching;
        record.references.clear();
        record.doubtful = false;
        record.trouble = None;
        record.attached = Some(Attached { boot_id, ..Attached::default() });
        self.ledger.save(record)?;
        let new = NewAttachment { volume_uuid: record.id().to_owned(), connector, mode: "rw" };
        let result = match self.cloud.create_attachment(&new).await {
            Ok(attachment) => self.use_attachment(record, attachment, id).await,
            Err(error) if error.effect_unknown() => Err(Error::cloud(&name, "attach it", error)),
            Err(error) => {
                // Refused, so there is nothing to undo.
                self.at_rest(record)?;
                return Err(self.why_not_attached(record, error).await);
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

    async fn use_attachment(&self, record: &mut Record, attachment: Attachment, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        self.note(record, |a| a.id = Some(attachment.id.clone()));
        self.ledger.save(record)?;
        let connection = &attachment.connection_info;
        if connection.get("encrypted").and_then(serde_json::Value::as_bool) == Some(true) {
            return Err(Error::refused(
                &name,
                "it is encrypted, which is not supported; use another volume type",
            ));
        }
        if record.multiattach {
            self.refuse_second_writer(record, &attachment.id).await?;
        }
        let device = self.connect(record, connection).await?;
        self.note(record, |a| a.device = Some(device.clone()));
        self.ledger.save(record)?;
        match self.cloud.complete_attachment(&attachment.id).await {
            // Completing twice is harmless.
            Err(e) if e.effect_unknown() => self.cloud.complete_attachment(&attachment.id).await,
            other => other,
        }
        .map_err(|e| Error::cloud(&name, "complete its attachment", e))?;

        let content = self.host.inspect(&device).await.map_err(failed)?;
        if content == Content::Blank && record.is_pending() {
            // A marked volume is never formatted again. The first attempt after the making knows the mark; a later one
            // has to ask, because it may have been written by a call whose answer was lost, or by another host.
            if record.format_begun || record.age() > MARK_KNOWN_FOR {
                let volume = self
                    .cloud
                    .get_volume(record.id())
                    .await
                    .map_err(|e| Error::cloud(&name, "read its format mark", e))?;
                record.learn(&self.marks, &volume);
            }
            record.format_begun = true;
            self.ledger.save(record)?;
        }
        let action = decide(record, &content, self.settings.default_filesystem)
            .map_err(|reason| Error::refused(&name, reason))?;
        let filesystem = match action {
            Action::Mount(filesystem) => filesystem,
            Action::Format(filesystem) => {
                tracing::info!(volume = name, %filesystem, device = %device.path.display(), "formatting");
                let uuid = filesystem_uuid(record.id());
                self.host.format(&device, filesystem, uuid).await.map_err(failed)?;
                filesystem
            }
        };
        let options = mount_options(record, filesystem);
        let path = self.host.mount(&device, filesystem, options, &name).await.map_err(failed)?;
        // Before the answer, because from then on it holds the user's data and must never be taken for unfinished.
        let mark = match &content {
            _ if record.is_pending() => Some(format_mark(filesystem, record.id())),
            Content::Filesystem { uuid, .. } if record.is_inherited() && record.format == INHERITED => {
                Some(format!("{INHERITED}:{uuid}"))
            }
            _ => None,
        };
        if let Some(mark) = mark {
            let metadata = BTreeMap::from([
                (self.marks.format.clone(), mark.clone()),
                (FSTYPE.to_owned(), filesystem.name().to_owned()),
            ]);
            self.cloud
                .merge_metadata(record.id(), &metadata)
                .await
                .map_err(|e| Error::cloud(&name, "mark it as used", e))?;
            record.format = mark;
        }
        self.note(record, |a| a.mounted = Some(filesystem));
        record.stage = Stage::Attached;
        record.references = BTreeMap::from([(id.to_owned(), 1)]);
        self.ledger.save(record)?;
        Ok(path)
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

    /// Our filesystems have one writer. Both of two hosts that attach at once see each other here.
    async fn refuse_second_writer(&self, record: &Record, own: &str) -> Result<()> {
        let name = &record.name;
        let all = self
            .cloud
            .list_attachments(record.id())
            .await
            .map_err(|e| Error::cloud(name, "look at its attachments", e))?;
        match all.iter().find(|a| a.id != own) {
            None => Ok(()),
            Some(other) => Err(Error::InUse {
                name: name.clone(),
                by: format!(
                    "attachment {} exists elsewhere, and two hosts would destroy its filesystem; detach it there",
                    other.id
                ),
            }),
        }
    }

    async fn why_not_attached(&self, record: &Record, error: openstack::Error) -> Error {
        let name = &record.name;
        if error.is_not_found() {
            return Error::refused(
                name,
                format!("Cinder volume {} no longer exists; docker volume rm {name}", record.id()),
            );
        }
        match self.cloud.get_volume(record.id()).await {
            Ok(volume) if volume.status != "available" => {
                let holders: Vec<_> = volume
                    .attachments
                    .iter()
                    .map(|a| {
                        let holder = a.host_name.as_deref().or(a.server_id.as_deref());
                        format!("{} (attachment {})", holder.unwrap_or("an unnamed host"), a.attachment_id)
                    })
                    .collect();
                let by = if holders.is_empty() {
                    String::new()
                } else {
                    format!(", held by {}", holders.join(", "))
                };
                Error::InUse {
                    name: name.clone(),
                    by: format!(
                        "Cinder volume {} is {}{by}; stop what uses it there, then try again",
                        volume.id, volume.status
                    ),
                }
            }
            _ => Error::cloud(name, "attach it", error),
        }
    }

    /// Deletes the attachment whose `POST` answer was lost, if there is one. Cinder shows neither host nor connector of an
    /// attachment; but ours is the one that is never completed: another host's becomes `attached` within moments, a
    /// server's names the server.
    pub(crate) async fn drop_lost_attachment(&self, record: &Record) -> Result<()> {
        let name = &record.name;
        let list = async || {
            let all = self.cloud.list_attachments(record.id()).await;
            match all {
                Err(e) if e.is_not_found() => Ok(Vec::new()),
                other => other.map_err(|e| Error::cloud(name, "look for a lost attachment", e)),
            }
        };
        let ours = |a: &Attachment| {
            a.instance.is_none() && ["reserved", "attaching", "error_attaching"].contains(&a.status.as_str())
        };
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        let mut suspects: Vec<_> = list().await?.into_iter().filter(ours).map(|a| a.id).collect();
        while !suspects.is_empty() && started.elapsed() < self.settings.lost_after {
            self.wait(&mut pause).await;
            let now: Vec<_> = list().await?.into_iter().filter(ours).map(|a| a.id).collect();
            suspects.retain(|s| now.contains(s));
        }
        if suspects.len() > 1 {
            return Err(Error::refused(
                name,
                format!(
                    "attachments {} are unfinished and one is ours; delete the dead ones",
                    suspects.join(", ")
                ),
            ));
        }
        for suspect in suspects {
            self.cloud
                .delete_attachment(&suspect)
                .await
                .map_err(|e| Error::cloud(name, "drop a lost attachment", e))?;
        }
        Ok(())
    }
}
