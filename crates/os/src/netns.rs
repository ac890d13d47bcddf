//! Network namespaces: open one, make one, run something inside one.
//!
//! A namespace belongs to a thread, and a runtime's threads are shared, so no thread that outlives a call ever
//! changes its namespace here: each visit is a thread of its own that ends inside the namespace it entered.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace kept alive by an open file descriptor; cheap to clone.
#[derive(Debug, Clone)]
pub struct NetNs {
    fd: Arc<OwnedFd>,
}

impl NetNs {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// What opening `/proc/thread-self/ns/net` answers.
    pub fn current() -> io::Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// The namespace behind a path such as `/run/netns/name` or `/proc/1/ns/net`.
    ///
    /// # Errors
    /// What opening the file answers, the path in the text.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self { fd: Arc::new(file.into()) })
    }

    /// The namespace of a process.
    ///
    /// # Errors
    /// As [`NetNs::open`]; not found when no process has this id.
    pub fn of_pid(pid: u32) -> io::Result<Self> {
        Self::open(Path::new(&format!("/proc/{pid}/ns/net")))
    }

    /// A fresh namespace holding nothing but a loopback device that is down. It vanishes with the last descriptor,
    /// process and socket in it.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`.
    pub fn new_unshared() -> io::Result<Self> {
        visit(|| {
            // SAFETY: only the network namespace is unshared, not the file descriptor table, so no other thread
            // can observe a descriptor of this thread differently.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Self::current()
        })?
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether both are the same namespace.
    ///
    /// # Errors
    /// What `fstat` answers.
    pub fn is_same(&self, other: &Self) -> io::Result<bool> {
        let (left, right) = (rustix::fs::fstat(&self.fd)?, rustix::fs::fstat(&other.fd)?);
        Ok((left.st_dev, left.st_ino) == (right.st_dev, right.st_ino))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Runs `work` on a thread of its own inside the namespace and waits for it. Sockets, processes and threads that
/// `work` makes stay in the namespace.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` unless it is the caller's own namespace, or that no thread can be made. A panic of `work` goes on in the caller.
pub fn run_in<T: Send>(netns: &NetNs, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    run_in_fd(netns.fd(), work)
}

/// [`run_in`] for a borrowed descriptor of a network namespace.
///
/// # Errors
/// As [`run_in`]; `EINVAL` when the descriptor is not a network namespace.
pub fn run_in_fd<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    visit(move || -> io::Result<T> {
        // Even to stay where one is takes CAP_SYS_ADMIN, if one asks for it.
        if !is_here(netns)? {
            move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
        }
        Ok(work())
    })?
}

/// Whether the calling thread is in that namespace.
fn is_here(netns: BorrowedFd<'_>) -> io::Result<bool> {
    let (there, here) = (rustix::fs::fstat(netns)?, rustix::fs::stat("/proc/thread-self/ns/net")?);
    Ok((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
}

fn visit<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_leaves_the_visiting_thread_where_it_was() {
        let before = NetNs::current().unwrap();
        let fresh = NetNs::new_unshared().unwrap();
        assert!(!before.is_same(&fresh).unwrap());
        let inside = run_in(&fresh, || NetNs::current().unwrap()).unwrap();
        assert!(inside.is_same(&fresh).unwrap());
        assert!(NetNs::current().unwrap().is_same(&before).unwrap());
    }

    #[test]
    fn a_descriptor_that_is_no_network_namespace_is_refused() {
        let other = NetNs::open(Path::new("/proc/self/ns/uts")).unwrap();
        assert_eq!(run_in(&other, || ()).unwrap_err().raw_os_error(), Some(22));
    }

    #[test]
    fn the_namespace_of_a_process_is_found_by_its_id() {
        let own = NetNs::of_pid(std::process::id()).unwrap();
        assert!(own.is_same(&NetNs::open(Path::new("/proc/self/ns/net")).unwrap()).unwrap());
        assert_eq!(NetNs::of_pid(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
