//! From a proven device to a mounted filesystem: look, format if it is ours and blank, mount, mark.

use std::collections::BTreeMap;
use std::path::PathBuf;

use host_storage::{Filesystem, Root, Subdirectory};

use crate::content::{Action, decide, filesystem_uuid, format_mark, mount_options};
use crate::marks::{FSTYPE, INHERITED};
use crate::record::{Origin, Record};
use crate::service::Core;
use crate::{Content, Device, Error, Result};

/// A mounted volume.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) path: PathBuf,
    pub(crate) filesystem: Filesystem,
    /// What was on the device before.
    pub(crate) content: Content,
    /// Which directory containers see was found out, and is not remembered yet.
    layout_found: bool,
}

impl Core {
    /// Mounts what is on the device (`content`), which is made first if, and only if, the volume is ours and was never used.
    pub(crate) async fn prepare(
        &self,
        record: &mut Record,
        device: &Device,
        content: Content,
    ) -> Result<Prepared> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        if content == Content::Blank && record.is_pending() && !record.format_begun {
            record.format_begun = true;
            self.ledger.save(record)?;
        }
        let action = decide(record, &content, self.settings.default_filesystem)
            .map_err(|reason| Error::refused(&name, reason))?;
        let options =
            |filesystem| mount_options(record, filesystem).map_err(|reason| Error::refused(&name, reason));
        let (filesystem, options) = match action {
            Action::Mount(filesystem) => {
                let options = options(filesystem)?;
                if !filesystem.is_shared() {
                    self.host.check(device, filesystem, record.is_reader()).await.map_err(failed)?;
                }
                (filesystem, options)
            }
            Action::Format(filesystem) => {
                let options = options(filesystem)?;
                tracing::info!(volume = name, %filesystem, device = %device.path.display(), "formatting");
                let uuid = filesystem_uuid(record.id());
                let asked = record.request.mkfs_options.as_deref().unwrap_or_default();
                self.host.format(device, filesystem, uuid, asked).await.map_err(failed)?;
                (filesystem, options)
            }
        };
        self.host.mount(device, filesystem, &options, &name).await.map_err(failed)?;
        let layout_found = self.arrange(record).await?;
        self.grow(record, device, filesystem).await;
        Ok(Prepared { path: self.place(record), filesystem, content, layout_found })
    }

    /// Gives a volume's root what was asked for, as long as nobody has used it, and finds the directory its containers see.
    /// Returns whether that was found out now, so that it has to be remembered.
    async fn arrange(&self, record: &mut Record) -> Result<bool> {
        let request = &record.request;
        let subdirectory = match request.subdirectory.as_deref() {
            Some("/") => Subdirectory::Whole,
            Some(named) if record.is_reader() => Subdirectory::Existing(named.to_owned()),
            Some(named) => Subdirectory::Named(named.to_owned()),
            None if record.origin == Origin::Adopted => Subdirectory::Detect,
            None => Subdirectory::Whole,
        };
        let root = match record.is_pending() {
            true => Root { uid: request.uid, gid: request.gid, mode: request.mode },
            false => Root::default(),
        };
        if subdirectory == Subdirectory::Whole && root == Root::default() {
            return Ok(false);
        }
        let found = self
            .host
            .arrange(&record.name, &root, &subdirectory)
            .await
            .map_err(|e| Error::host(&record.name, e))?;
        if subdirectory != Subdirectory::Detect {
            return Ok(false);
        }
        // Once and for all: what a container writes later must not change where it finds what it wrote before.
        record.request.subdirectory = Some(found.unwrap_or_else(|| "/".to_owned()));
        Ok(true)
    }

    /// Has the filesystem use all of its device, which may have grown meanwhile. One that cannot grow is used as it is.
    pub(crate) async fn grow(&self, record: &mut Record, device: &Device, filesystem: Filesystem) {
        if record.is_reader() {
            return;
        }
        if let Err(error) = self.host.grow(device, filesystem, &record.name).await {
            tracing::warn!(volume = record.name, %error, "mounted, but not grown to its device");
            record.trouble = Some(format!("it did not grow: {error}"));
        }
    }

    /// Marks the volume as used, if it is not yet.
    pub(crate) async fn mark_used(&self, record: &mut Record, prepared: &Prepared) -> Result<()> {
        let name = record.name.clone();
        let (filesystem, content) = (prepared.filesystem, &prepared.content);
        // Before the answer, because from then on it holds the user's data and must never be taken for unfinished.
        let mark = match content {
            _ if record.is_pending() => Some(format_mark(filesystem, record.id())),
            Content::Filesystem { uuid, .. } if record.is_inherited() && record.format == INHERITED => {
                Some(format!("{INHERITED}:{uuid}"))
            }
            _ => None,
        };
        let mut metadata = BTreeMap::new();
        if let Some(mark) = &mark {
            metadata.insert(self.marks.format.clone(), mark.clone());
            metadata.insert(FSTYPE.to_owned(), filesystem.name().to_owned());
        }
        if let Some(found) = record.request.subdirectory.clone().filter(|_| prepared.layout_found) {
            metadata.insert(self.marks.subdirectory.clone(), found);
        }
        if !metadata.is_empty() {
            self.cloud
                .merge_metadata(record.id(), &metadata)
                .await
                .map_err(|e| Error::cloud(&name, "mark it as used", e))?;
            record.format = mark.unwrap_or_else(|| record.format.clone());
        }
        Ok(())
    }
}
