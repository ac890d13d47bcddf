//! Where a world stands: a private host of its own, or the lab's.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use private_host::{Place, PrivateHost, Settings};
use rustix::fs::{FlockOperation, flock};

use super::{WorldOptions, abandoned};
use crate::{CloudKind, leftovers};

/// The host under a world and its directory there.
#[derive(Debug)]
pub(super) struct Ground {
    /// Ours; none if we joined another one.
    own: Option<PrivateHost>,
    pid: u32,
    place: Place,
    dir: tempfile::TempDir,
    /// Held while we use the lab: there is one engine and one front in it at a time.
    _turn: Option<File>,
    /// What was in the lab's cloud before a world that was killed.
    abandoned: Option<BTreeSet<String>>,
}

impl Ground {
    pub(super) fn lay(options: &WorldOptions) -> Result<Self> {
        match options.cloud {
            CloudKind::DevCloud => {
                let home = Path::new(leftovers::HOME);
                leftovers::remove(home);
                let dir = leftovers::directory(home)?;
                let bin = options.kuryr.parent().context("the kuryr binary has no directory")?.to_owned();
                let host = PrivateHost::start(&Settings {
                    name: "world".into(),
                    dir: dir.path().to_owned(),
                    root: options.root.clone(),
                    share: vec![bin, dir.path().to_owned()],
                })?;
                Ok(Self {
                    pid: host.pid(),
                    place: host.place(),
                    own: Some(host),
                    dir,
                    _turn: None,
                    abandoned: None,
                })
            }
            CloudKind::OpenStack => {
                let lab = lab::openstack::running()?;
                let turn = File::create(lab.share.join("turn")).context("the lab's shared directory")?;
                flock(&turn, FlockOperation::LockExclusive).context("wait for our turn in the lab")?;
                let abandoned = abandoned::end(lab.pid, &lab.share)?;
                leftovers::remove(&lab.share);
                let dir = leftovers::directory(&lab.share)?;
                let place = Place::join(lab.pid, dir.path())?;
                Ok(Self { own: None, pid: lab.pid, place, dir, _turn: Some(turn), abandoned })
            }
        }
    }

    /// The path at which the host finds a program of this machine.
    pub(super) fn program(&self, program: &Path) -> Result<String> {
        if self.own.is_some() {
            return Ok(program.to_string_lossy().into_owned());
        }
        let copy = self.dir.path().join(program.file_name().unwrap_or_default());
        std::fs::copy(program, &copy).with_context(|| format!("copy {} into the lab", program.display()))?;
        Ok(copy.to_string_lossy().into_owned())
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn abandoned(&self) -> Option<&BTreeSet<String>> {
        self.abandoned.as_ref()
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it goes on without us.
    pub(super) fn is_shared(&self) -> bool {
        self.own.is_none()
    }

    pub(super) fn clear(&mut self) {
        if let Some(host) = &mut self.own {
            host.stop();
        }
        let _ = private_host::remove_directory(self.dir.path());
    }
}
