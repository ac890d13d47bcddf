//! Having a disk appear, and no other.

use std::time::{Duration, Instant};

use super::disk::write;
use super::{Address, Disk, Patience, wait};
use crate::Result;
use crate::connector::Machine;

/// Looks for the unit at this address, and for no other, until it is a block device; `None` when it was none in time.
///
/// A device that is there already may be a former volume's, and what the kernel knows of it may be as old; so it is asked
/// anew, and one that does not work is replaced.
///
/// # Errors
/// The kernel's answer; [`Error::Busy`](crate::Error::Busy) when somebody has a device that does not work.
pub(crate) fn appear(machine: &Machine, address: Address, patience: &Patience) -> Result<Option<Disk>> {
    let disk = Disk::at(machine, address);
    if disk.exists() {
        let dead = disk.is_offline() || !disk.is_of_use();
        if dead || disk.order_if_there("rescan").is_err() {
            disk.must_be_free(machine)?;
            disk.order_if_there("delete")?;
            wait(patience.gone, || Ok((!disk.exists()).then_some(())))?;
        }
    }
    let scan = machine.path(&format!("/sys/class/scsi_host/host{}/scan", address.host));
    let place = format!("{} {} {}", address.channel, address.target, address.lun);
    let (started, mut scans) = (Instant::now(), 0_u32);
    wait(patience.appear, || {
        // An array may need a moment to show what it was just told to: look again after 1, 4, 9, 16, ... s.
        let due = Duration::from_secs(u64::from(scans.saturating_mul(scans)));
        if !disk.exists() && started.elapsed() >= due {
            scans = scans.saturating_add(1);
            write(&scan, &place)?;
        }
        Ok(disk.number().map(|_| disk.clone()))
    })
}
