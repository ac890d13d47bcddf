//! Who uses a block device, for a message to a person; nothing is decided on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// More would not fit a line.
const SHOWN: usize = 4;

/// A comma separated list such as `a mount on /mnt (process 12)`.
pub(super) fn of(number: u32) -> String {
    let mut found = BTreeSet::new();
    let name = format!("loop{number}");
    if let Ok(entries) = fs::read_dir(format!("/sys/block/{name}/holders")) {
        for entry in entries.flatten() {
            found.insert(format!("the device {}", entry.file_name().to_string_lossy()));
        }
    }
    let node = format!("/dev/{name}");
    let device = format!("{}:{number}", os::loop_device::LOOP_MAJOR);
    let own = std::process::id().to_string();
    if let Ok(processes) = fs::read_dir("/proc") {
        for process in processes.flatten() {
            let pid = process.file_name().to_string_lossy().into_owned();
            if pid.bytes().all(|b| b.is_ascii_digit()) {
                found.extend(mounts(&process.path(), &device));
                if pid != own && has_open(&process.path(), &node) {
                    let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                    found.insert(format!("process {pid} ({})", comm.trim()));
                }
            }
        }
    }
    if found.is_empty() {
        return "somebody this process cannot see".into();
    }
    found.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ")
}

/// Mount points of the device in the process's mount namespace.
fn mounts(process: &Path, device: &str) -> Vec<String> {
    let text = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ').skip(2);
        if fields.next() == Some(device)
            && let Some(point) = fields.nth(1)
        {
            found.push(format!("a mount on {point}"));
        }
    }
    found
}

fn has_open(process: &Path, node: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == Path::new(node)))
}
