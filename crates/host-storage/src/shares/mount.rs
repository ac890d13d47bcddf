//! Mounting a share, unmounting it, and the proof of either.
//!
//! The proof never touches the share itself: the kernel's mount table tells without asking the server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::bounded::bounded;
use super::program::Invocation;
use super::{Export, MountOptions, Protocol, check_subdir, helper, root};
use crate::connector::Secrets;
use crate::mountpoint::path_of;
use crate::namespaces::usage_of;
use crate::{Error, Mount, Result, Usage, create_mountpoint, flush, own_mounts, remove_mountpoint};

/// How long a mount program may take.
const MOUNTING: Duration = Duration::from_secs(45);
/// How long a server may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to write back and unmount.
const UNMOUNTING: Duration = Duration::from_secs(45);
/// How long after its program ended a mount may take to show: Gluster's goes on in the background.
const SHOWS: Duration = Duration::from_secs(5);

/// What to mount, and how.
#[derive(Debug, Clone)]
pub struct ShareMount {
    /// From where.
    pub export: Export,
    /// The user's options.
    pub options: MountOptions,
    /// Nothing is written.
    pub read_only: bool,
    /// Show only this directory of it.
    pub subdir: Option<String>,
    /// Make that directory if it is not there.
    pub make_subdir: bool,
    /// CIFS: user and password; CephFS: id and key.
    pub secrets: Secrets,
}

/// Mounts the share on the directory for `name` below `base` and proves that it is there and that its server answers.
/// What is mounted there already is proven and kept. Takes about a minute at most.
///
/// # Errors
/// [`Error::NotAnswering`]; [`Error::Tool`] with the program's words; [`Error::NotMounted`] when something else is there.
/// Nothing of ours is left mounted then, unless unmounting failed too.
pub fn mount(base: &Path, name: &str, what: &ShareMount) -> Result<PathBuf> {
    let path = path_of(base, name)?;
    if let Some(subdir) = &what.subdir {
        check_subdir(subdir)?;
    }
    if shown_at(&path)?.is_some() {
        verify(&path, &what.export, what.subdir.as_deref())?;
        answers(&path)?;
        verify(&path, &what.export, what.subdir.as_deref())?;
        return Ok(path);
    }
    let path = create_mountpoint(base, name)?;
    let done = mount_new(&path, what);
    if done.is_err() {
        undo(base, name, &path, &what.export);
    }
    done.map(|()| path)
}

fn mount_new(path: &Path, what: &ShareMount) -> Result<()> {
    let invocation = Invocation::of(&what.export, &what.options, what.read_only, &what.secrets, path)?;
    tracing::debug!(?invocation, "mounting a share");
    helper::run(&invocation, path, MOUNTING)?;
    let started = Instant::now();
    while shown_at(path)?.is_none() && started.elapsed() < SHOWS {
        std::thread::sleep(Duration::from_millis(20));
    }
    verify(path, &what.export, None)?;
    if let Some(subdir) = what.subdir.clone() {
        let (at, make) = (path.to_owned(), what.make_subdir && !what.read_only);
        bounded(path, ANSWER, move || root::show_only(&at, &subdir, make))?;
        verify(path, &what.export, what.subdir.as_deref())?;
    }
    answers(path)?;
    // Gluster's daemon mounts before it is let in, and unmounts when it is not: then the directory below has answered.
    verify(path, &what.export, what.subdir.as_deref())
}

/// What a mount that failed may have left, such as one whose program was killed just too late.
fn undo(base: &Path, name: &str, path: &Path, export: &Export) {
    if let Ok(Some(mount)) = shown_at(path)
        && export.is_shown_by(&mount)
    {
        let at = path.to_owned();
        let undone = bounded(path, ANSWER, move || {
            rustix::mount::unmount(&at, UnmountFlags::NOFOLLOW).map_err(|e| Error::io("unmount", &at, e))
        });
        if let Err(error) = undone {
            tracing::warn!(%error, "a share that could not be used is still mounted");
            return;
        }
    }
    if let Err(error) = remove_mountpoint(base, name) {
        tracing::warn!(%error, "mountpoint left");
    }
}

/// Proves that the mountpoint shows this export, or that directory of it. Asks the kernel only.
///
/// # Errors
/// [`Error::NotMounted`] otherwise.
pub fn verify(mountpoint: &Path, export: &Export, subdir: Option<&str>) -> Result<()> {
    let not_mounted = |reason: String| Error::NotMounted {
        path: mountpoint.to_owned(),
        device: export.source().into(),
        reason,
    };
    let Some(mount) = shown_at(mountpoint)? else {
        return Err(not_mounted("nothing is mounted there".into()));
    };
    if !export.is_shown_by(&mount) {
        return Err(not_mounted(format!("{} ({}) is mounted there", mount.source.display(), mount.kind)));
    }
    match subdir {
        Some(subdir) if !is_part(&mount, export, subdir) => {
            Err(not_mounted(format!("another directory than {subdir} is mounted there")))
        }
        _ => Ok(()),
    }
}

fn is_part(mount: &Mount, export: &Export, subdir: &str) -> bool {
    match export.protocol() {
        // Its root is always shown as `/`; its source goes on with the directory instead.
        Protocol::Nfs => mount.source == Path::new(export.source()).join(subdir),
        _ => mount.root.ends_with(subdir),
    }
}

/// The topmost mount on the path, from the mount table alone.
fn shown_at(path: &Path) -> Result<Option<Mount>> {
    let mut mounts = own_mounts()?;
    mounts.retain(|m| m.mountpoint == path);
    let covered: Vec<u64> = mounts.iter().map(|m| m.parent).collect();
    Ok(mounts.into_iter().rev().find(|m| !covered.contains(&m.id)))
}

fn answers(path: &Path) -> Result<()> {
    let at = path.to_owned();
    bounded(path, ANSWER, move || {
        // Not for reading: a server that squashes root, or wants a ticket, need not let us read what containers may.
        let dir = rustix::fs::open(
            &at,
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let stat = dir.and_then(|dir| rustix::fs::fstatfs(&dir));
        stat.map(drop).map_err(|e| Error::io("look at", &at, e))
    })
}

/// Who shows the export, in any mount namespace; see [`crate::usage()`].
///
/// # Errors
/// [`Error::Io`] when the process table cannot be read: then nobody may conclude that the share is free.
pub fn usage(base: &Path, name: &str, export: &Export) -> Result<Usage> {
    usage_of(&path_of(base, name)?, |m| export.is_shown_by(m))
}

/// Writes back and unmounts the share, neither lazily nor by force, and removes its directory. What is not mounted is
/// unmounted.
///
/// # Errors
/// [`Error::Busy`] when it is used; [`Error::NotAnswering`] when its server is gone: it stays mounted;
/// [`Error::NotMounted`] when the directory shows something else, which is left alone.
pub fn unmount(base: &Path, name: &str, export: &Export) -> Result<()> {
    let path = path_of(base, name)?;
    if shown_at(&path)?.is_some() {
        verify(&path, export, None)?;
        let at = path.clone();
        bounded(&path, UNMOUNTING, move || {
            match flush(&at) {
                // The share or Gluster's daemon is gone: there is nobody to write back to.
                Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(107 | 108 | 116)) => {
                    tracing::warn!(path = %at.display(), "the share is gone, what was not written back is lost");
                }
                // Root may not open it. Unmounting writes back by itself.
                Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(1 | 13)) => {
                    tracing::debug!(path = %at.display(), %source, "not written back before unmounting");
                }
                other => other?,
            }
            match rustix::mount::unmount(&at, UnmountFlags::NOFOLLOW) {
                Ok(()) => Ok(()),
                Err(Errno::BUSY) => Err(Error::Busy { path: at }),
                Err(e) => Err(Error::io("unmount", &at, e)),
            }
        })?;
        if shown_at(&path)?.is_some() {
            return Err(Error::Busy { path });
        }
    }
    // An empty directory that cannot be removed is a blemish, not a reason to stay mounted.
    if let Err(error) = remove_mountpoint(base, name) {
        tracing::warn!(%error, "mountpoint left");
    }
    Ok(())
}
