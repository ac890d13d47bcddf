//! The root of a mounted filesystem as its containers shall find it: owner, mode, and perhaps a directory in it instead
//! of the whole.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::{Error, Result};

/// Owner and mode; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// Which directory of the filesystem containers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subdirectory {
    /// All of it.
    Whole,
    /// The one of that name, made if it is missing.
    Named(String),
    /// The one of that name, which must be there.
    Existing(String),
    /// REX-Ray kept what it stored in `data`: that one if it is all there is, otherwise the whole.
    Detect,
}

/// The directory that REX-Ray made in each of its volumes.
const REX_RAY: &str = "data";
/// What mkfs leaves in an ext filesystem.
const LOST_AND_FOUND: &str = "lost+found";

/// Finds or makes the directory that containers see in the filesystem mounted at `mountpoint`, gives it owner and mode, and
/// returns its name; `None` is the whole. What a volume holds may be anything, so no link is followed.
///
/// # Errors
/// [`Error::Io`] with the kernel's answer.
pub fn arrange(mountpoint: &Path, root: &Root, subdirectory: &Subdirectory) -> Result<Option<String>> {
    let top = open(rustix::fs::CWD, mountpoint, mountpoint, ResolveFlags::NO_MAGICLINKS)?;
    let name = match subdirectory {
        Subdirectory::Whole => None,
        Subdirectory::Named(name) | Subdirectory::Existing(name) => Some(name.as_str()),
        Subdirectory::Detect => holds_only(mountpoint, REX_RAY)?.then_some(REX_RAY),
    };
    let Some(name) = name else {
        dress(&top, mountpoint, root)?;
        return Ok(None);
    };
    let path = mountpoint.join(name);
    if matches!(subdirectory, Subdirectory::Named(_)) {
        match rustix::fs::mkdirat(&top, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(Error::io("make the directory", &path, e)),
        }
    }
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let dir = open(top.as_fd(), Path::new(name), &path, beneath)?;
    dress(&dir, &path, root)?;
    Ok(Some(name.to_owned()))
}

fn open(at: impl AsFd, name: &Path, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(at, name, flags, Mode::empty(), resolve)
        .map_err(|e| Error::io("open the directory", path, e))
}

fn dress(dir: &OwnedFd, path: &Path, root: &Root) -> Result<()> {
    if root.uid.is_some() || root.gid.is_some() {
        rustix::fs::fchown(dir, root.uid.map(Uid::from_raw), root.gid.map(Gid::from_raw))
            .map_err(|e| Error::io("set the owner of", path, e))?;
    }
    // After the owner, because a change of owner clears some bits.
    if let Some(mode) = root.mode {
        rustix::fs::fchmod(dir, Mode::from_raw_mode(mode))
            .map_err(|e| Error::io("set the mode of", path, e))?;
    }
    Ok(())
}

fn holds_only(mountpoint: &Path, wanted: &str) -> Result<bool> {
    let failed = |e| Error::io("list", mountpoint, e);
    let mut found = false;
    for entry in std::fs::read_dir(mountpoint).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_dir = entry.file_type().map_err(failed)?.is_dir();
        match entry.file_name().to_str() {
            Some(name) if name == wanted && is_dir => found = true,
            Some(LOST_AND_FOUND) => {}
            _ => return Ok(false),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn detected(entries: &[&str]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        entries.iter().for_each(|e| std::fs::create_dir(dir.path().join(e)).unwrap());
        arrange(dir.path(), &Root::default(), &Subdirectory::Detect).unwrap()
    }

    #[test]
    fn h40_both_layouts_are_told_apart() {
        assert_eq!(detected(&["lost+found", "data"]).as_deref(), Some("data"));
        assert_eq!(detected(&["data"]).as_deref(), Some("data"));
        assert_eq!(detected(&["lost+found"]), None);
        assert_eq!(detected(&[]), None);
        assert_eq!(detected(&["data", "more"]), None);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data"), "a file").unwrap();
        assert_eq!(arrange(dir.path(), &Root::default(), &Subdirectory::Detect).unwrap(), None);
    }

    #[test]
    fn h22_a_link_in_the_volume_leads_nowhere() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), dir.path().join("data")).unwrap();
        let before = outside.path().metadata().unwrap().mode();
        let root = Root { mode: Some(0o777), ..Root::default() };
        for subdirectory in [Subdirectory::Named("data".into()), Subdirectory::Existing("data".into())] {
            assert!(arrange(dir.path(), &root, &subdirectory).is_err());
        }
        assert!(arrange(dir.path(), &root, &Subdirectory::Named("../x".into())).is_err());
        assert_eq!(arrange(dir.path(), &Root::default(), &Subdirectory::Detect).unwrap(), None);
        assert_eq!(outside.path().metadata().unwrap().mode(), before);
    }

    #[test]
    fn h41_owner_and_mode_are_those_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let meta = dir.path().metadata().unwrap();
        // Without root one may give what one has to oneself only.
        let root = Root { uid: Some(meta.uid()), gid: Some(meta.gid()), mode: Some(0o2750) };
        let name = arrange(dir.path(), &root, &Subdirectory::Named("data".into())).unwrap();
        assert_eq!(name.as_deref(), Some("data"));
        assert_eq!(dir.path().join("data").metadata().unwrap().mode() & 0o7777, 0o2750);
        assert_eq!(dir.path().metadata().unwrap().mode(), meta.mode(), "the top keeps its own");
    }
}
