//! Which machine this is: a journal that came along with a copied disk or image describes another one's ports and volumes.

use std::path::Path;

use journal::StateDir;

use crate::error::Error;

/// The firmware's name of a machine, which no copy of its disk has; else the one that is on the disk.
const SOURCES: [&str; 2] = ["sys/class/dmi/id/product_uuid", "etc/machine-id"];
/// What is written for unset fields.
const UNSET: [&str; 4] =
    ["", "uninitialized", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];

/// Refuses a state directory that was written on another machine. One without that fact gets it.
///
/// # Errors
/// [`Error::CopiedState`], or the directory cannot be read or written.
pub(super) fn check(state: &StateDir, root: &Path) -> Result<(), Error> {
    let Some(here) = name(root) else { return Ok(()) };
    let written = state.fact("machine", || here.clone())?;
    if written == here {
        return Ok(());
    }
    Err(Error::CopiedState { path: state.path().to_owned(), written, here })
}

fn name(root: &Path) -> Option<String> {
    SOURCES.iter().find_map(|source| {
        let text = std::fs::read_to_string(root.join(source)).ok()?;
        let text = text.trim().to_lowercase();
        (!UNSET.contains(&text.as_str())).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/machine-id"), format!("{name}\n")).unwrap();
        root
    }

    #[test]
    fn a_state_directory_stays_with_its_machine() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (one, two) = (machine("one"), machine("two"));
        check(&state, one.path()).unwrap();
        check(&state, one.path()).unwrap();
        let error = check(&state, two.path()).unwrap_err().to_string();
        assert!(error.contains("written on machine one") && error.contains("this is two"), "{error}");
        // A machine without any name cannot be told from another.
        check(&state, tempfile::tempdir().unwrap().path()).unwrap();
    }

    #[test]
    fn the_firmware_knows_better_than_the_disk() {
        let root = machine("disk");
        let dmi = root.path().join("sys/class/dmi/id");
        std::fs::create_dir_all(&dmi).unwrap();
        assert_eq!(name(root.path()).as_deref(), Some("disk"));
        std::fs::write(dmi.join("product_uuid"), "AB-1\n").unwrap();
        assert_eq!(name(root.path()).as_deref(), Some("ab-1"));
    }
}
