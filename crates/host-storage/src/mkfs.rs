//! Making a filesystem, on proof only.

use std::time::Duration;

use uuid::Uuid;

use crate::program::Program;
use crate::{BlankProof, BlockDevice, Error, Filesystem, Probe, Result, mkfs_options, probe};

const MAKES_WITHIN: Duration = Duration::from_secs(1800);

/// Makes a filesystem with the given UUID on a device proven blank, and verifies that it is there. `options` are the
/// user's, see [`mkfs_options()`]; empty for none.
///
/// No force flag is ever given, so mkfs.xfs and mkfs.btrfs look once more themselves; mkfs.ext4 does not without a
/// terminal. The exclusive hold of the proof ends as the program starts, because each of them takes the device
/// exclusively itself and fails if somebody else was faster. A blank device has nothing to discard, which some storage
/// takes minutes to find out, and ext4 zeroes its tables in the background once it is mounted.
///
/// # Errors
/// [`Error::ToolMissing`] names the Debian package; [`Error::Tool`] carries the program's message.
pub fn make_filesystem(proof: BlankProof, filesystem: Filesystem, uuid: Uuid, options: &str) -> Result<()> {
    let BlankProof { device, exclusive } = proof;
    let uuid = uuid.hyphenated().to_string();
    let (name, package) = tool(filesystem);
    let program = Program { name, package, on: device.path(), within: MAKES_WITHIN };
    let failed = |reason: String| Error::Tool { program: name, path: device.path().to_owned(), reason };
    let mut arguments = mkfs_options(filesystem, options).map_err(failed)?;
    let own: &[&str] = match filesystem {
        Filesystem::Ext4 => {
            // The last -E wins, so the user's joins ours.
            let at = arguments.iter().position(|a| a == "-E");
            let theirs = at.map(|at| arguments.drain(at..=at + 1).skip(1).collect::<String>());
            let fast = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
            let extended = theirs.map_or_else(|| fast.to_owned(), |theirs| format!("{fast},{theirs}"));
            arguments.extend(["-E".to_owned(), extended]);
            &["-q", "-U", &uuid]
        }
        Filesystem::Xfs => &["-q", "-K", "-m", &format!("uuid={uuid}")],
        Filesystem::Btrfs => &["-q", "-K", "-U", &uuid],
        Filesystem::Ocfs2 | Filesystem::Gfs2 => {
            return Err(failed(format!("{filesystem} is never made here")));
        }
    };
    let path = device.path().to_string_lossy();
    let all: Vec<&str> =
        own.iter().copied().chain(arguments.iter().map(String::as_str)).chain([&*path]).collect();
    drop(exclusive);
    // It outlives us should we be killed: the next start then finds a whole filesystem with this UUID instead of half
    // of one.
    program.must(&all)?;
    let path = device.path();
    match probe(BlockDevice::open(path)?)? {
        Probe::Filesystem { kind, uuid: found, .. } if kind == filesystem.name() && found == uuid => Ok(()),
        other => Err(failed(format!("it said it worked, but the device shows {other:?}"))),
    }
}

fn tool(filesystem: Filesystem) -> (&'static str, &'static str) {
    match filesystem {
        Filesystem::Ext4 => ("mkfs.ext4", "e2fsprogs"),
        Filesystem::Xfs => ("mkfs.xfs", "xfsprogs"),
        Filesystem::Btrfs => ("mkfs.btrfs", "btrfs-progs"),
        Filesystem::Ocfs2 => ("mkfs.ocfs2", "ocfs2-tools"),
        Filesystem::Gfs2 => ("mkfs.gfs2", "gfs2-utils"),
    }
}
