//! What iscsiadm does for us.

use std::time::Duration;

use super::record::{self, INTERFACE};
use super::{IscsiFailure, IscsiPath};
use crate::connector::program::{Ended, Program};
use crate::connector::{Machine, Secrets};
use crate::{Error, Result};

const ISCSIADM: Program = Program { name: "iscsiadm", package: "open-iscsi" };
/// Of what needs no target.
const SHORT: Duration = Duration::from_secs(30);
/// More than a record of ours has iscsid try.
const LOGIN: Duration = Duration::from_secs(90);
/// More than iscsid waits for an answer.
const LOGOUT: Duration = Duration::from_secs(60);

const SESSION_EXISTS: i32 = 15;
const NOTHING_FOUND: i32 = 21;
/// Of a session that went away meanwhile.
const NO_SESSION: i32 = 2;

fn run(machine: &Machine, path: &IscsiPath, action: &[&str], deadline: Duration) -> Result<Ended> {
    let portal = path.portal.to_string();
    let node = ["-m", "node", "-T", path.target.as_str(), "-p", &portal, "-I", INTERFACE];
    ISCSIADM.run(machine, &[&node[..], action].concat(), &path.to_string(), deadline)
}

fn must(path: &IscsiPath, ended: &Ended, fine: &[i32]) -> Result<()> {
    match ended.code {
        Some(code) if fine.contains(&code) => Ok(()),
        code => {
            tracing::debug!(%path, ?code, said = ended.stderr, "iscsiadm");
            Err(failed(path, IscsiFailure::from_status(code)))
        }
    }
}

/// The error that names the way.
pub(crate) fn failed(path: &IscsiPath, failure: IscsiFailure) -> Error {
    Error::Iscsi { path: path.to_string(), failure }
}

/// Makes the node record, if there is none, and writes into it how to log in.
///
/// # Errors
/// [`Error::Iscsi`]; the record cannot be written.
pub(crate) fn prepare(machine: &Machine, path: &IscsiPath, secrets: &Secrets, several: bool) -> Result<()> {
    if record::find(machine, path).is_empty() {
        must(path, &run(machine, path, &["--op", "new"], SHORT)?, &[0])?;
        if record::find(machine, path).is_empty() {
            return Err(failed(path, IscsiFailure::Records));
        }
    }
    record::settle(machine, path, secrets, several)
}

/// Logs in; to be logged in already is fine.
///
/// # Errors
/// [`Error::Iscsi`].
pub(crate) fn login(machine: &Machine, path: &IscsiPath) -> Result<()> {
    must(path, &run(machine, path, &["--login"], LOGIN)?, &[0, SESSION_EXISTS])
}

/// Logs out; to be logged out already is fine.
///
/// # Errors
/// [`Error::Iscsi`].
pub(crate) fn logout(machine: &Machine, path: &IscsiPath) -> Result<()> {
    must(path, &run(machine, path, &["--logout"], LOGOUT)?, &[0, NO_SESSION, NOTHING_FOUND])
}

/// Deletes the node record, and what a killed attempt to write it left.
///
/// # Errors
/// [`Error::Iscsi`]; it cannot be removed.
pub(crate) fn forget(machine: &Machine, path: &IscsiPath) -> Result<()> {
    record::remove_parts(machine, path)?;
    if record::find(machine, path).is_empty() {
        return Ok(());
    }
    must(path, &run(machine, path, &["--op", "delete"], SHORT)?, &[0, NOTHING_FOUND])
}
