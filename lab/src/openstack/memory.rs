//! How much memory the lab takes.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::layout;

/// Name of each service, its pid and its proportional memory in bytes, with that of its children.
pub(crate) fn by_service(init: u32) -> Result<Vec<(String, u32, u64)>> {
    let namespace = fs::read_link(format!("/proc/{init}/ns/pid")).context("look at the lab's host")?;
    let mut roots = BTreeMap::new();
    for entry in fs::read_dir(layout::pids()).into_iter().flatten().flatten() {
        let pid = fs::read_to_string(entry.path()).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse::<u32>() {
            roots.insert(pid, (entry.file_name().to_string_lossy().into_owned(), 0));
        }
    }
    let mut other = 0;
    for entry in fs::read_dir("/proc").context("list processes")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if fs::read_link(entry.path().join("ns/pid")).is_ok_and(|ns| ns == namespace) {
            let bytes = proportional(pid);
            match ancestors(pid).into_iter().find(|p| roots.contains_key(p)) {
                Some(root) => {
                    if let Some((_, sum)) = roots.get_mut(&root) {
                        *sum += bytes;
                    }
                }
                None => other += bytes,
            }
        }
    }
    let mut all: Vec<_> = roots.into_iter().map(|(pid, (name, sum))| (name, pid, sum)).collect();
    all.sort();
    all.push(("others".into(), init, other));
    Ok(all)
}

fn proportional(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// The process itself, its parent and so on.
fn ancestors(mut pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    while pid > 1 && all.len() < 16 {
        all.push(pid);
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = text.lines().find_map(|l| l.strip_prefix("PPid:")).unwrap_or_default();
        pid = parent.trim().parse().unwrap_or_default();
    }
    all
}
