//! Is this device that volume?

use std::path::Path;

use super::disk::number;
use super::{Address, Disk, Identity, Map, Patience, wait};
use crate::connector::Machine;
use crate::{BlockDevice, DeviceNumber, Error, Result, sysfs};

/// What a device must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) volume: &'a str,
    /// In bytes, exactly.
    pub(crate) size: u64,
    /// What it said of itself when it came here, once that is known.
    pub(crate) identity: Option<&'a Identity>,
    /// Where the storage shows the volume to this host.
    pub(crate) addresses: &'a [Address],
    /// The same for people.
    pub(crate) place: &'a str,
}

/// Opens a disk that has just come, or the map on it, and proves what it is and that nobody has it.
///
/// # Errors
/// [`Error::WrongDevice`], [`Error::Busy`].
pub(crate) fn take(
    machine: &Machine,
    disk: &Disk,
    wanted: &Wanted<'_>,
    patience: &Patience,
) -> Result<BlockDevice> {
    let mut last = None;
    let taken = wait(patience.free, || {
        let map = disk.map(machine).map(|m| m.block);
        let Some(block) = map.or_else(|| disk.block()) else { return Ok(None) };
        let tried = prove(machine, &machine.path("/dev").join(block), wanted).and_then(|device| {
            device.open_exclusively()?;
            Ok(device)
        });
        match tried {
            // Programs that look at every new disk have it for a moment, its node may come a moment later.
            Err(error @ (Error::Busy { .. } | Error::Io { .. })) => {
                last = Some(error);
                Ok(None)
            }
            other => other.map(Some),
        }
    })?;
    let gone = || Error::WrongDevice {
        path: machine.path("/dev"),
        volume: wanted.volume.to_owned(),
        reason: format!("the disk at {} went away again", disk.address),
    };
    taken.ok_or_else(|| last.unwrap_or_else(gone))
}

/// Opens the device and proves that it is where the storage shows the volume, still says the same of itself, and has
/// exactly the size.
///
/// # Errors
/// [`Error::WrongDevice`] when it is not.
pub(crate) fn prove(machine: &Machine, path: &Path, wanted: &Wanted<'_>) -> Result<BlockDevice> {
    let device = BlockDevice::open(path)?;
    let wrong = |reason: String| Error::WrongDevice {
        path: path.to_owned(),
        volume: wanted.volume.to_owned(),
        reason,
    };
    let paths = paths(machine, device.number(), wanted.addresses)
        .ok_or_else(|| wrong(format!("it is not, or not only, {}", wanted.place)))?;
    for disk in &paths {
        let found = disk.identity();
        if wanted.identity.is_some_and(|known| *known != found) {
            return Err(wrong(format!("another volume came in its place, with {found}")));
        }
    }
    if !agree(&paths) {
        return Err(wrong("its paths lead to different volumes".to_owned()));
    }
    if device.size() != wanted.size {
        return Err(wrong(format!("it has {} bytes instead of {}", device.size(), wanted.size)));
    }
    Ok(device)
}

/// What the device at these addresses says of itself.
pub(crate) fn identify(machine: &Machine, device: &BlockDevice, addresses: &[Address]) -> Option<Identity> {
    paths(machine, device.number(), addresses)?.first().map(Disk::identity)
}

/// The device is positively at none of the addresses, so its name tells nothing of the volume any more.
pub(crate) fn is_another(machine: &Machine, number: DeviceNumber, addresses: &[Address]) -> bool {
    let under = [vec![number], slaves(machine, number)].concat();
    let disks = Disk::all(machine);
    let found: Vec<_> = disks.iter().filter(|d| d.number().is_some_and(|n| under.contains(&n))).collect();
    !found.is_empty() && found.iter().all(|d| !addresses.contains(&d.address))
}

/// The disks that make up the device, if all of them are at the addresses: itself, or the paths of a multipath map.
fn paths(machine: &Machine, number: DeviceNumber, addresses: &[Address]) -> Option<Vec<Disk>> {
    let disks: Vec<_> = addresses.iter().map(|a| Disk::at(machine, *a)).collect();
    let at = |number: DeviceNumber| disks.iter().find(|d| d.number() == Some(number)).cloned();
    if let Some(disk) = at(number) {
        return Some(vec![disk]);
    }
    let uuid = sysfs::text(&block(machine, number).join("dm/uuid"))?;
    let paths: Option<Vec<_>> = slaves(machine, number).into_iter().map(at).collect();
    paths.filter(|p| !p.is_empty() && uuid.starts_with("mpath-"))
}

fn block(machine: &Machine, number: DeviceNumber) -> std::path::PathBuf {
    machine.path("/sys/dev/block").join(number.to_string())
}

fn slaves(machine: &Machine, device: DeviceNumber) -> Vec<DeviceNumber> {
    let dir = block(machine, device).join("slaves");
    // A slave whose number cannot be read must not be passed over.
    let none = DeviceNumber { major: 0, minor: 0 };
    sysfs::names(&dir).iter().map(|name| number(&dir.join(name)).unwrap_or(none)).collect()
}

/// All paths say the same of themselves.
fn agree(paths: &[Disk]) -> bool {
    paths.iter().zip(paths.iter().skip(1)).all(|(a, b)| a.identity() == b.identity())
}

/// The maps on the disks, each once.
pub(crate) fn maps(machine: &Machine, disks: &[Disk]) -> Vec<Map> {
    let mut maps: Vec<Map> = Vec::new();
    for map in disks.iter().filter_map(|d| d.map(machine)) {
        if !maps.contains(&map) {
            maps.push(map);
        }
    }
    maps
}
