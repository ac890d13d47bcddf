//! Making a filesystem fit to be mounted after its host went away without unmounting it.

use std::time::Duration;

use crate::program::Program;
use crate::superblock::Ext4;
use crate::{BlockDevice, Error, Filesystem, Result};

/// A check of a large filesystem with errors takes long, and one cut short helps nobody.
const CHECKS_WITHIN: Duration = Duration::from_secs(3600);

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It was unmounted in good order.
    Clean,
    /// Its journal was replayed, or errors that can be put right without a decision were.
    Repaired,
    /// Its kernel driver does by itself what is to be done: XFS and btrfs replay their logs when they are mounted.
    ByTheKernel,
}

/// Looks whether the filesystem was unmounted in good order, and has e2fsck put right what needs no decision if it was
/// not. Nothing is done to one that is clean, and nothing ever to XFS or btrfs: their logs are replayed by mounting, and
/// throwing a log away loses data.
///
/// # Errors
/// [`Error::Busy`] when anybody has the device, because a mounted filesystem must not be repaired; [`Error::Damaged`] when
/// e2fsck would have to decide something, which is left to a person.
pub fn check(device: &BlockDevice, filesystem: Filesystem) -> Result<Checked> {
    if filesystem != Filesystem::Ext4 {
        return Ok(Checked::ByTheKernel);
    }
    match Ext4::read(device)? {
        Some(superblock) if superblock.is_clean() => return Ok(Checked::Clean),
        Some(_) => {}
        None => return Err(damaged(device, "it has no superblock where one was a moment ago".into())),
    }
    // e2fsck takes it exclusively itself; this is for a clear answer.
    drop(device.open_exclusively()?);
    let path = device.path();
    let e2fsck = Program { name: "e2fsck", package: "e2fsprogs", on: path, within: CHECKS_WITHIN };
    let ended = e2fsck.run(&["-p", &path.to_string_lossy()])?;
    // Bits as in e2fsck(8): 1 and 2 corrected, 4 left uncorrected, the others failures of its own.
    match ended.status.code() {
        Some(0..=3) => {
            tracing::info!(device = %path.display(), outcome = ended.said, "checked");
            os::block::flush_buffers(device.file()).map_err(|e| Error::io("flush", path, e))?;
            Ok(Checked::Repaired)
        }
        Some(code) if code & 4 != 0 && code & !7 == 0 => Err(damaged(device, ended.said)),
        _ => Err(Error::Tool { program: e2fsck.name, path: path.to_owned(), reason: ended.said }),
    }
}

/// Proves that a reader, who may not write and so replays no journal, sees the filesystem as its writer left it. Of XFS
/// and btrfs that cannot be told before mounting; they pass.
///
/// # Errors
/// [`Error::Unfinished`] when its writer went away without unmounting it.
pub fn check_for_reader(device: &BlockDevice, filesystem: Filesystem) -> Result<()> {
    let unfinished = filesystem == Filesystem::Ext4
        && Ext4::read(device)?.is_none_or(|superblock| superblock.has_journal_to_replay());
    if unfinished { Err(Error::Unfinished { path: device.path().to_owned() }) } else { Ok(()) }
}

fn damaged(device: &BlockDevice, reason: String) -> Error {
    Error::Damaged { path: device.path().to_owned(), reason }
}
