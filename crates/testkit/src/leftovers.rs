//! Worlds whose process was killed outright: what they left outside their namespaces.

use std::path::Path;

use anyhow::Result;

/// Not `/tmp`: on some machines that is memory, and images and volumes are large.
const HOME: &str = "/var/tmp";
const PREFIX: &str = "kuryr-world-";

/// A directory for a world of this process.
pub(crate) fn directory() -> Result<tempfile::TempDir> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(HOME)?)
}

/// Removes directories and control groups of worlds whose process is gone.
pub(crate) fn remove() {
    private_host::remove_leftovers(Path::new(HOME), PREFIX, |_| ());
}
