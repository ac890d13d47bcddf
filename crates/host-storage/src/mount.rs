//! Mounting, unmounting and the proof of either.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::mount_options::split;
use crate::{BlockDevice, DeviceNumber, Error, Filesystem, Mount, Result, own_mounts};

/// Mounts the device on an existing directory, with the filesystem that was *probed* on it. `options` are words such as
/// `noatime` or `nouuid`; empty for none. What is mounted there already is verified and kept.
///
/// # Errors
/// [`Error::Mount`] with the kernel's answer; [`Error::NotMounted`] when the result is not the mount asked for.
pub fn mount(device: &BlockDevice, filesystem: Filesystem, options: &str, mountpoint: &Path) -> Result<()> {
    if verify_mounted(device, mountpoint).is_ok() {
        return Ok(());
    }
    if is_mountpoint(mountpoint)? {
        return Err(not_mounted(device, mountpoint, "another filesystem is mounted there"));
    }
    let (flags, options) = split(options);
    let options = CString::new(options).map_err(|e| Error::io("mount", mountpoint, e))?;
    let data = (!options.is_empty()).then_some(options.as_c_str());
    let started = Instant::now();
    rustix::mount::mount(device.path(), mountpoint, filesystem.name(), flags, data).map_err(|errno| {
        Error::Mount {
            device: device.path().to_owned(),
            path: mountpoint.to_owned(),
            filesystem,
            source: errno.into(),
            advice: advice(filesystem, errno),
        }
    })?;
    // The kernel reads the filesystem's own blocks and writes that it is mounted: the storage's time.
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(on = %device.path().display(), elapsed_ms, "mounted");
    // A mount that cannot be proven is not left behind.
    verify_mounted(device, mountpoint).inspect_err(|_| {
        let _ = rustix::mount::unmount(mountpoint, UnmountFlags::NOFOLLOW);
    })
}

fn advice(filesystem: Filesystem, errno: Errno) -> &'static str {
    match errno {
        Errno::NODEV => "this kernel has no such filesystem; load its module, or use another host",
        // Two filesystems of one UUID are one to btrfs.
        Errno::EXIST if filesystem == Filesystem::Btrfs => {
            "a copy of a btrfs is not mounted beside its original; unmount that, or copy an ext4 or XFS"
        }
        Errno::ACCESS | Errno::ROFS => "the device is read-only; attach the volume for writing",
        Errno::BUSY => "something else has the device; stop that, then try again",
        _ => "nothing was changed; the kernel's log says more (dmesg)",
    }
}

/// Proves that the mountpoint shows this device: the topmost mount there, by mount id, belongs to it.
///
/// # Errors
/// [`Error::NotMounted`] otherwise.
pub fn verify_mounted(device: &BlockDevice, mountpoint: &Path) -> Result<()> {
    let id = mount_id(mountpoint)?;
    let mounts = own_mounts()?;
    let Some(found) = mounts.iter().find(|m| m.id == id && m.mountpoint == mountpoint) else {
        return Err(not_mounted(device, mountpoint, "nothing is mounted there"));
    };
    if !shows(found, device) {
        return Err(not_mounted(device, mountpoint, &format!("{} is mounted there", found.source.display())));
    }
    let metadata = std::fs::metadata(mountpoint).map_err(|e| Error::io("look at", mountpoint, e))?;
    // btrfs gives each subvolume a number of its own, so only its source can be compared.
    if found.kind != "btrfs" && DeviceNumber::from_raw(metadata.dev()) != device.number() {
        return Err(not_mounted(device, mountpoint, "the directory lies on another device"));
    }
    Ok(())
}

fn shows(mount: &Mount, device: &BlockDevice) -> bool {
    if mount.kind != "btrfs" {
        return mount.device == device.number();
    }
    std::fs::metadata(&mount.source).is_ok_and(|m| DeviceNumber::from_raw(m.rdev()) == device.number())
}

fn not_mounted(device: &BlockDevice, mountpoint: &Path, reason: &str) -> Error {
    Error::NotMounted {
        path: mountpoint.to_owned(),
        device: device.path().to_owned(),
        reason: reason.to_owned(),
    }
}

fn mount_id(path: &Path) -> Result<u64> {
    let wanted = StatxFlags::MNT_ID;
    rustix::fs::statx(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted)
        .map(|s| s.stx_mnt_id)
        .map_err(|e| Error::io("look at", path, e))
}

pub(crate) fn is_mountpoint(path: &Path) -> Result<bool> {
    let id = mount_id(path)?;
    Ok(own_mounts()?.iter().any(|m| m.id == id && m.mountpoint == path))
}

/// Unmounts the device from the directory, neither lazily nor by force; written back first. What is not mounted
/// there is unmounted.
///
/// # Errors
/// [`Error::Busy`] when files are open below it; [`Error::NotMounted`] when it shows another device, which is left
/// alone.
pub fn unmount(device: &BlockDevice, mountpoint: &Path) -> Result<()> {
    match mountpoint.symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("look at", mountpoint, e)),
        Ok(_) if !is_mountpoint(mountpoint)? => return Ok(()),
        Ok(_) => verify_mounted(device, mountpoint)?,
    }
    flush(mountpoint)?;
    match rustix::mount::unmount(mountpoint, UnmountFlags::NOFOLLOW) {
        Ok(()) => {}
        Err(Errno::BUSY) => return Err(Error::Busy { path: mountpoint.to_owned() }),
        Err(e) => return Err(Error::io("unmount", mountpoint, e)),
    }
    // A second mount stacked there would show again; nobody may take the directory for free then.
    if is_mountpoint(mountpoint)? {
        return Err(Error::Busy { path: mountpoint.to_owned() });
    }
    Ok(())
}

/// Writes back all of the filesystem that holds `path`.
///
/// # Errors
/// [`Error::Io`]: some data did not reach the device.
pub fn flush(path: &Path) -> Result<()> {
    let dir = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("open", path, e))?;
    rustix::fs::syncfs(dir.as_fd()).map_err(|e| Error::io("write back", path, e))
}

/// Whether anybody holds the device: a mount in any namespace, a device on top, or an exclusive opener. If not, its
/// cached blocks are written back and dropped.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened or written back.
pub fn is_open_elsewhere(device: &BlockDevice) -> Result<bool> {
    match device.open_exclusively() {
        Ok(file) => {
            rustix::fs::fsync(&file).map_err(|e| Error::io("write back", device.path(), e))?;
            os::block::flush_buffers(&file).map_err(|e| Error::io("write back", device.path(), e))?;
            Ok(false)
        }
        Err(e) if e.is_busy() => Ok(true),
        Err(e) => Err(e),
    }
}
