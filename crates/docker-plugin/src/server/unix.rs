//! A unix socket that is never half made, never taken from a living process, and gone when its owner is.

use std::{
    fs::{self, File},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::FlockOperation,
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use crate::{Error, error::Result};

/// The directory is locked by others for the time of a few system calls.
const LOCK_TRIES: u32 = 250;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Who may use a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocketOptions {
    /// Permissions of the file: 0660.
    pub mode: u32,
    /// Name of the file's group if there is one of that name: `docker`.
    pub group: Option<String>,
}

impl Default for UnixSocketOptions {
    fn default() -> Self {
        Self { mode: 0o660, group: Some("docker".to_owned()) }
    }
}

/// The file of a socket; removed on drop, unless somebody else's is in its place by then.
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Listens on `path`.
///
/// The socket is made in a directory of its own and moved into place: at no time is there a file with the wrong
/// permissions, and none that nobody listens on.
pub(super) fn listen(path: &Path, options: &UnixSocketOptions) -> Result<(UnixListener, SocketFile)> {
    let failed = |action| move |source| Error::UnixSocket { action, path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failed("listen on")(io::ErrorKind::InvalidInput.into()))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
    let _lock = lock(directory).map_err(failed("lock the directory of"))?;
    check_free(path)?;

    let mut workshop = std::ffi::OsString::from(".");
    workshop.push(name);
    workshop.push(".new");
    let workshop = Workshop::open(directory.join(workshop)).map_err(failed("prepare"))?;
    let fresh = workshop.socket();
    let listener = UnixListener::bind(&fresh).map_err(failed("listen on"))?;
    if let Some(group) = options.group.as_deref().and_then(group_id)
        && let Err(error) = std::os::unix::fs::chown(&fresh, None, Some(group))
    {
        // Only root and members of the group may give it away; the owner can use the socket anyway.
        tracing::warn!(path = %path.display(), %error, "cannot give the socket to its group");
    }
    fs::set_permissions(&fresh, fs::Permissions::from_mode(options.mode))
        .map_err(failed("set the mode of"))?;
    let made = fs::symlink_metadata(&fresh).map_err(failed("look at"))?;
    fs::rename(&fresh, path).map_err(failed("put into place"))?;
    Ok((listener, SocketFile { path: path.to_owned(), device: made.dev(), inode: made.ino() }))
}

/// Keeps other starting servers out of the directory while the lock is held.
fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Refuses a path where anything is but a socket on which nobody listens.
fn check_free(path: &Path) -> Result<()> {
    let failed = |source: io::Error| Error::UnixSocket { action: "look at", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| failed(error.into()))?;
    let address = SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
    match rustix::net::connect(&probe, &address) {
        // Nobody listens; or the file went away meanwhile.
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        // Somebody listens, maybe with a full queue, or it is a socket of another kind.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(Error::InUse { path: path.to_owned() }),
        Err(error) => Err(failed(error.into())),
    }
}

/// A directory only we can enter. Docker looks for plugins in the directory of the socket and takes every socket in
/// it for one, so a socket with a name of its own must not be there even for a moment.
struct Workshop {
    path: PathBuf,
}

impl Workshop {
    /// Opens it, emptied of what a killed process left.
    fn open(path: PathBuf) -> io::Result<Self> {
        let workshop = Self { path };
        match fs::create_dir(&workshop.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let left = fs::symlink_metadata(workshop.socket());
                if left.is_ok_and(|left| left.file_type().is_socket()) {
                    fs::remove_file(workshop.socket())?;
                }
            }
            other => other?,
        }
        fs::set_permissions(&workshop.path, fs::Permissions::from_mode(0o700))?;
        Ok(workshop)
    }

    fn socket(&self) -> PathBuf {
        self.path.join("s")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // The socket is still there only if something failed after it was made.
        for result in [fs::remove_file(self.socket()), fs::remove_dir(&self.path)] {
            if let Err(error) = result
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(path = %self.path.display(), %error, "cannot clean up");
            }
        }
    }
}

/// The number of a group of this host; networks' directories are not asked, they may be down.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}
