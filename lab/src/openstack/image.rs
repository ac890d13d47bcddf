//! What `up` starts from: an unpacked Debian, a layer of packages over it, and a layer of configuration, databases and
//! users over that. So a change of the configuration alone does not install the packages again.

mod configured;
mod packages;

use anyhow::{Result, bail};
use private_host::Root;

use super::layout;
use crate::layer::{is_current, layer, stamp};

pub use packages::install_packages;

/// The release whose packages these are.
const SUITE: &str = "trixie";

/// Makes the image unless it is up to date; the root of a host that uses it.
///
/// # Errors
/// What failed. The next call goes on from there.
pub fn image() -> Result<Root> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    build()
}

/// [`image`] for a caller that holds the lab's lock.
pub(crate) fn build() -> Result<Root> {
    let base = debian_root::root(SUITE)?;
    let packages_stamp = stamp(&[packages::inputs()]);
    let configured_stamp = stamp(&[packages_stamp.clone(), configured::inputs()]);
    let (packages, configured) = (layout::packages(), layout::configured());
    if !is_current(&packages, &packages_stamp) || !is_current(&configured, &configured_stamp) {
        // A layer under a mounted overlay must not change.
        if layout::supervisor_lock()?.is_none() {
            bail!("the lab's image is out of date, but the lab runs: end it with `lab openstack down`");
        }
    }
    layer("packages", &packages, &packages_stamp, |part| packages::make(&base, part))?;
    layer("configuration, databases and users", &configured, &configured_stamp, |part| {
        configured::make(&[packages.clone(), base.clone()], part)
    })?;
    current_root()
}

/// The root of a host that uses the image as it is.
pub(crate) fn current_root() -> Result<Root> {
    Ok(Root::Layers(vec![layout::configured(), layout::packages(), debian_root::root(SUITE)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_part_of_what_the_configuration_is_made_from_but_not_the_other_way_round() {
        let packages = stamp(&[packages::inputs()]);
        let configured = stamp(&[packages.clone(), configured::inputs()]);
        assert_ne!(configured, stamp(&["another".to_owned(), configured::inputs()]));
        assert_eq!(packages, stamp(&[packages::inputs()]));
        assert!(!packages::inputs().contains("ml2"));
    }
}
