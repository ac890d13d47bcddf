//! Whether a device may be mounted or formatted: the one place where that is decided.

use host_storage::{Filesystem, check_mount_options, reader_options};
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
        Content::Blank if record.is_reader() => {
            Err("it is only to be read (ro) and its device is blank; nothing was changed, check the storage"
                .into())
        }
        Content::Blank if record.is_shared() => Err(format!(
            "its device is blank, and {0} is never made here; make it with mkfs.{0} on one of its hosts",
            record.filesystem(default)
        )),
        Content::Blank if record.is_pending() => Ok(Action::Format(record.filesystem(default))),
        Content::Blank if record.origin == Origin::Created && !record.is_inherited() => Err(format!(
            "it was formatted before ({}) but its device is blank now; nothing was changed, check the storage",
            record.format
        )),
        Content::Blank => Err(format!(
            "Cinder volume {id} has no filesystem and was not made by us, so it is not formatted; attach it to a server, run mkfs.ext4 on it, and try again"
        )),
        Content::Filesystem { kind, uuid } => {
            let Some(filesystem) = Filesystem::of_probed_kind(kind) else {
                return Err(format!("its filesystem is {kind}; only ext4, xfs and btrfs are mounted"));
            };
            // Other hosts may be writing, so the two must not be taken for each other.
            if filesystem.is_shared() != record.is_shared() {
                return Err(if filesystem.is_shared() {
                    format!(
                        "its filesystem is {kind}, which is mounted only when asked for; remove it and adopt it with fstype={kind}"
                    )
                } else {
                    format!(
                        "it was to carry a filesystem that several hosts write but carries {kind}; nothing was changed"
                    )
                });
            }
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
                Some(asked) if !record.is_ours_by_mark() && asked != filesystem => Err(format!(
                    "it was asked for with fstype={asked} but carries {kind}; remove it and ask for it with fstype={filesystem}"
                )),
                _ => Ok(Action::Mount(filesystem)),
            }
        }
    }
}

/// Words for the mount: a reader's, the user's, and what lets an XFS be mounted beside the one it is a copy of, which
/// only what we made ourselves cannot be.
pub(crate) fn mount_options(record: &Record, filesystem: Filesystem) -> Result<String, String> {
    let mut words = Vec::new();
    if record.is_reader() {
        words.push(reader_options(filesystem));
    }
    if filesystem == Filesystem::Xfs && !record.is_ours_by_mark() {
        words.push("nouuid");
    }
    if let Some(text) = &record.request.mount_options {
        check_mount_options(Some(filesystem), text)
            .map_err(|reason| format!("mountopts={text}: {reason}"))?;
        words.push(text);
    }
    Ok(words.join(","))
}
