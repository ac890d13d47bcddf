//! Where the lab keeps things.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::Kind;

/// The lab's directory, beside the Debian roots.
pub(crate) fn home() -> PathBuf {
    debian_root::home().join("vm")
}

/// The layer that holds the packages of a kind of guests.
pub(crate) fn packages(kind: Kind) -> PathBuf {
    home().join(format!("packages{}", ending(kind)))
}

/// The layer that holds what guests of a kind boot from.
pub(crate) fn boot(kind: Kind) -> PathBuf {
    home().join(format!("boot{}", ending(kind)))
}

fn ending(kind: Kind) -> String {
    match kind {
        Kind::Host => String::new(),
        other => format!("-{}", other.word()),
    }
}

/// Where the image is made.
pub(crate) fn workshop() -> PathBuf {
    home().join("workshop")
}

/// Logs of the image's making.
pub(crate) fn logs() -> PathBuf {
    home().join("log")
}

/// One command at a time changes the image; others wait.
pub(crate) fn lock() -> Result<File> {
    let home = home();
    std::fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    let path = home.join("lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).context("lock the lab")?;
    Ok(file)
}
