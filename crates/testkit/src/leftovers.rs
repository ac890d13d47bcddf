//! Worlds whose process was killed outright: what they left outside their namespaces.

use std::path::Path;

use anyhow::Result;

/// Of the names of worlds' directories.
pub(crate) const PREFIX: &str = "kuryr-world-";

/// Not `/tmp`: on some machines that is memory, and images and volumes are large.
pub(crate) const HOME: &str = "/var/tmp";

/// A directory for a world of this process.
pub(crate) fn directory(home: &Path) -> Result<tempfile::TempDir> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(home)?)
}

/// Removes directories and control groups of worlds whose process is gone.
pub(crate) fn remove(home: &Path) {
    private_host::remove_leftovers(home, PREFIX, |_| ());
}
