//! The identity of a block device.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, SysfsFacts};

/// Major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The device of that driver.
    pub minor: u32,
}

impl DeviceNumber {
    pub(crate) fn from_raw(dev: u64) -> Self {
        Self { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A block device as it was when it was opened. It keeps a file open, so that the number is not given to another
/// device meanwhile.
#[derive(Debug)]
pub struct BlockDevice {
    path: PathBuf,
    number: DeviceNumber,
    size: u64,
    file: File,
}

impl BlockDevice {
    /// Opens the device for reading, not exclusively.
    ///
    /// # Errors
    /// [`Error::NotABlockDevice`], or [`Error::Io`] when it cannot be opened or measured.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
        if !metadata.file_type().is_block_device() {
            return Err(Error::NotABlockDevice { path: path.to_owned() });
        }
        // Non-blocking, so that a device without a medium answers at once.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(|e| Error::io("open", path, e))?;
        let opened = file.metadata().map_err(|e| Error::io("open", path, e))?;
        let size = os::block::size_in_bytes(&file).map_err(|e| Error::io("measure", path, e))?;
        Ok(Self { path: path.to_owned(), number: DeviceNumber::from_raw(opened.rdev()), size, file })
    }

    /// Where it was found.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> DeviceNumber {
        self.number
    }

    /// Its size in bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What sysfs tells about it.
    #[must_use]
    pub fn facts(&self) -> SysfsFacts {
        SysfsFacts::read(self.number)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Opens the same device exclusively (`O_EXCL`): no filesystem, no other exclusive opener.
    ///
    /// # Errors
    /// [`Error::Busy`] when somebody has it, [`Error::WrongDevice`] when the path names another device by now.
    pub(crate) fn open_exclusively(&self) -> Result<File> {
        let flags = rustix::fs::OFlags::EXCL.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).map_err(|e| {
            if e.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) {
                Error::Busy { path: self.path.clone() }
            } else {
                Error::io("open exclusively", &self.path, e)
            }
        })?;
        let opened = file.metadata().map_err(|e| Error::io("open", &self.path, e))?;
        if DeviceNumber::from_raw(opened.rdev()) != self.number {
            return Err(Error::WrongDevice {
                path: self.path.clone(),
                volume: format!("device {}", self.number),
                reason: "the path names another device by now".into(),
            });
        }
        Ok(file)
    }
}
