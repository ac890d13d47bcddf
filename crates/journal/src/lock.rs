//! The state directory, held by one process at a time.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Collection, Error, Result};

/// A state directory locked for this process; the lock dies with the process, however it dies.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens (and creates, mode 0700) the directory and takes its lock.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it, [`Error::Io`] otherwise.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        make_dir(&path)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| Error::io("open", &lock_path, e))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse { path }),
            Err(e) => Err(Error::io("lock", &lock_path, e)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The collection of that name, created if absent.
    ///
    /// # Errors
    /// [`Error::Io`] when its directory cannot be made, [`Error::Key`] for a name that is no file name.
    pub fn collection<T: Serialize + DeserializeOwned>(&self, name: &str) -> Result<Collection<T>> {
        Collection::open(&self.path, name)
    }
}

pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Error::io("create", path, e))
}

/// Makes what happened in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|d| d.sync_all()).map_err(|e| Error::io("sync", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).unwrap();
        assert!(matches!(StateDir::open(dir.path()), Err(Error::InUse { .. })));
        drop(first);
        StateDir::open(dir.path()).unwrap();
    }
}
