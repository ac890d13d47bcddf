//! The directory of a share that a container sees: one below its root if asked for, with owner and mode.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Owner and mode of a root directory; what is left out stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
}

impl Root {
    /// Nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Gives what is mounted on `mountpoint` the owner and mode. May hang with its server: see [`super::bounded()`].
///
/// # Errors
/// [`Error::Io`]: servers that squash root refuse this.
pub fn set_root(mountpoint: &Path, root: &Root) -> Result<()> {
    let dir = open(mountpoint, OFlags::RDONLY)?;
    if root.uid.is_some() || root.gid.is_some() {
        let (uid, gid) = (root.uid.map(Uid::from_raw), root.gid.map(Gid::from_raw));
        rustix::fs::fchown(&dir, uid, gid).map_err(|e| Error::io("set the owner of", mountpoint, e))?;
    }
    if let Some(mode) = root.mode {
        rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode))
            .map_err(|e| Error::io("set the mode of", mountpoint, e))?;
    }
    Ok(())
}

/// Replaces the mount by one of a directory in it, so that nothing that happens in the share later, such as a symbolic
/// link in its place, can lead a container elsewhere. `make`: it is made if it is not there.
pub(super) fn show_only(mountpoint: &Path, subdir: &str, make: bool) -> Result<()> {
    let failed = |action: &'static str| {
        let path = mountpoint.join(subdir);
        move |e: Errno| Error::io(action, &path, e)
    };
    let tree = {
        let root = open(mountpoint, OFlags::PATH)?;
        let dir = descend(&root, subdir, make).map_err(failed("open"))?;
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        rustix::mount::open_tree(&dir, "", flags).map_err(failed("show"))?
    };
    rustix::mount::unmount(mountpoint, UnmountFlags::NOFOLLOW).map_err(failed("show only"))?;
    rustix::mount::move_mount(&tree, "", rustix::fs::CWD, mountpoint, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(failed("mount"))
}

fn descend(root: &OwnedFd, subdir: &str, make: bool) -> std::result::Result<OwnedFd, Errno> {
    // Not for reading, which the server need not allow root.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let mut dir = root.try_clone().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    for part in subdir.split('/') {
        dir = match rustix::fs::openat2(&dir, part, flags, Mode::empty(), beneath) {
            Err(Errno::NOENT) if make => {
                match rustix::fs::mkdirat(&dir, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e),
                }
                rustix::fs::openat2(&dir, part, flags, Mode::empty(), beneath)?
            }
            other => other?,
        };
    }
    Ok(dir)
}

fn open(path: &Path, how: OFlags) -> Result<OwnedFd> {
    let flags = how | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("open", path, e))
}
