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

/// Has multipathd make one map of these paths, and waits until all of them are in it; `None` when it made none in time.
///
/// # Errors
/// The programs cannot be run.
pub(crate) fn gather(machine: &Machine, disks: &[Disk], patience: &Patience) -> Result<Option<Map>> {
    let ask = |program: Program, args: &[&str]| -> Result<()> {
        let subject = args.last().copied().unwrap_or_default();
        let ended = program.run(machine, args, subject, DEADLINE)?;
        if ended.code != Some(0) {
            // It says so also of what it is about to do, once udev has looked at the disk.
            tracing::debug!(?args, ?ended, "not yet");
        }
        Ok(())
    };
    if let Some(first) = disks.first().and_then(Disk::block) {
        // By default it takes only what it knows, or sees twice.
        ask(TOOL, &["-a", &machine.path("/dev").join(first).to_string_lossy()])?;
    }
    let complete = wait(patience.map, || {
        let without: Vec<_> = disks.iter().filter(|d| d.map(machine).is_none()).collect();
        for block in without.iter().filter_map(|d| d.block()) {
            ask(DAEMON, &["add", "path", &block])?;
        }
        Ok(without.is_empty().then_some(()))
    })?;
    if complete.is_none() {
        tracing::warn!("multipathd did not take all paths");
    }
    Ok(disks.iter().find_map(|d| d.map(machine)))
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

/// Has multipathd no longer know the disk of a map that was removed. What it knows it takes, even with one path.
pub(crate) fn forget(machine: &Machine, disk: &Disk) {
    let Some(block) = disk.block() else { return };
    let node = machine.path("/dev").join(block);
    let node = node.to_string_lossy();
    if let Err(error) = TOOL.succeed(machine, &["-w", &node], &node, DEADLINE) {
        tracing::debug!(%error, "multipathd may still know it");
    }
}

/// Gives a map the size that all its paths have by now.
///
/// # Errors
/// What multipathd answers.
pub(crate) fn resize(machine: &Machine, map: &Map) -> Result<()> {
    DAEMON.succeed(machine, &["resize", "map", &map.name], &map.name, DEADLINE).map(drop)
}
