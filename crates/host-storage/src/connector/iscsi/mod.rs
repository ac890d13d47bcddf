//! The `iscsi` connector, by open-iscsi and sysfs.
//!
//! Volumes of one target share its sessions and node records, and the decision to end them. Locks ([`lock`]) order that,
//! within this process and with others of ours.
//!
//! Source: os-brick's iSCSI connector for what Cinder's drivers expect; iscsiadm(8) of open-iscsi 2.1.

mod admin;
mod connect;
mod disconnect;
mod failure;
mod link;
mod lock;
mod parse;
mod record;
mod session;

use std::path::Path;

pub(crate) use connect::connect;
pub(crate) use disconnect::disconnect;
pub use failure::IscsiFailure;
pub use link::{IscsiLink, IscsiPath, Portal, TargetName};
pub(crate) use parse::parse;

use super::Machine;
use super::scsi::{self, Patience, Wanted};
use crate::{BlockDevice, Result};

/// Opens the device and proves that it is the link's volume.
///
/// # Errors
/// [`crate::Error::WrongDevice`] when it is not.
pub(crate) fn prove(
    machine: &Machine,
    link: &IscsiLink,
    path: &Path,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    let addresses = connect::addresses(machine, link);
    let place = link.paths.first().map(ToString::to_string).unwrap_or_default();
    let identity = link.identity.as_ref();
    scsi::prove(machine, path, &Wanted { volume, size, identity, addresses: &addresses, place: &place })
}

/// The link with what its disk says of itself.
pub(crate) fn identify(machine: &Machine, mut link: IscsiLink, device: &BlockDevice) -> IscsiLink {
    link.identity = scsi::identify(machine, device, &connect::addresses(machine, &link)).or(link.identity);
    link
}

/// The device is positively at another place than the link's volume.
pub(crate) fn is_another(machine: &Machine, link: &IscsiLink, path: &Path) -> bool {
    let addresses = connect::addresses(machine, link);
    BlockDevice::open(path).is_ok_and(|d| scsi::is_another(machine, d.number(), &addresses))
}

/// Has the kernel, and multipathd, look at the size again. A session whose target is away for a moment is waited for: until
/// then nothing new can be told.
///
/// # Errors
/// What they answer; there is no session that works.
pub(crate) fn rescan(machine: &Machine, link: &IscsiLink, patience: &Patience) -> Result<()> {
    connect::must_work(machine, link, patience)?;
    scsi::rescan(machine, &connect::addresses(machine, link))
}

#[cfg(test)]
mod tests;
