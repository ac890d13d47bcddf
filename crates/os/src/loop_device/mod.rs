//! Loop devices: files that look like block devices.
//!
//! The devices made here can clear themselves (`LO_FLAGS_AUTOCLEAR`), so a killed process leaves none behind unless
//! somebody else still uses it.

mod ioctls;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use ioctls::{LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO, LO_FLAGS_READ_ONLY};

/// Block major number of loop devices.
pub const LOOP_MAJOR: u32 = 7;

/// Somebody else may take the free device between the question and the claim; that is repeated so often.
const CLAIM_ATTEMPTS: u32 = 64;

/// A failed operation on a loop device.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}{}", path.display(), advice(*source))]
pub struct LoopError {
    /// What was tried, such as `open`.
    pub operation: &'static str,
    /// The device.
    pub path: PathBuf,
    /// The system's answer.
    pub source: Errno,
}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => "; run as root",
        Errno::NOENT | Errno::NODEV => "; load the kernel module loop",
        Errno::BUSY => "; something still uses it",
        _ => "",
    }
}

/// Result of an operation on a loop device.
pub type Result<T> = std::result::Result<T, LoopError>;

/// How a file becomes a loop device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoopOptions {
    /// Refuse writes. The file may then be opened for reading only.
    pub read_only: bool,
    /// Free the device when its last opener closes it.
    pub autoclear: bool,
    /// Bypass the page cache of the backing file, where its filesystem can; otherwise silently not.
    pub direct_io: bool,
    /// Label kept by the kernel (`lo_file_name`), at most 63 bytes; the rest is cut.
    pub label: String,
}

/// What the kernel says about an attached loop device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopStatus {
    /// Device number of the backing file's filesystem, as `st_dev`.
    pub device: u64,
    /// Inode number of the backing file.
    pub inode: u64,
    /// The label given when it was attached.
    pub label: String,
    /// Frees itself on last close.
    pub autoclear: bool,
    /// Bypasses the page cache.
    pub direct_io: bool,
}

/// `/dev/loop-control`, which hands out free devices.
#[derive(Debug)]
pub struct LoopControl {
    fd: OwnedFd,
}

impl LoopControl {
    /// Opens the control device.
    ///
    /// # Errors
    /// The kernel has no loop driver, or the caller is not root.
    pub fn open() -> Result<Self> {
        let path = Path::new("/dev/loop-control");
        let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|source| LoopError { operation: "open", path: path.into(), source })?;
        Ok(Self { fd })
    }

    /// Makes a block device of `file` on the next free loop device, making its device node if it is missing.
    ///
    /// # Errors
    /// No free device, or the file cannot back one.
    pub fn attach(&self, file: &File, options: &LoopOptions) -> Result<LoopDevice> {
        let mut last = Errno::BUSY;
        for _ in 0..CLAIM_ATTEMPTS {
            let number = ioctls::get_free(self).map_err(|source| LoopError {
                operation: "get a free device from",
                path: PathBuf::from("/dev/loop-control"),
                source,
            })?;
            let device = LoopDevice::open(number)?;
            match device.configure(file, options) {
                Ok(()) => return Ok(device),
                Err(Errno::BUSY) => last = Errno::BUSY,
                Err(source) => {
                    return Err(LoopError { operation: "attach a file to", path: device.path, source });
                }
            }
        }
        Err(LoopError {
            operation: "claim a free device of",
            path: PathBuf::from("/dev/loop-control"),
            source: last,
        })
    }
}

/// An open loop device. With autoclear, dropping the last open one frees it.
#[derive(Debug)]
pub struct LoopDevice {
    fd: OwnedFd,
    number: u32,
    path: PathBuf,
}

impl LoopDevice {
    /// Opens `/dev/loop<number>`, attached or not, making its node if it is missing.
    ///
    /// # Errors
    /// The path exists and is something else, or the system refuses.
    pub fn open(number: u32) -> Result<Self> {
        let path = PathBuf::from(format!("/dev/loop{number}"));
        ensure_node(&path, number)?;
        let fail = |source| LoopError { operation: "open", path: path.clone(), source };
        // A read-only device refuses to be opened for writing.
        let fd = match rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) => {
                rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            }
            other => other,
        }
        .map_err(fail)?;
        Ok(Self { fd, number, path })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its device node.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn configure(&self, file: &File, options: &LoopOptions) -> std::result::Result<(), Errno> {
        let mut flags = 0;
        for (wanted, flag) in [
            (options.read_only, LO_FLAGS_READ_ONLY),
            (options.autoclear, LO_FLAGS_AUTOCLEAR),
            (options.direct_io, LO_FLAGS_DIRECT_IO),
        ] {
            flags |= if wanted { flag } else { 0 };
        }
        ioctls::configure(self, file, flags, &options.label)
    }

    /// What is attached; `None` when nothing is.
    ///
    /// # Errors
    /// The system refuses.
    pub fn status(&self) -> Result<Option<LoopStatus>> {
        let info = match ioctls::status(self) {
            Ok(info) => info,
            Err(Errno::NXIO) => return Ok(None),
            Err(source) => return Err(self.error("read the state of", source)),
        };
        let name: Vec<u8> = info.file_name.iter().copied().take_while(|byte| *byte != 0).collect();
        Ok(Some(LoopStatus {
            device: info.device,
            inode: info.inode,
            label: String::from_utf8_lossy(&name).into_owned(),
            autoclear: info.flags & LO_FLAGS_AUTOCLEAR != 0,
            direct_io: info.flags & LO_FLAGS_DIRECT_IO != 0,
        }))
    }

    /// Takes the file off. While others have the device open the kernel only marks it to be freed when the last of
    /// them closes it, and does not say so: ask sysfs afterwards.
    ///
    /// # Errors
    /// Nothing was attached, or the system refuses.
    pub fn detach(self) -> Result<()> {
        ioctls::clear(&self).map_err(|source| self.error("detach", source))
    }

    /// Makes the device as large as its file has become.
    ///
    /// # Errors
    /// Nothing is attached, or the system refuses.
    pub fn set_capacity(&self) -> Result<()> {
        ioctls::set_capacity(self).map_err(|source| self.error("resize", source))
    }

    /// Refuses or allows writes from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_read_only(&self, read_only: bool) -> Result<()> {
        ioctls::set_read_only(self, read_only)
            .map_err(|source| self.error("set the write protection of", source))
    }

    /// Writes what was written to the device, but is still in memory, to the file's filesystem.
    ///
    /// # Errors
    /// An I/O error.
    pub fn flush(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(|source| self.error("flush", source))
    }

    /// Whether a filesystem, a mapping or swap uses the device, in whichever mount namespace.
    ///
    /// # Errors
    /// The system refuses for another reason.
    pub fn is_claimed(&self) -> Result<bool> {
        match rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()) {
            Ok(_) => Ok(false),
            Err(Errno::BUSY) => Ok(true),
            Err(source) => Err(self.error("look who uses", source)),
        }
    }

    fn error(&self, operation: &'static str, source: Errno) -> LoopError {
        LoopError { operation, path: self.path.clone(), source }
    }
}

/// In a container, or without devtmpfs, nodes of new devices do not appear by themselves.
fn ensure_node(path: &Path, number: u32) -> Result<()> {
    let fail = |operation, source| LoopError { operation, path: path.to_owned(), source };
    let wanted = rustix::fs::makedev(LOOP_MAJOR, number);
    for _ in 0..2 {
        match fs::metadata(path) {
            Ok(found) if found.file_type().is_block_device() && found.rdev() == wanted => return Ok(()),
            // Never replace what is not ours.
            Ok(_) => return Err(fail("use as a loop device", Errno::EXIST)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(fail("look at", Errno::from_io_error(&error).unwrap_or(Errno::IO)));
            }
        }
        match rustix::fs::mknodat(CWD, path, FileType::BlockDevice, Mode::from_raw_mode(0o600), wanted) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(fail("make the device node", source)),
        }
    }
    Err(fail("make the device node", Errno::NODEV))
}
