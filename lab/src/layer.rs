//! What a lab starts from is made in layers. A layer is a directory that is made under another name and renamed when it
//! is complete, and has a stamp beside it that tells what it was made from; so a build that was killed goes on with the
//! layer it was at, and a layer is made again only when what it is made from changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use debian_root::say;
use uuid::Uuid;

/// Makes a layer with `make`, which fills the directory it is given, unless it is there as the stamp wants it.
pub(crate) fn layer(
    what: &str,
    dir: &Path,
    stamp: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
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

/// Whether a layer is complete and made from that.
pub(crate) fn is_current(dir: &Path, stamp: &str) -> bool {
    dir.is_dir() && fs::read_to_string(stamp_file(dir)).is_ok_and(|text| text == stamp)
}

fn stamp_file(dir: &Path) -> PathBuf {
    dir.with_extension("stamp")
}

/// A text that differs when any of the inputs does.
pub(crate) fn stamp(inputs: &[String]) -> String {
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
    use anyhow::bail;

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
}
