//! Making a filesystem, on proof only.

use std::process::{Command, Stdio};

use uuid::Uuid;

use crate::probe::{one_line, spawn_error};
use crate::{BlankProof, BlockDevice, Error, Filesystem, Probe, Result, probe};

/// Makes a filesystem with the given UUID on a device proven blank, and verifies that it is there.
///
/// No force flag is ever given, so mkfs.xfs and mkfs.btrfs look once more themselves; mkfs.ext4 does not without a
/// terminal. The exclusive hold of the proof ends as the program starts, because each of them takes the device
/// exclusively itself and fails if somebody else was faster.
///
/// # Errors
/// [`Error::ToolMissing`] names the Debian package; [`Error::Tool`] carries the program's message.
pub fn make_filesystem(proof: BlankProof, filesystem: Filesystem, uuid: Uuid) -> Result<()> {
    let BlankProof { device, exclusive } = proof;
    let uuid = uuid.hyphenated().to_string();
    let (program, package) = tool(filesystem);
    let mut command = Command::new(program);
    match filesystem {
        Filesystem::Ext4 => command.args(["-q", "-U", &uuid]),
        Filesystem::Xfs => command.args(["-q", "-m", &format!("uuid={uuid}")]),
        Filesystem::Btrfs => command.args(["-q", "-U", &uuid]),
    };
    // Nothing is written to a pipe in the normal case, so the program outlives us should we be killed: the next
    // start then finds a whole filesystem with this UUID instead of half of one.
    command.arg(device.path()).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    drop(exclusive);
    let output = command.output().map_err(|e| spawn_error(program, package, &device, e))?;
    if !output.status.success() {
        return Err(Error::Tool {
            program,
            path: device.path().to_owned(),
            reason: one_line(&output.stderr, output.status),
        });
    }
    let path = device.path().to_owned();
    match probe(BlockDevice::open(&path)?)? {
        Probe::Filesystem { kind, uuid: found, .. } if kind == filesystem.name() && found == uuid => Ok(()),
        other => Err(Error::Tool {
            program,
            path,
            reason: format!("it said it worked, but the device shows {other:?}"),
        }),
    }
}

fn tool(filesystem: Filesystem) -> (&'static str, &'static str) {
    match filesystem {
        Filesystem::Ext4 => ("mkfs.ext4", "e2fsprogs"),
        Filesystem::Xfs => ("mkfs.xfs", "xfsprogs"),
        Filesystem::Btrfs => ("mkfs.btrfs", "btrfs-progs"),
    }
}
