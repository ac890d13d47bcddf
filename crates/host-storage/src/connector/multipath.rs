//! Maps of several paths to one disk, made by multipathd.
//!
//! Source: multipath(8) and multipathd(8) of multipath-tools 0.9 and 0.11.

use std::time::Duration;

use super::Machine;
use super::program::Program;
use super::scsi::{Disk, Map, Patience, wait};
use crate::Result;

const DAEMON: Program = Program { name: "multipathd", package: "multipath-tools" };
const TOOL: Program = Program { name: "multipath", package: "multipath-tools" };
const DEADLINE: Duration = Duration::from_secs(60);

/// Whether multipathd runs and answers.
pub(crate) fn runs(machine: &Machine) -> bool {
    let asked = DAEMON.run(machine, &["show", "daemon"], "its state", Duration::from_secs(10));
    // Depending on the release it ends well although nobody listens.
    asked.is_ok_and(|ended| ended.code == Some(0) && ended.stdout.trim_start().starts_with("pid "))
}

/// Has multipathd make one map of these paths, and waits for it; `None` when it made none in time.
///
/// # Errors
/// What the programs answer.
pub(crate) fn gather(machine: &Machine, disks: &[Disk], patience: &Patience) -> Result<Option<Map>> {
    let blocks: Vec<_> = disks.iter().filter_map(Disk::block).collect();
    if let Some(first) = blocks.first() {
        // By default it takes only what it knows, or sees twice.
        let node = machine.path("/dev").join(first);
        let node = node.to_string_lossy();
        TOOL.succeed(machine, &["-a", &node], &node, DEADLINE)?;
    }
    for block in &blocks {
        DAEMON.succeed(machine, &["add", "path", block], block, DEADLINE)?;
    }
    wait(patience.map, || Ok(disks.iter().find_map(|d| d.map(machine))))
}

/// Removes a map that nobody has open.
///
/// # Errors
/// What the programs answer.
pub(crate) fn remove(machine: &Machine, map: &Map) -> Result<()> {
    // Without a path left it would wait for one for ever.
    if let Err(error) = DAEMON.succeed(machine, &["disablequeueing", "map", &map.name], &map.name, DEADLINE) {
        tracing::debug!(%error, "removing a map as it is");
    }
    TOOL.succeed(machine, &["-f", &map.name], &map.name, DEADLINE).map(drop)
}

/// Gives a map the size that all its paths have by now.
///
/// # Errors
/// What multipathd answers.
pub(crate) fn resize(machine: &Machine, map: &Map) -> Result<()> {
    DAEMON.succeed(machine, &["resize", "map", &map.name], &map.name, DEADLINE).map(drop)
}
