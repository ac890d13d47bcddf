//! What `up` starts from: an unpacked Debian, a layer of packages over it, and a layer of configuration, databases and
//! users over that. A layer is made under another name and renamed when it is complete, and has a stamp beside it that
//! tells what it was made from; so a build that was killed goes on with the layer it was at, and a change of the
//! configuration alone does not install the packages again.

mod configured;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use debian_root::say;
use private_host::Root;
use uuid::Uuid;

use super::layout;

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

fn layer(what: &str, dir: &Path, stamp: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if is_current(dir, stamp) {
        return Ok(());
    }
    let started = Instant::now();
    say(&format!("Making the lab's image: {what}, into {}", dir.display()));
    let part = dir.with_extension("part");
    for old in [&stamp_file(dir), dir, &part] {
        remove(old)?;
    }
    make(&part)?;
    fs::rename(&part, dir).with_context(|| format!("rename {}", part.display()))?;
    fs::write(stamp_file(dir), stamp).context("write the stamp")?;
    say(&format!("Made in {:.0} s", started.elapsed().as_secs_f32()));
    Ok(())
}

fn is_current(dir: &Path, stamp: &str) -> bool {
    dir.is_dir() && fs::read_to_string(stamp_file(dir)).is_ok_and(|text| text == stamp)
}

fn stamp_file(dir: &Path) -> PathBuf {
    dir.with_extension("stamp")
}

fn stamp(inputs: &[String]) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, inputs.join("\0").as_bytes()).to_string()
}

/// Removes a file or a directory, which need not exist.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match gone {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("lab-image-{}-{name}", std::process::id()));
        remove(&dir).unwrap();
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn fill(part: &Path, text: &str) -> Result<()> {
        fs::create_dir(part)?;
        Ok(fs::write(part.join("file"), text)?)
    }

    #[test]
    fn a_layer_is_made_once_and_again_when_what_it_is_made_from_changes() {
        let home = place("again");
        let dir = home.join("packages");
        layer("a test", &dir, "one", |part| fill(part, "one")).unwrap();
        layer("a test", &dir, "one", |_| bail!("made twice")).unwrap();
        layer("a test", &dir, "two", |part| fill(part, "two")).unwrap();
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "two");
        remove(&home).unwrap();
    }

    #[test]
    fn a_layer_that_was_not_finished_is_no_layer_and_is_made_from_nothing() {
        let home = place("unfinished");
        let dir = home.join("packages");
        let failed = layer("a test", &dir, "one", |part| {
            fill(part, "half")?;
            bail!("killed")
        });
        assert!(failed.is_err());
        assert!(!is_current(&dir, "one"));
        layer("a test", &dir, "one", |part| fill(part, "whole")).unwrap();
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "whole");
        // Renamed, but killed before the stamp was written.
        remove(&stamp_file(&dir)).unwrap();
        assert!(!is_current(&dir, "one"));
        layer("a test", &dir, "one", |part| fill(part, "anew")).unwrap();
        assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "anew");
        remove(&home).unwrap();
    }

    #[test]
    fn packages_are_part_of_what_the_configuration_is_made_from_but_not_the_other_way_round() {
        let packages = stamp(&[packages::inputs()]);
        let configured = stamp(&[packages.clone(), configured::inputs()]);
        assert_ne!(configured, stamp(&["another".to_owned(), configured::inputs()]));
        assert_eq!(packages, stamp(&[packages::inputs()]));
        assert!(!packages::inputs().contains("ml2"));
    }
}
