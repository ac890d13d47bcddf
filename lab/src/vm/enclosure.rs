//! A host for guests that need nothing else around them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use debian_root::say;
use private_host::{Place, PrivateHost, Root, Settings};

use super::{image, layout};

/// What names of the directories of running hosts start with.
const PREFIX: &str = "kuryr-lab-vm-";

/// A host without a way out. Dropping it, after the guests in it, ends it and removes its directory.
#[derive(Debug)]
pub struct Enclosure {
    host: Option<PrivateHost>,
    dir: PathBuf,
}

impl Enclosure {
    /// Starts it. Its place is of Debian 13, and shows what it is given to share at the same path.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn start(share: Option<&Path>) -> Result<Self> {
        private_host::remove_leftovers(&layout::home(), PREFIX, |dir| {
            say(&format!("Removing {} of a guest that was killed", dir.display()));
        });
        let dir = layout::home().join(format!("{PREFIX}{}", std::process::id()));
        let mut made = Self { host: None, dir: dir.clone() };
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        made.host = Some(PrivateHost::start(&Settings {
            name: "vm".into(),
            dir: dir.clone(),
            root: Root::Tree(image::root()?),
            share: share.map(Path::to_owned).into_iter().chain([dir]).collect(),
        })?);
        Ok(made)
    }

    /// Where guests run in it.
    ///
    /// # Errors
    /// When it did not start.
    pub fn place(&self) -> Result<Place> {
        self.host.as_ref().map(PrivateHost::place).context("the host did not start")
    }

    /// Its directory on the machine, which it shows at the same path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        drop(self.host.take());
        if let Err(error) = private_host::remove_directory(&self.dir) {
            say(&format!("{} stays: {error}", self.dir.display()));
        }
    }
}
