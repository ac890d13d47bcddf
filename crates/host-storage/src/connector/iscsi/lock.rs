//! Whose turn it is with a target.
//!
//! Connecting holds a target *shared* while it waits for its disk, so that volumes come side by side; ending a session,
//! and changing a record before the login, holds it *alone*.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::TargetName;
use crate::connector::Machine;
use crate::connector::scsi::{Patience, wait_steadily};
use crate::{Error, Result};

const DIR: &str = "/run/lock/kuryr-iscsi";

/// Nobody else of ours changes the target, in this process or another, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

/// How much of it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody may end the session.
    Shared,
    /// Nobody may do anything.
    Alone,
}

impl Turn {
    /// Waits for it.
    ///
    /// # Errors
    /// [`Error::Io`] when the others are not done in time.
    pub(crate) fn wait(
        machine: &Machine,
        target: &TargetName,
        hold: Hold,
        patience: &Patience,
    ) -> Result<Self> {
        let dir = machine.path(DIR);
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        let path = dir.join(target.as_str());
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|e| Error::io("open", &path, e))?;
        let operation = match hold {
            Hold::Shared => FlockOperation::NonBlockingLockShared,
            Hold::Alone => FlockOperation::NonBlockingLockExclusive,
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

    #[test]
    fn many_may_wait_for_disks_and_one_may_end_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::at(dir.path());
        let patience = Patience { turn: Duration::from_millis(30), ..Patience::default() };
        let turn =
            |name: &str, hold| Turn::wait(&machine, &TargetName::try_from(name).unwrap(), hold, &patience);
        let first = turn("iqn.a", Hold::Shared).unwrap();
        let second = turn("iqn.a", Hold::Shared).unwrap();
        assert!(turn("iqn.a", Hold::Alone).is_err());
        drop((first, second));
        let alone = turn("iqn.a", Hold::Alone).unwrap();
        assert!(turn("iqn.a", Hold::Shared).is_err());
        assert!(turn("iqn.b", Hold::Alone).is_ok(), "another target is another matter");
        drop(alone);
        assert!(turn("iqn.a", Hold::Shared).is_ok());
    }
}
