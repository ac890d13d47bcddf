//! Sockets inherited from a service manager, by the protocol of `sd_listen_fds(3)`.

use std::{
    env, io,
    os::fd::{BorrowedFd, OwnedFd, RawFd},
    process,
};

/// Number of the first inherited descriptor.
const FIRST: RawFd = 3;
/// More than any unit has; a bound on what the environment can make us do.
const MOST: RawFd = 1024;

/// A descriptor that a service manager passed to this process.
#[derive(Debug)]
pub struct InheritedFd {
    /// `FileDescriptorName=` of the socket unit; `unknown` if the manager gave none.
    pub name: String,
    /// A duplicate of the inherited descriptor, closed on exec.
    pub fd: OwnedFd,
}

/// Why inherited descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenFdsError {
    /// The environment is malformed.
    #[error("cannot read {variable}={value}: give a number from 0 to {MOST}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A descriptor that was announced is not there.
    #[error("cannot use inherited descriptor {fd}: {source}, check the socket unit")]
    Missing {
        /// Its number.
        fd: RawFd,
        /// What the system said.
        source: io::Error,
    },
}

/// The descriptors passed to this process by `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`; none if they are not
/// set or meant for another process.
///
/// Each is duplicated: the inherited number stays open (closed on exec), so connections go on queueing for the
/// process that comes after this one, and a second call gives the same sockets again.
///
/// # Errors
/// Malformed variables, or a number that is not open.
pub fn listen_fds() -> Result<Vec<InheritedFd>, ListenFdsError> {
    let read = |name| env::var(name).ok();
    let (pid, count, names) = (read("LISTEN_PID"), read("LISTEN_FDS"), read("LISTEN_FDNAMES"));
    let count = announced(process::id(), pid.as_deref(), count.as_deref())?;
    let names = names.unwrap_or_default();
    let mut names = names.split(':');
    (FIRST..FIRST + count)
        .map(|fd| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
            Ok(InheritedFd {
                name,
                fd: duplicate(fd, FIRST + count).map_err(|source| ListenFdsError::Missing { fd, source })?,
            })
        })
        .collect()
}

/// How many descriptors are announced to the process `own`.
fn announced(own: u32, pid: Option<&str>, count: Option<&str>) -> Result<RawFd, ListenFdsError> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(0) };
    let malformed = |variable, value: &str| ListenFdsError::Malformed { variable, value: value.to_owned() };
    if pid.parse::<u32>().map_err(|_| malformed("LISTEN_PID", pid))? != own {
        return Ok(0);
    }
    match count.parse::<RawFd>() {
        Ok(count @ 0..=MOST) => Ok(count),
        _ => Err(malformed("LISTEN_FDS", count)),
    }
}

/// A duplicate of the descriptor `number`, which itself is made to close on exec. The duplicate's own number is at
/// least `free`, or it could pass for the next inherited descriptor where that is missing.
fn duplicate(number: RawFd, free: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: `number` is at least 3, so never -1. It is borrowed for the length of this function only and neither
    // closed nor owned here, so no other owner of the number, if there is one, can be left with a closed or foreign
    // descriptor. If nothing is open under it, the kernel answers EBADF to the calls below. The service manager
    // opened it before this process began, and by the protocol nobody else in the process may close it.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    let own = rustix::io::fcntl_dupfd_cloexec(inherited, free)?;
    rustix::io::fcntl_setfd(inherited, rustix::io::FdFlags::CLOEXEC)?;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_is_meant_for_another_process() {
        assert_eq!(announced(7, None, None).unwrap(), 0);
        assert_eq!(announced(7, Some("8"), Some("2")).unwrap(), 0);
        assert_eq!(announced(7, Some("7"), None).unwrap(), 0);
        assert_eq!(announced(7, Some("7"), Some("2")).unwrap(), 2);
    }

    #[test]
    fn a_malformed_environment_is_an_error() {
        assert!(announced(7, Some("seven"), Some("1")).is_err());
        for count in ["-1", "x", "1025", "99999999999"] {
            assert!(announced(7, Some("7"), Some(count)).is_err(), "{count}");
        }
    }

    #[test]
    fn a_number_that_is_not_open_is_an_error() {
        assert!(duplicate(1_000_000, FIRST).is_err());
    }
}
