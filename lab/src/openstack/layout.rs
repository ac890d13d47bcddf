//! Where the lab keeps things.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The lab's directory, beside the Debian roots.
pub(crate) fn home() -> PathBuf {
    debian_root::home().join("openstack")
}

/// The layer that holds the packages.
pub(crate) fn packages() -> PathBuf {
    home().join("packages")
}

/// The layer that holds configuration, databases and users.
pub(crate) fn configured() -> PathBuf {
    home().join("configured")
}

/// Where the image is made.
pub(crate) fn workshop() -> PathBuf {
    home().join("workshop")
}

/// The running host's directory. Its name is also that of its control groups.
pub(crate) fn host() -> PathBuf {
    home().join("kuryr-lab-openstack")
}

/// What users of the lab share with it; seen inside at the same path. On a disk, for engines and volumes.
pub(crate) fn share() -> PathBuf {
    home().join("share")
}

/// One log per service.
pub(crate) fn logs() -> PathBuf {
    home().join("log")
}

/// One file per service, with its pid outside the host.
pub(crate) fn pids() -> PathBuf {
    home().join("pid")
}

/// One command at a time changes the lab; others wait.
pub(crate) fn lock() -> Result<File> {
    let file = open("lock")?;
    flock(&file, FlockOperation::LockExclusive).context("lock the lab")?;
    Ok(file)
}

/// Held by the supervisor as long as it lives, so no pid has to be trusted; `None`: another one holds it.
pub(crate) fn supervisor_lock() -> Result<Option<File>> {
    let file = open("supervisor")?;
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file))
}

/// Removes the file of a lock that is held, for a caller that holds [`lock`] too.
pub(crate) fn forget_supervisor(held: File) -> Result<()> {
    let path = home().join("supervisor");
    std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    drop(held);
    Ok(())
}

fn open(name: &str) -> Result<File> {
    let home = home();
    std::fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    let path = home.join(name);
    File::options().create(true).append(true).open(&path).with_context(|| format!("open {}", path.display()))
}
