//! A directory of files that appears complete or not at all, and never in place of another.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Files on their way; gone again unless [`Fresh::finish`] puts them into place.
pub(super) struct Fresh {
    workshop: PathBuf,
    target: PathBuf,
}

impl Fresh {
    /// Begins a directory that is to be `target`, which must be absent or empty.
    pub(super) fn begin(target: &Path) -> Result<Self, Error> {
        if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Occupied { path: target.to_owned() });
        }
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(failed("make", target)(io::ErrorKind::InvalidInput.into()));
        };
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".new");
        let workshop = parent.join(hidden);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&workshop) {
            // A killed process left it; nobody has used what is in it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&workshop).map_err(failed("remove", &workshop))?;
                builder.create(&workshop).map_err(failed("make", &workshop))?;
            }
            made => made.map_err(failed("make", &workshop))?,
        }
        Ok(Self { workshop, target: target.to_owned() })
    }

    /// Writes a file; it has its mode from the first moment.
    pub(super) fn write(&self, name: &str, content: &[u8], mode: u32) -> Result<(), Error> {
        let path = self.workshop.join(name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(failed("write", &path))
    }

    /// Puts the directory into place.
    pub(super) fn finish(self) -> Result<(), Error> {
        // The kernel refuses to replace a directory that is not empty.
        fs::rename(&self.workshop, &self.target).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                Error::Occupied { path: self.target.clone() }
            }
            _ => failed("put into place", &self.target)(error),
        })?;
        let parent = self.target.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("write", parent))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Of no use to anybody; after `finish` it is not there.
        let _ = fs::remove_dir_all(&self.workshop);
    }
}

fn failed(action: &'static str, what: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Io { action, what, source }
}
