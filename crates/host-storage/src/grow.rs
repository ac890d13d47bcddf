//! Growing a mounted filesystem to the size of its device.

use std::path::Path;
use std::time::Duration;

use crate::program::Program;
use crate::{BlockDevice, Error, Filesystem, Result, superblock, verify_mounted};

/// A large filesystem on a slow device takes a while; it is usable meanwhile.
const PATIENCE: Duration = Duration::from_secs(600);

/// A filesystem may leave this much of its device unused at the end: less than one of its groups. Volumes grow by GiB.
const SLACK: u64 = 16 << 20;

/// Grows the filesystem that is mounted from `device` on `mountpoint` to all of the device. One that fills it already is
/// left as it is, so repeated calls are fine.
///
/// # Errors
/// [`crate::Error::NotMounted`]; [`crate::Error::ToolMissing`] names the Debian package; [`crate::Error::Tool`].
pub fn grow(device: &BlockDevice, filesystem: Filesystem, mountpoint: &Path) -> Result<()> {
    verify_mounted(device, mountpoint)?;
    // While it is mounted this may be what it was before; then the program finds that nothing is to be done.
    let taken = superblock::size(device, filesystem)?;
    if taken.is_none_or(|taken| device.size().saturating_sub(taken) < SLACK) {
        return Ok(());
    }
    let (path, dir) = (device.path().to_string_lossy(), mountpoint.to_string_lossy());
    let (name, package, arguments) = match filesystem {
        Filesystem::Ext4 => ("resize2fs", "e2fsprogs", vec![&*path]),
        Filesystem::Xfs => ("xfs_growfs", "xfsprogs", vec!["-d", &*dir]),
        Filesystem::Btrfs => ("btrfs", "btrfs-progs", vec!["filesystem", "resize", "max", &*dir]),
        // Their own tools, which know of the other hosts, grow these.
        Filesystem::Ocfs2 | Filesystem::Gfs2 => return Ok(()),
    };
    match (Program { name, package, on: device.path(), within: PATIENCE }.must(&arguments), filesystem) {
        (Err(Error::Tool { program, path, reason }), Filesystem::Ext4)
            if reason.contains("Permission denied") =>
        {
            let reason = format!("{reason}; this process needs CAP_SYS_RESOURCE to grow a mounted ext4");
            Err(Error::Tool { program, path, reason })
        }
        (result, _) => result.map(drop),
    }
}
