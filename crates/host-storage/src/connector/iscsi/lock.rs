//! Whose turn it is.
//!
//! What is shared has a lock each, held in this order: the *use* of a session, by many who wait for their disks in it or by
//! the one who ends it; the *login*, by one; the *records* of a target, by one, because open-iscsi removes the directory of
//! a target's last record while another one is made in it.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use uuid::Uuid;

use super::IscsiPath;
use crate::connector::Machine;
use crate::connector::scsi::{Patience, wait_steadily};
use crate::{Error, Result};

const DIR: &str = "/run/lock/kuryr-iscsi";

/// Nobody else of ours changes the target, in this process or another, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

/// What is shared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shared<'a> {
    /// The session of a way, which nobody may end.
    Use(&'a IscsiPath),
    /// The session of a way, to be ended.
    End(&'a IscsiPath),
    /// The beginning of a session.
    Login(&'a IscsiPath),
    /// The records of the way's target.
    Records(&'a IscsiPath),
}

impl Shared<'_> {
    /// Names may be too long for a file.
    fn file(self) -> String {
        let name = match self {
            Self::Use(p) | Self::End(p) => format!("session {} {}", p.target, p.portal),
            Self::Login(p) => format!("login {} {}", p.target, p.portal),
            Self::Records(p) => format!("records {}", p.target),
        };
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }
}

impl Turn {
    /// Waits for it.
    ///
    /// # Errors
    /// [`Error::Io`] when the others are not done in time.
    pub(crate) fn wait(machine: &Machine, shared: Shared<'_>, patience: &Patience) -> Result<Self> {
        let dir = machine.path(DIR);
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        let path = dir.join(shared.file());
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|e| Error::io("open", &path, e))?;
        let operation = match shared {
            Shared::Use(_) => FlockOperation::NonBlockingLockShared,
            _ => FlockOperation::NonBlockingLockExclusive,
        };
        // Others come and go quickly: who asks rarely would not get his turn.
        let got = wait_steadily(patience.turn, || match flock(&file, operation) {
            Ok(()) => Ok(Some(())),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(e) => Err(Error::io("lock", &path, e)),
        })?;
        match got {
            Some(()) => Ok(Self { _file: file }),
            None => Err(Error::io("lock", &path, std::io::Error::from(std::io::ErrorKind::TimedOut))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connector::scsi::Lun;

    fn path(portal: &str) -> IscsiPath {
        IscsiPath { portal: portal.try_into().unwrap(), target: "iqn.a".try_into().unwrap(), lun: Lun(1) }
    }

    #[test]
    fn many_may_wait_for_disks_and_one_may_end_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::at(dir.path());
        let patience = Patience { turn: Duration::from_millis(30), ..Patience::default() };
        let turn = |shared: Shared<'_>| Turn::wait(&machine, shared, &patience);
        let (a, b) = (path("10.0.0.1:3260"), path("10.0.0.2:3260"));
        let first = turn(Shared::Use(&a)).unwrap();
        let second = turn(Shared::Use(&a)).unwrap();
        assert!(turn(Shared::End(&a)).is_err());
        assert!(turn(Shared::End(&b)).is_ok(), "another session is another matter");
        drop((first, second));
        let alone = turn(Shared::End(&a)).unwrap();
        assert!(turn(Shared::Use(&a)).is_err());
        drop(alone);
        let records = turn(Shared::Records(&a)).unwrap();
        assert!(turn(Shared::Records(&b)).is_err(), "records of a target are one matter");
        assert!(turn(Shared::Login(&a)).is_ok());
        drop(records);
    }
}
