//! From a proven device to a mounted filesystem: look, format if it is ours and blank, mount, mark.

use std::collections::BTreeMap;
use std::path::PathBuf;

use host_storage::Filesystem;

use crate::content::{Action, decide, filesystem_uuid, format_mark, mount_options};
use crate::marks::{FSTYPE, INHERITED};
use crate::record::Record;
use crate::service::Core;
use crate::{Content, Device, Error, Result};

/// How long after a volume's making its maker need not ask whether another host formatted it, in seconds.
const MARK_KNOWN_FOR: i64 = 600;

/// A mounted volume.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) path: PathBuf,
    pub(crate) filesystem: Filesystem,
    /// What was on the device before.
    pub(crate) content: Content,
}

impl Core {
    /// Mounts what is on the device, which is made first if, and only if, the volume is ours and was never used.
    pub(crate) async fn prepare(&self, record: &mut Record, device: &Device) -> Result<Prepared> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        let content = self.host.inspect(device).await.map_err(failed)?;
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
                self.host.format(device, filesystem, uuid).await.map_err(failed)?;
                filesystem
            }
        };
        let options = mount_options(record, filesystem);
        let path = self.host.mount(device, filesystem, options, &name).await.map_err(failed)?;
        Ok(Prepared { path, filesystem, content })
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
        Ok(())
    }
}
