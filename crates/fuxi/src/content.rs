//! Whether a device may be mounted or formatted: the one place where that is decided.

use host_storage::Filesystem;
use uuid::Uuid;

use crate::Content;
use crate::record::{Origin, Record};

/// What to do with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Mount what is there.
    Mount(Filesystem),
    /// It is ours, never formatted, and blank.
    Format(Filesystem),
}

/// Our filesystems' UUIDs follow from the volume's id, so that after a crash between mkfs and its mark we recognise
/// our own work.
pub(crate) fn filesystem_uuid(volume: &str) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x7d2c_1f9e_6a55_4c0b_9d1e_3b8a_42f6_e071);
    Uuid::new_v5(&NAMESPACE, volume.as_bytes())
}

/// The format mark of a formatted volume.
pub(crate) fn format_mark(filesystem: Filesystem, volume: &str) -> String {
    format!("{filesystem}:{}", filesystem_uuid(volume).hyphenated())
}

/// Decides, or says why nothing is done. Only a volume that we made, out of nothing, and that nobody formatted since
/// may be formatted, and only when it is proven blank.
pub(crate) fn decide(record: &Record, content: &Content, default: Filesystem) -> Result<Action, String> {
    let id = record.id();
    match content {
        Content::Unreadable(why) => {
            Err(format!("its device cannot be read ({why}); nothing was changed, check the storage"))
        }
        Content::Foreign(what) if record.is_pending() => Err(format!(
            "its device carries {what}, which we did not put there; nothing was changed, remove the volume if it is worthless"
        )),
        Content::Foreign(what) => {
            Err(format!("its device carries {what}, which cannot be mounted; nothing was changed"))
        }
        Content::Blank if record.is_pending() => Ok(Action::Format(record.filesystem(default))),
        Content::Blank if record.origin == Origin::Created && !record.is_inherited() => Err(format!(
            "it was formatted before ({}) but its device is blank now; nothing was changed, check the storage",
            record.format
        )),
        Content::Blank => Err(format!(
            "Cinder volume {id} has no filesystem and was not made by us, so it is not formatted; attach it to a server, run mkfs.ext4 on it, and try again"
        )),
        Content::Filesystem { kind, uuid } => {
            let Some(filesystem) = Filesystem::of_probed_kind(kind).filter(|f| !f.is_shared()) else {
                return Err(format!("its filesystem is {kind}; only ext4, xfs and btrfs are mounted"));
            };
            let expected = match record.format.split_once(':') {
                Some((_, marked)) => Some(marked.to_owned()),
                None if record.is_pending() => Some(filesystem_uuid(id).hyphenated().to_string()),
                None => None,
            };
            if expected.is_some_and(|e| e != *uuid) {
                return Err(format!(
                    "the filesystem {uuid} on its device is not the one we made; nothing was changed, check the storage"
                ));
            }
            match record.request.filesystem {
                Some(asked) if record.origin != Origin::Created && asked != filesystem => Err(format!(
                    "it was adopted with fstype={asked} but carries {kind}; remove it and adopt it with fstype={filesystem}"
                )),
                _ => Ok(Action::Mount(filesystem)),
            }
        }
    }
}

/// Mount options: a copy has its source's UUID, which XFS refuses while the source is mounted.
pub(crate) fn mount_options(record: &Record, filesystem: Filesystem) -> &'static str {
    if filesystem == Filesystem::Xfs && record.is_inherited() { "nouuid" } else { "" }
}
