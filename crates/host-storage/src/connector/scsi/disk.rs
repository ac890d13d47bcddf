//! A SCSI device as sysfs shows it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Address, Identity};
use crate::connector::Machine;
use crate::{DeviceNumber, Error, Result, sysfs};

const BUS: &str = "/sys/bus/scsi/devices";

/// A device on the SCSI bus of a machine; it need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) address: Address,
    dir: PathBuf,
}

/// A multipath map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// The kernel's name, such as `dm-3`.
    pub(crate) block: String,
    /// The device mapper's name.
    pub(crate) name: String,
}

impl Disk {
    pub(crate) fn at(machine: &Machine, address: Address) -> Self {
        Self { address, dir: machine.path(BUS).join(address.to_string()) }
    }

    /// All there are.
    pub(crate) fn all(machine: &Machine) -> Vec<Self> {
        let addresses = sysfs::names(&machine.path(BUS)).into_iter().filter_map(|n| Address::parse(&n));
        addresses.map(|address| Self::at(machine, address)).collect()
    }

    pub(crate) fn exists(&self) -> bool {
        self.dir.exists()
    }

    /// Its name as a block device, such as `sda`.
    pub(crate) fn block(&self) -> Option<String> {
        sysfs::names(&self.dir.join("block")).into_iter().next()
    }

    pub(crate) fn number(&self) -> Option<DeviceNumber> {
        number(&self.dir.join("block").join(self.block()?))
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::read(&self.dir)
    }

    /// The kernel has given it up. One that is `blocked` waits for its session.
    pub(crate) fn is_offline(&self) -> bool {
        sysfs::text(&self.dir.join("state")).is_some_and(|s| s == "offline" || s == "transport-offline")
    }

    /// Somebody has it for himself: a mount, a device on top, an exclusive opener.
    ///
    /// # Errors
    /// [`Error::Busy`] then.
    pub(crate) fn must_be_free(&self, machine: &Machine) -> Result<()> {
        let Some(block) = self.block() else { return Ok(()) };
        let path = machine.path("/dev").join(&block);
        // The kernel asks who has it before it asks whether it works.
        let flags = (OFlags::EXCL | OFlags::NONBLOCK).bits().cast_signed();
        match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Err(e) if e.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => Err(Error::Busy { path }),
            _ => Ok(()),
        }
    }

    /// Neither controllers nor enclosures nor places without a unit, which nobody uses (SPC, peripheral device types
    /// 0x0c, 0x0d, 0x1e, 0x1f).
    pub(crate) fn is_of_use(&self) -> bool {
        let kind = sysfs::text(&self.dir.join("type")).and_then(|t| t.parse::<u8>().ok());
        !matches!(kind, Some(0x0c | 0x0d | 0x1e | 0x1f))
    }

    /// The multipath map that stands on it.
    pub(crate) fn map(&self, machine: &Machine) -> Option<Map> {
        let holders = sysfs::names(&self.dir.join("block").join(self.block()?).join("holders"));
        holders.into_iter().find_map(|block| {
            let dm = machine.path("/sys/block").join(&block).join("dm");
            sysfs::text(&dm.join("uuid")).filter(|u| u.starts_with("mpath-"))?;
            Some(Map { name: sysfs::text(&dm.join("name"))?, block })
        })
    }

    /// Writes to one of its switches.
    pub(crate) fn order(&self, switch: &'static str) -> Result<()> {
        write(&self.dir.join(switch), "1")
    }

    /// As [`Disk::order`], and a disk that is gone is fine.
    pub(crate) fn order_if_there(&self, switch: &'static str) -> Result<()> {
        match self.order(switch) {
            Err(_) if !self.exists() => Ok(()),
            other => other,
        }
    }
}

/// The number in a block device's directory.
pub(crate) fn number(block: &Path) -> Option<DeviceNumber> {
    let text = sysfs::text(&block.join("dev"))?;
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// One write, as the kernel wants it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| Error::io("write to", path, e))
}
