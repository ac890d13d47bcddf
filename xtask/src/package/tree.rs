//! The files of a package, before it is one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exec::{program, workspace};

/// A directory that is laid out like the root it will be unpacked into.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty one at `root`, in place of what an earlier run made.
    pub(super) fn fresh(root: PathBuf) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
        }
        make_dir(&root)?;
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file; directories above it are made.
    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        let target = self.place(path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&target)
            .with_context(|| format!("make {}", target.display()))?;
        file.write_all(content.as_ref())?;
        // Whatever the umask.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    /// Copies a file of the workspace, or one with an absolute path.
    pub(super) fn copy(&self, from: impl AsRef<Path>, path: &str, mode: u32) -> Result<()> {
        let from = workspace().join(from);
        let content = fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        self.write(path, content, mode)
    }

    /// Compresses files as Debian wants documents, without the names and times of the originals.
    pub(super) fn compress(&self, paths: &[String]) -> Result<()> {
        program("gzip").args(["-9", "--no-name"]).args(paths).directory(&self.root).run()
    }

    /// Gives everything the time of the package.
    pub(super) fn settle(&self, epoch: u64) -> Result<()> {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(epoch);
        for path in self.paths(true)? {
            File::open(&path)?.set_modified(time)?;
        }
        Ok(())
    }

    /// The size of all files, in KiB, each rounded up.
    pub(super) fn kib(&self) -> Result<u64> {
        let sizes = self.paths(false)?.into_iter().map(|path| Ok(fs::metadata(path)?.len().div_ceil(1024)));
        sizes.sum()
    }

    /// All files, with `directories` those too, in order.
    pub(super) fn paths(&self, directories: bool) -> Result<Vec<PathBuf>> {
        let (mut open, mut found) = (vec![self.root.clone()], Vec::new());
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push(entry.path());
                } else {
                    found.push(entry.path());
                }
            }
            if directories {
                found.push(dir);
            }
        }
        found.sort();
        Ok(found)
    }

    fn place(&self, path: &str) -> Result<PathBuf> {
        let target = self.root.join(path);
        if let Some(parent) = target.parent() {
            make_dir(parent)?;
        }
        Ok(target)
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dir(parent)?;
    }
    DirBuilder::new().mode(0o755).create(dir).with_context(|| format!("make {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
