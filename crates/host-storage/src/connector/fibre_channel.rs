//! The `fibre_channel` connector, by sysfs alone: the fabric logs in by itself.
//!
//! Source: os-brick's Fibre Channel connector for what Cinder's drivers expect; `drivers/scsi/scsi_transport_fc.c`, the
//! classes `fc_host` and `fc_remote_ports`.

mod link;
mod ports;

use std::path::Path;

use super::Machine;
use super::scsi::{self, Address, Choice, Disk, Patience, Wanted, Ways, wait};
use crate::{BlockDevice, Error, Result};

pub(crate) use link::parse;
pub use link::{FibreChannelLink, FibreChannelPath, Wwn};

fn all(machine: &Machine, link: &FibreChannelLink) -> Vec<Address> {
    link.paths.iter().flat_map(|p| ports::addresses(machine, p, false)).collect()
}

/// Has the disk appear and proves it. With several ways and multipathd, by all of them; else by the first that works.
///
/// # Errors
/// [`Error::Connection`] when no port of this host sees the storage, or the disk does not appear; [`Error::WrongDevice`],
/// [`Error::Busy`].
pub(crate) fn connect(
    machine: &Machine,
    link: &FibreChannelLink,
    volume: &str,
    size: u64,
    patience: &Patience,
) -> Result<BlockDevice> {
    let online = || link.paths.iter().flat_map(|p| ports::addresses(machine, p, true)).collect::<Vec<_>>();
    let refused = |reason: String| Error::Connection { volume: volume.to_owned(), reason };
    // A port that has just been told of the fabric's change needs a moment.
    let ways = wait(patience.session, || Ok(Some(online()).filter(|o| !o.is_empty())))?;
    let ways = ways.ok_or_else(|| refused(ports::unseen(machine, link)))?;
    let driver = Driver { machine, volume, patience };
    let choice = Choice { ways: &ways, enforced: link.multipath, volume };
    let disk = scsi::bring(machine, &driver, &choice, patience)?;
    proven(machine, link, volume, size, |wanted| scsi::take(machine, &disk, wanted, patience))
}

struct Driver<'a> {
    machine: &'a Machine,
    volume: &'a str,
    patience: &'a Patience,
}

impl Ways for Driver<'_> {
    type Way = Address;

    fn bring(&self, address: &Address) -> Result<Disk> {
        let disk = scsi::appear(self.machine, *address, self.patience)?;
        disk.ok_or_else(|| Error::Connection {
            volume: self.volume.to_owned(),
            reason: format!(
                "SCSI device {address} did not appear within {} s; check that Cinder's back end exports it to this host",
                self.patience.appear.as_secs()
            ),
        })
    }

    fn leave(&self, address: &Address) {
        let disk = Disk::at(self.machine, *address);
        if let Err(error) = scsi::remove(self.machine, &[disk], None, self.patience) {
            tracing::warn!(volume = self.volume, %error, "a way that does not work stays for now");
        }
    }
}

fn proven(
    machine: &Machine,
    link: &FibreChannelLink,
    volume: &str,
    size: u64,
    prove: impl FnOnce(&Wanted<'_>) -> Result<BlockDevice>,
) -> Result<BlockDevice> {
    let addresses = all(machine, link);
    let place = link.paths.first().map(ToString::to_string).unwrap_or_default();
    prove(&Wanted { volume, size, identity: link.identity.as_ref(), addresses: &addresses, place: &place })
}

/// Opens the device and proves that it is the link's volume.
///
/// # Errors
/// [`Error::WrongDevice`] when it is not.
pub(crate) fn prove(
    machine: &Machine,
    link: &FibreChannelLink,
    path: &Path,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    proven(machine, link, volume, size, |wanted| scsi::prove(machine, path, wanted))
}

/// The link with what its disk says of itself.
pub(crate) fn identify(
    machine: &Machine,
    mut link: FibreChannelLink,
    device: &BlockDevice,
) -> FibreChannelLink {
    link.identity = scsi::identify(machine, device, &all(machine, &link)).or(link.identity);
    link
}

/// The device is positively at another place than the link's volume.
pub(crate) fn is_another(machine: &Machine, link: &FibreChannelLink, path: &Path) -> bool {
    BlockDevice::open(path).is_ok_and(|d| scsi::is_another(machine, d.number(), &all(machine, link)))
}

/// Removes the volume's disks. What is not there is fine.
///
/// # Errors
/// [`Error::Busy`] while anybody has the disk; what could not be written back.
pub(crate) fn disconnect(machine: &Machine, link: &FibreChannelLink, patience: &Patience) -> Result<()> {
    let disks: Vec<_> = all(machine, link).into_iter().map(|a| Disk::at(machine, a)).collect();
    scsi::remove(machine, &disks, link.identity.as_ref(), patience)
}

/// Has the kernel, and multipathd, look at the size again.
///
/// # Errors
/// What they answer.
pub(crate) fn rescan(machine: &Machine, link: &FibreChannelLink) -> Result<()> {
    scsi::rescan(machine, &all(machine, link))
}

#[cfg(test)]
mod tests;
