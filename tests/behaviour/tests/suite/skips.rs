//! The one list of cases that do not run on every cloud. A case that skips itself without being listed fails, and so does
//! one that is listed and runs: no case is lost unseen.

use libtest_mimic::Failed;
use testkit::CloudKind;

/// Names of cases by the cloud they cannot run on; `#` starts a comment.
const ON_DEVCLOUD: &str = include_str!("skips/devcloud.txt");
const ON_OPENSTACK: &str = include_str!("skips/openstack.txt");

/// Fails unless the list says what the case did.
pub(crate) fn check(kind: CloudKind, name: &str, skipped: bool) -> Result<(), Failed> {
    let list = match kind {
        CloudKind::DevCloud => ON_DEVCLOUD,
        CloudKind::OpenStack => ON_OPENSTACK,
    };
    let listed = list.lines().any(|line| line.split('#').next().unwrap_or_default().trim() == name);
    match (listed, skipped) {
        (false, true) => Err(format!("{name} is skipped on {kind} but not in `skips/{kind}.txt`").into()),
        (true, false) => Err(format!("{name} runs on {kind} but is still in `skips/{kind}.txt`").into()),
        _ => Ok(()),
    }
}
