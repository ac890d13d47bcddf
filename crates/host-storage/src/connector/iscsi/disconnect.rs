//! Taking a volume away.

use super::lock::{Shared, Turn};
use super::session;
use super::{IscsiFailure, IscsiLink, IscsiPath, admin};
use crate::Result;
use crate::connector::Machine;
use crate::connector::scsi::{self, Disk, Patience, wait};

/// Removes the volume's disks, then the sessions in which nothing else is left, and their records. What is not there is
/// fine.
///
/// # Errors
/// [`crate::Error::Busy`] while anybody has the disk; what the steps answer.
pub(crate) fn disconnect(machine: &Machine, link: &IscsiLink, patience: &Patience) -> Result<()> {
    let disks: Vec<_> =
        super::connect::addresses(machine, link).into_iter().map(|a| Disk::at(machine, a)).collect();
    scsi::remove(machine, &disks, link.identity.as_ref(), patience)?;
    let left: Vec<_> = link.paths.iter().map(|path| leave(machine, path, patience)).collect();
    left.into_iter().collect()
}

/// Ends the sessions of this way, unless a disk is left in one of them, and deletes its record.
///
/// # Errors
/// What iscsiadm answers.
pub(super) fn leave(machine: &Machine, path: &IscsiPath, patience: &Patience) -> Result<()> {
    let _turn = Turn::wait(machine, Shared::End(path), patience)?;
    let sessions = session::find(machine, path);
    // Also when it is the volume's own place: then another volume's disk came there, or somebody else found it.
    if sessions.iter().any(|s| s.has_disks(machine)) {
        return Ok(());
    }
    if !sessions.is_empty() {
        admin::logout(machine, path)?;
        wait(patience.gone, || Ok(session::find(machine, path).is_empty().then_some(())))?
            .ok_or_else(|| admin::failed(path, IscsiFailure::NotEnded))?;
    }
    let _records = Turn::wait(machine, Shared::Records(path), patience)?;
    admin::forget(machine, path)
}
