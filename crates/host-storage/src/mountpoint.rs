//! Directories that are unusable while nothing is mounted on them, so that no container ever writes to the host's own
//! disk instead of its volume.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;

use crate::mount::is_mountpoint;
use crate::{Error, Result, own_mounts};

/// The directory for `name` below `base`, made if absent: root's, mode 0000, immutable where the filesystem can.
///
/// # Errors
/// [`Error::Name`] for a name that could leave `base`; [`Error::Io`] otherwise.
pub fn create_mountpoint(base: &Path, name: &str) -> Result<PathBuf> {
    let path = path_of(base, name)?;
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata = path.symlink_metadata().map_err(|e| Error::io("look at", &path, e))?;
            if !metadata.is_dir() {
                return Err(Error::io("use as a directory", &path, std::io::Error::from(Errno::NOTDIR)));
            }
            if is_mountpoint(&path)? {
                return Ok(path);
            }
        }
        Err(e) => return Err(Error::io("create", &path, e)),
    }
    if !set_immutable(&path, false)? {
        tracing::debug!(path = %path.display(), "the filesystem has no immutable flag");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000))
        .map_err(|e| Error::io("set the mode of", &path, e))?;
    set_immutable(&path, true)?;
    Ok(path)
}

/// Removes the directory, which must be empty and nothing mounted on it; an absent one is removed.
///
/// # Errors
/// [`Error::Busy`] when something is mounted there, [`Error::Io`] when it is not empty.
pub fn remove_mountpoint(base: &Path, name: &str) -> Result<()> {
    let path = path_of(base, name)?;
    match path.symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("look at", &path, e)),
        Ok(_) if is_mountpoint(&path)? => return Err(Error::Busy { path }),
        Ok(_) => {}
    }
    set_immutable(&path, false)?;
    match rustix::fs::rmdir(&path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::BUSY) => Err(Error::Busy { path }),
        Err(e) => Err(Error::io("remove", &path, e)),
    }
}

/// Returns whether the filesystem has such a flag.
fn set_immutable(path: &Path, on: bool) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("open", path, e))?;
    let unsupported = |e: Errno| matches!(e, Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS);
    let mut attributes = match rustix::fs::ioctl_getflags(&dir) {
        Ok(attributes) => attributes,
        Err(e) if unsupported(e) => return Ok(false),
        Err(e) => return Err(Error::io("read the flags of", path, e)),
    };
    if attributes.contains(IFlags::IMMUTABLE) == on {
        return Ok(true);
    }
    attributes.set(IFlags::IMMUTABLE, on);
    match rustix::fs::ioctl_setflags(&dir, attributes) {
        Ok(()) => Ok(true),
        Err(e) if unsupported(e) || e == Errno::PERM => Ok(false),
        Err(e) => Err(Error::io("set the flags of", path, e)),
    }
}

/// Makes `base` (created if absent, mode 0711) part of a shared mount, so that what is mounted below it shows up in
/// dockerd's mount namespace too. A directory on a shared mount stays as it is, another one is bound onto itself.
///
/// # Errors
/// [`Error::Io`] with the kernel's answer.
pub fn share(base: &Path) -> Result<PathBuf> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(base)
        .map_err(|e| Error::io("create", base, e))?;
    let base = base.canonicalize().map_err(|e| Error::io("find", base, e))?;
    let mounts = own_mounts()?;
    // The topmost mount over the directory: the longest mountpoint, of equal ones the latest.
    let over = mounts
        .iter()
        .filter(|m| base.starts_with(&m.mountpoint))
        .max_by_key(|m| m.mountpoint.components().count());
    if over.is_some_and(|m| m.shared.is_some()) {
        return Ok(base);
    }
    if !is_mountpoint(&base)? {
        rustix::mount::mount_bind(&base, &base).map_err(|e| Error::io("bind", &base, e))?;
    }
    rustix::mount::mount_change(&base, MountPropagationFlags::SHARED)
        .map_err(|e| Error::io("share", &base, e))?;
    Ok(base)
}

/// The directory for `name`, which cannot leave `base`.
pub(crate) fn path_of(base: &Path, name: &str) -> Result<PathBuf> {
    let fits = name.len() <= 200
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits { Ok(base.join(name)) } else { Err(Error::Name { name: name.to_owned() }) }
}
