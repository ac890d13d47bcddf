//! Removing what a private host leaves on disk.

use std::fs::File;
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// Removes a directory with all it holds. The mountpoints of volumes that were not unmounted in order are immutable, so
/// that nobody writes where a volume is missing; that protection is taken off first.
///
/// # Errors
/// What the system says of the file that cannot be removed.
pub fn remove_directory(dir: &Path) -> std::io::Result<()> {
    make_mutable(dir);
    std::fs::remove_dir_all(dir)
}

fn make_mutable(dir: &Path) {
    if let Ok(file) = File::open(dir)
        && let Ok(flags) = ioctl_getflags(&file)
        && flags.contains(IFlags::IMMUTABLE)
    {
        let _ = ioctl_setflags(&file, flags - IFlags::IMMUTABLE);
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_mutable(&entry.path());
        }
    }
}
