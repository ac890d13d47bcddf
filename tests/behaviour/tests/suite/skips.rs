//! The one list of cases that do not run on every cloud. A case that skips itself without being listed fails, and so does
//! one that is listed and runs: no case is lost unseen.

use anyhow::Result;
use libtest_mimic::Failed;
use testkit::{CloudKind, World};

/// Names of cases by the cloud they cannot run on; `#` starts a comment.
const ON_DEVCLOUD: &str = include_str!("skips/devcloud.txt");
const ON_OPENSTACK: &str = include_str!("skips/openstack.txt");
/// Names of cases that say the same on every cloud and with every engine: one of each is enough.
const ONCE: &str = include_str!("skips/once.txt");
/// Names of cases that need programs which only the machine itself has, not the unpacked roots of other engines.
const ON_MACHINE: &str = include_str!("skips/machine.txt");

fn listed(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.split('#').next().unwrap_or_default().trim() == name)
}

/// Ends a case of that list on real services.
pub(crate) fn once(world: &World) -> Result<()> {
    world.only_on_devcloud("it says the same on every cloud")
}

/// Whether real services leave the case to the development cloud, for each engine.
pub(crate) fn left_to_devcloud(name: &str) -> bool {
    listed(ON_OPENSTACK, name)
}

/// Whether the case runs with the machine's engine only.
pub(crate) fn needs_the_machine(name: &str) -> bool {
    listed(ON_MACHINE, name)
}

/// Fails unless the list says what the case did.
pub(crate) fn check(kind: CloudKind, name: &str, skipped: bool) -> Result<(), Failed> {
    let listed = match kind {
        CloudKind::DevCloud => listed(ON_DEVCLOUD, name),
        CloudKind::OpenStack => listed(ON_OPENSTACK, name) || listed(ONCE, name),
    };
    match (listed, skipped) {
        (false, true) => Err(format!("{name} is skipped on {kind} but not in `skips/{kind}.txt`").into()),
        (true, false) => Err(format!("{name} runs on {kind} but is still in `skips`").into()),
        _ => Ok(()),
    }
}
