//! What was left outside its namespaces by an owner that was killed outright.

use std::path::Path;

use rustix::process::{Pid, test_kill_process};

use crate::{remove_cgroups, remove_directory};

/// Removes directories in `home` named `<prefix><pid>` or `<prefix><pid>-...`, with the control groups of that name,
/// where the process of that pid is gone. `told` hears of each before it goes.
pub fn remove_leftovers(home: &Path, prefix: &str, told: impl Fn(&Path)) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
        let owner = owner.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if owner.is_some_and(|pid| test_kill_process(pid).is_err()) {
            told(&entry.path());
            remove_cgroups(&name);
            let _ = remove_directory(&entry.path());
        }
    }
}
