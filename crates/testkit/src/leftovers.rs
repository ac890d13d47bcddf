//! Worlds whose process was killed outright: what they left outside their namespaces.

use std::path::Path;

use anyhow::Result;
use rustix::process::{Pid, test_kill_process};

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
    for entry in std::fs::read_dir(HOME).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let owner = owner.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if owner.is_some_and(|pid| test_kill_process(pid).is_err()) {
            private_host::remove_cgroups(&name);
            let _ = private_host::remove_directory(&Path::new(HOME).join(name));
        }
    }
}
