//! Taking disks off this host.

use std::path::{Path, PathBuf};

use super::proof::maps;
use super::{Disk, Identity, Map, Patience, wait};
use crate::connector::{Machine, multipath};
use crate::{BlockDevice, DeviceNumber, Error, Result, mount, own_mounts, sysfs};

/// Writes back and removes the disks of one volume, and the map on them. A disk that says another thing of itself than
/// `identity` is another volume's by now, and left alone.
///
/// # Errors
/// [`Error::Busy`] while anybody has one of them; what could not be written back; the kernel's answer. Nothing is removed
/// then.
pub(crate) fn remove(
    machine: &Machine,
    disks: &[Disk],
    identity: Option<&Identity>,
    patience: &Patience,
) -> Result<()> {
    let ours: Vec<_> = disks.iter().filter(|d| d.exists() && is_ours(d, identity)).cloned().collect();
    let dev = |block: &str| machine.path("/dev").join(block);
    let below: Vec<_> = ours.iter().map(|d| d.map(machine).is_some()).collect();
    for map in maps(machine, &ours) {
        only_ours(machine, &map.block, &ours)?;
        release(&dev(&map.block), sysfs_number(machine, &map.block))?;
        remove_map(machine, &map, patience)?;
        if let Some(first) = ours.first() {
            multipath::forget(machine, first);
        }
    }
    for (disk, below) in ours.iter().zip(below) {
        match disk.block() {
            // What was written through the map is written back by any way; this one may be dead.
            Some(_) if below => disk.must_be_free(machine)?,
            Some(block) => release(&dev(&block), disk.number())?,
            None => {}
        }
    }
    for disk in &ours {
        disk.order_if_there("delete")?;
    }
    for disk in &ours {
        let path = disk.block().map_or_else(|| PathBuf::from(disk.address.to_string()), |b| dev(&b));
        wait(patience.gone, || Ok((!disk.exists()).then_some(())))?.ok_or_else(|| Error::Io {
            action: "wait for the removal of",
            path,
            source: std::io::ErrorKind::TimedOut.into(),
        })?;
    }
    Ok(())
}

/// Programs that look at every device that was written to have it open for a moment, too.
fn remove_map(machine: &Machine, map: &Map, patience: &Patience) -> Result<()> {
    let dir = machine.path("/sys/block").join(&map.block);
    let mut last = None;
    let gone = wait(patience.gone, || {
        if dir.exists() {
            last = multipath::remove(machine, map).err();
        }
        Ok((!dir.exists()).then_some(()))
    })?;
    let busy = || Error::Busy { path: machine.path("/dev").join(&map.block) };
    gone.ok_or_else(|| last.unwrap_or_else(busy))
}

fn is_ours(disk: &Disk, identity: Option<&Identity>) -> bool {
    let found = disk.identity();
    // A dead one may say nothing.
    let same = identity.is_none_or(|known| *known == found || found == Identity::default());
    if !same {
        tracing::warn!(disk = %disk.address, %found, "another volume is in the place of the former one, left alone");
    }
    same
}

fn only_ours(machine: &Machine, map: &str, ours: &[Disk]) -> Result<()> {
    let blocks: Vec<_> = ours.iter().filter_map(Disk::block).collect();
    let slaves = sysfs::names(&machine.path("/sys/block").join(map).join("slaves"));
    match slaves.iter().find(|s| !blocks.contains(s)) {
        None => Ok(()),
        // Removing it would take another volume's way, or one that somebody else brought.
        Some(_) => Err(Error::Busy { path: machine.path("/dev").join(map) }),
    }
}

fn sysfs_number(machine: &Machine, block: &str) -> Option<DeviceNumber> {
    super::disk::number(&machine.path("/sys/block").join(block))
}

/// Proves that nobody has the device and writes everything back.
fn release(path: &Path, number: Option<DeviceNumber>) -> Result<()> {
    let busy = || Error::Busy { path: path.to_owned() };
    match BlockDevice::open(path) {
        Ok(device) if number.is_some_and(|n| n != device.number()) => Err(Error::WrongDevice {
            path: path.to_owned(),
            volume: number.map_or_else(String::new, |n| format!("device {n}")),
            reason: format!("it is device {}", device.number()),
        }),
        Ok(device) if mount::is_open_elsewhere(&device)? => Err(busy()),
        Ok(_) => Ok(()),
        // A disk whose storage is gone for good cannot be opened (ENXIO, ENODEV), and one that was removed has no node.
        // What nobody has open has nothing cached.
        Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(2 | 6 | 19)) => {
            let mounted = own_mounts()?.iter().any(|m| Some(m.device) == number || m.source == path);
            if mounted { Err(busy()) } else { Ok(()) }
        }
        Err(error) => Err(error),
    }
}
