//! An export of a file server, mounted once on this host, in a place of our own, as long as a device of it is here.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use uuid::Uuid;

use super::link::{RemoteFileLink, RemoteFilesystem};
use super::loops;
use crate::connector::Machine;
use crate::connector::program::Program;
use crate::{Error, Mount, Result, create_mountpoint, own_mounts, remove_mountpoint};

/// Not below a directory that a service manager clears when a service stops.
const BASE: &str = "/run/host-storage/exports";
/// A server that is away is asked for two minutes by itself.
const MOUNTED_WITHIN: Duration = Duration::from_secs(60);

const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// What mounts, or stands for it in tests.
pub(super) trait Mounter {
    fn mount(&self, machine: &Machine, link: &RemoteFileLink, directory: &Path) -> Result<()>;
    /// Whether a mount of that kind and source is the link's export.
    fn shows(&self, link: &RemoteFileLink, mount: &Mount) -> bool;
}

/// `mount.nfs` and `mount.glusterfs`.
#[derive(Debug)]
pub(super) struct Helpers;

impl Mounter for Helpers {
    fn mount(&self, machine: &Machine, link: &RemoteFileLink, directory: &Path) -> Result<()> {
        let program = match link.kind {
            RemoteFilesystem::Nfs => Program { name: "mount.nfs", package: "nfs-common" },
            RemoteFilesystem::Glusterfs => Program { name: "mount.glusterfs", package: "glusterfs-client" },
        };
        // Ours last, so that they hold.
        let separator = if link.options.is_empty() { "" } else { "," };
        let options = format!("{}{separator}nosuid,nodev,noexec", link.options);
        let directory = directory.to_string_lossy();
        let arguments = [link.export.as_str(), &directory, "-o", &options];
        program.succeed(machine, &arguments, &link.export, MOUNTED_WITHIN).map(drop)
    }

    fn shows(&self, link: &RemoteFileLink, mount: &Mount) -> bool {
        let kind = match link.kind {
            RemoteFilesystem::Nfs => matches!(mount.kind.as_str(), "nfs" | "nfs4"),
            RemoteFilesystem::Glusterfs => mount.kind == "fuse.glusterfs",
        };
        let plain = |t: &str| t.trim_end_matches('/').to_owned();
        kind && plain(&mount.source.to_string_lossy()) == plain(&link.export)
    }
}

/// The place of an export.
pub(super) struct Export<'a> {
    link: &'a RemoteFileLink,
    mounter: &'a dyn Mounter,
    machine: &'a Machine,
    base: PathBuf,
    name: String,
}

impl<'a> Export<'a> {
    pub(super) fn new(machine: &'a Machine, link: &'a RemoteFileLink, mounter: &'a dyn Mounter) -> Self {
        let text = format!("{:?} {} {}", link.kind, link.export, link.options);
        let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string();
        Self { link, mounter, machine, base: machine.path(BASE), name }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.base.join(&self.name)
    }

    /// Whether it is mounted there.
    ///
    /// # Errors
    /// [`Error::NotMounted`] when something else is.
    pub(super) fn is_mounted(&self) -> Result<bool> {
        let directory = self.directory();
        // The last one at a place is the one that shows.
        let mounts = own_mounts()?;
        let Some(found) = mounts.iter().rev().find(|m| m.mountpoint == directory) else { return Ok(false) };
        if self.mounter.shows(self.link, found) {
            return Ok(true);
        }
        Err(Error::NotMounted {
            path: directory,
            device: PathBuf::from(&self.link.export),
            reason: format!("{} ({}) is mounted there", found.source.display(), found.kind),
        })
    }

    /// Mounts it unless it is mounted, and proves that it is.
    pub(super) fn mount(&self) -> Result<()> {
        if self.is_mounted()? {
            return Ok(());
        }
        std::fs::create_dir_all(&self.base).map_err(|e| Error::io("create", &self.base, e))?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&self.base, private)
            .map_err(|e| Error::io("set the mode of", &self.base, e))?;
        let directory = create_mountpoint(&self.base, &self.name)?;
        let mounted =
            self.mounter.mount(self.machine, self.link, &directory).and_then(|()| self.is_mounted());
        match mounted {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::NotMounted {
                path: directory,
                device: PathBuf::from(&self.link.export),
                reason: "it said it worked, but nothing is mounted there".into(),
            }),
            Err(error) => {
                let _ = rustix::mount::unmount(&directory, UnmountFlags::NOFOLLOW);
                let _ = remove_mountpoint(&self.base, &self.name);
                Err(error)
            }
        }
    }

    /// Opens the link's file for reading and writing; neither `..` nor a symbolic link nor another mount leads out.
    pub(super) fn open(&self) -> Result<std::fs::File> {
        use rustix::fs::ResolveFlags;
        let directory = self.directory();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root: OwnedFd = rustix::fs::open(&directory, flags, Mode::empty())
            .map_err(|e| Error::io("open", &directory, e))?;
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        // A pipe in its place must not be waited for.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        rustix::fs::openat2(&root, &self.link.name, flags, Mode::empty(), resolve)
            .map(std::fs::File::from)
            .map_err(|e| Error::io("open", &self.file(), e))
    }

    /// Where the link's file shows.
    pub(super) fn file(&self) -> PathBuf {
        self.directory().join(&self.link.name)
    }

    /// Unmounts it if no device of it is left, neither lazily nor by force. Whoever else looks into it keeps it.
    pub(super) fn unmount(&self) -> Result<()> {
        let directory = self.directory();
        if self.is_mounted()? {
            let started = Instant::now();
            loop {
                if loops().iter().any(|(_, file)| Path::new(file).starts_with(&directory)) {
                    return Ok(());
                }
                match rustix::mount::unmount(&directory, UnmountFlags::NOFOLLOW) {
                    Ok(()) => break,
                    // The file of a device that was just detached is closed a moment later.
                    Err(Errno::BUSY) if started.elapsed() < CLOSED_WITHIN => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Err(Errno::BUSY) => {
                        tracing::warn!(path = %directory.display(), "somebody uses this export, it stays mounted");
                        return Ok(());
                    }
                    Err(e) => return Err(Error::io("unmount", &directory, e)),
                }
            }
        }
        remove_mountpoint(&self.base, &self.name)
    }
}
