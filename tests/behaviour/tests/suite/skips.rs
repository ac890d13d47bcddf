//! The one list of cases that do not run on every cloud. A case that skips itself without being listed fails, and so does
//! one that is listed and runs: no case is lost unseen.

use libtest_mimic::Failed;
use testkit::CloudKind;

/// Names of cases by the cloud they cannot run on; `#` starts a comment.
const ON_DEVCLOUD: &str = include_str!("skips/devcloud.txt");
const ON_OPENSTACK: &str = include_str!("skips/openstack.txt");

fn listed(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.split('#').next().unwrap_or_default().trim() == name)
}

/// Whether real services leave the case to the development cloud.
pub(crate) fn left_to_devcloud(name: &str) -> bool {
    listed(ON_OPENSTACK, name)
}

/// Fails unless the list says what the case did.
pub(crate) fn check(kind: CloudKind, name: &str, skipped: bool) -> Result<(), Failed> {
    let list = match kind {
        CloudKind::DevCloud => ON_DEVCLOUD,
        CloudKind::OpenStack => ON_OPENSTACK,
    };
    let listed = listed(list, name);
    match (listed, skipped) {
        (false, true) => Err(format!("{name} is skipped on {kind} but not in `skips/{kind}.txt`").into()),
        (true, false) => Err(format!("{name} runs on {kind} but is still in `skips/{kind}.txt`").into()),
        _ => Ok(()),
    }
}
