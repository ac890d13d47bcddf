//! Shares over NFS, without the plugin.

use anyhow::{Result, ensure};
use guests::Instance;

use crate::{Case, Stage};

pub(crate) const CASES: &[Case] =
    &[("a_share_is_refused_until_a_rule_lets_a_guest_in", a_share_is_refused_until_a_rule_lets_in)];

const MOUNT: &str = "/mnt";

fn a_share_is_refused_until_a_rule_lets_in(stage: &mut Stage) -> Result<()> {
    let share = stage.manila().make("shared")?;
    let location = share.location()?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let first = share.allow(one.storage_address()?)?;
    mount(one, &location)?;
    one.guest.write(&format!("{MOUNT}/written"), "on one")?;
    let refused = mount(two, &location).map_err(|error| format!("{error:#}"));
    // The server denies it, or says that there is no such thing, by what it looked up before.
    let denied = |error: &String| error.contains("denied") || error.contains("No such file");
    ensure!(refused.as_ref().is_err_and(denied), "{refused:?}");
    let second = share.allow(two.storage_address()?)?;
    mount(two, &location)?;
    let read = two.guest.must(&["cat", &format!("{MOUNT}/written")])?;
    ensure!(read == "on one", "{read}");
    for instance in [one, two] {
        instance.guest.must(&["umount", MOUNT])?;
    }
    share.deny(&first)?;
    ensure!(mount(one, &location).is_err(), "a guest gets in without a rule");
    share.deny(&second)?;
    share.delete()
}

fn mount(instance: &Instance, location: &str) -> Result<()> {
    instance.guest.must(&["mount", "-t", "nfs", "-o", "vers=4.2,retry=0", location, MOUNT]).map(drop)
}
