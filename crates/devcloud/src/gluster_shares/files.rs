//! Where the files of shares and snapshots lie.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tokio::process::Command;

use crate::datapath::{DataPathError, Result};

/// A brick that was ended may hold its directory for a moment.
const RELEASE_WAIT: Duration = Duration::from_secs(5);
/// How often the kernel is asked whether it let go.
const RELEASE_POLL: Duration = Duration::from_millis(20);
/// What Gluster keeps beside the users' files.
const OWN: [&str; 2] = [".glusterfs", ".trashcan"];

fn at(operation: &str, path: &Path, error: &dyn std::fmt::Display) -> DataPathError {
    DataPathError(format!("cannot {operation} {}: {error}", path.display()))
}

pub(super) fn make_directory(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|error| at("make", path, &error))
}

fn options(size: u64) -> Result<CString> {
    CString::new(format!("size={size}g,mode=0755")).map_err(|error| DataPathError(error.to_string()))
}

/// Makes the directory and mounts a file system of `size` GiB on it.
pub(super) fn mount_sized(path: &Path, size: u64) -> Result<()> {
    make_directory(path)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount("share", path, "tmpfs", flags, options(size)?.as_c_str())
        .map_err(|errno| at("mount a share's files on", path, &errno))
}

/// Gives what is mounted there another size in GiB.
pub(super) fn resize(path: &Path, size: u64) -> Result<()> {
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount_remount(path, flags, options(size)?.as_c_str()).map_err(|errno| at("resize", path, &errno))
}

/// Unmounts and removes the directory; what is gone is gone.
pub(super) async fn unmount_and_remove(path: &Path) -> Result<()> {
    let started = Instant::now();
    loop {
        match unmount(path, UnmountFlags::NOFOLLOW) {
            Ok(()) => break,
            // Not there, or nothing is mounted on it.
            Err(Errno::NOENT | Errno::INVAL) => break,
            Err(Errno::BUSY) if started.elapsed() < RELEASE_WAIT => tokio::time::sleep(RELEASE_POLL).await,
            Err(errno) => return Err(at("unmount", path, &errno)),
        }
    }
    remove(path)
}

/// Removes a directory with all that is in it; an absent one is removed.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Copies the users' files, with owners, modes and hard links, but without what Gluster keeps of them: in a new volume they
/// are other files.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).map_err(|error| at("list", from, &error))?;
    let paths: Vec<_> = entries
        .flatten()
        .filter(|entry| !OWN.iter().any(|own| entry.file_name() == *own))
        .map(|entry| entry.path())
        .collect();
    if paths.is_empty() {
        return Ok(());
    }
    let output = Command::new("cp")
        .args(["--archive", "--no-preserve=xattr", "--target-directory"])
        .arg(to)
        .arg("--")
        .args(&paths)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| at("copy", from, &error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(at("copy", from, &String::from_utf8_lossy(&output.stderr).trim()))
}
