//! What a world on the lab leaves when its process was killed outright: the lab goes on, and so would its engine,
//! its containers and what it made in Neutron. Whoever has the turn next ends them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::wait_at_most;
use crate::clean::is_ours;
use crate::neighbours::{LINK, NETNS};
use crate::open_vswitch::{BRIDGE, TRUNK_BRIDGE};
use crate::{NIC, World, leftovers};

/// Keys of what was in the cloud before a world, in its directory.
const FOUND: &str = "found.json";
/// Programs of an engine that do not name its directory.
const ENGINE: [&str; 4] = ["dockerd", "containerd", "containerd-shim", "docker"];

/// Ends the processes of worlds whose own process is gone; what was in the cloud before the last of them. To be called
/// with the turn: then nobody else has an engine in the lab.
pub(super) fn end(init: u32, share: &Path) -> Result<Option<BTreeSet<String>>> {
    let mut known = None;
    for dir in fs::read_dir(share)?.flatten() {
        if let Ok(text) = fs::read(dir.path().join(FOUND)) {
            known = serde_json::from_slice(&text).ok();
        }
    }
    let marked = share.join(leftovers::PREFIX).to_string_lossy().into_owned();
    let inside = fs::read_link(format!("/proc/{init}/ns/pid")).context("the lab's namespaces")?;
    let running = || -> Vec<Pid> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| {
            let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw)?;
            belongs(&entry.path(), &marked, &inside).then_some(pid)
        })
        .collect()
    };
    wait_at_most(Duration::from_secs(20), "an abandoned world's processes end", || {
        let left = running();
        for pid in &left {
            let _ = kill_process(*pid, Signal::KILL);
        }
        left.is_empty()
    })?;
    Ok(known)
}

fn belongs(process: &Path, marked: &str, lab: &Path) -> bool {
    let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
    let line = String::from_utf8_lossy(&read("cmdline")).into_owned();
    // A container's process is told by its control group.
    let group = String::from_utf8_lossy(&read("cgroup")).into_owned();
    let name = String::from_utf8_lossy(&read("comm")).trim().to_owned();
    let in_lab = fs::read_link(process.join("ns/pid")).is_ok_and(|namespace| namespace == lab);
    let engine = in_lab && ENGINE.contains(&name.as_str());
    // Its entry waits outside for it.
    let ours = (in_lab || name == "nsenter") && line.contains(marked);
    let container = group.contains(&format!("/{}", leftovers::PREFIX)) && in_container_of(process, lab);
    engine || ours || container
}

/// Whether an ancestor of the process is of the lab's pid namespace.
fn in_container_of(process: &Path, lab: &Path) -> bool {
    let mut process = process.to_owned();
    for _ in 0..8 {
        if fs::read_link(process.join("ns/pid")).is_ok_and(|namespace| namespace == lab) {
            return true;
        }
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let Some(parent) = status.lines().find_map(|line| line.strip_prefix("PPid:")) else { return false };
        process = Path::new("/proc").join(parent.trim());
    }
    false
}

impl World {
    /// Takes away what an abandoned world left on the host and in the cloud.
    pub(super) fn sweep(&self, known: Option<&BTreeSet<String>>) -> Result<()> {
        let bridge = self.ovs_vsctl(&["list-ports", BRIDGE])?;
        let marked = self.marked_ovs_interfaces()?;
        for port in
            bridge.lines().filter(|p| p.starts_with(LINK) || *p == NIC || marked.iter().any(|m| m == p))
        {
            self.ovs_vsctl(&["--if-exists", "del-port", BRIDGE, port])?;
        }
        for netns in self.inside_host("ip", &["netns", "list"])?.lines().filter(|l| l.starts_with(NETNS)) {
            self.inside_host("ip", &["netns", "delete", netns.split(' ').next().unwrap_or_default()])?;
        }
        for trunk in self.ovs_vsctl(&["list-br"])?.lines().filter(|b| b.starts_with(TRUNK_BRIDGE)) {
            self.ovs_vsctl(&["--if-exists", "del-br", trunk])?;
        }
        let of_guests = [lab::vm::MANAGEMENT, lab::vm::SEGMENT];
        let swept = |line: &&str| is_ours(line) || of_guests.iter().any(|prefix| line.starts_with(prefix));
        for line in self.inside_host("ip", &["-brief", "link"])?.lines().filter(swept) {
            let name = line.split(['@', ' ']).next().unwrap_or_default();
            // A guest's card is in a bridge.
            self.ovs_vsctl(&["--if-exists", "del-port", name])?;
            // Its other end may have taken it along.
            let _ = self.inside_host("ip", &["link", "delete", name]);
        }
        if let Some(known) = known {
            self.clear_cloud(known);
        }
        Ok(())
    }

    /// Notes what is in the cloud before us, for whoever comes after us.
    pub(super) fn note_found(&self) -> Result<()> {
        Ok(fs::write(self.dir().join(FOUND), serde_json::to_vec(&self.found)?)?)
    }
}
