//! Bringing a volume here.

use super::lock::{Shared, Turn};
use super::session::{self, Session};
use super::{IscsiFailure, IscsiLink, IscsiPath, admin, disconnect};
use crate::connector::scsi::{self, Address, Choice, Disk, Patience, Wanted, Ways, wait};
use crate::connector::{Machine, Secrets};
use crate::{BlockDevice, Error, Result};

/// Where the link's volume is on this host, as far as its sessions are here.
pub(crate) fn addresses(machine: &Machine, link: &IscsiLink) -> Vec<Address> {
    let sessions = |path: &IscsiPath| {
        session::find(machine, path).into_iter().map(|s| s.address(path.lun)).collect::<Vec<_>>()
    };
    link.paths.iter().flat_map(sessions).collect()
}

/// Logs in, has the disk appear and proves it. With several ways and multipathd, all of them; else the first that works.
///
/// # Errors
/// What each of the ways answered, if none works; [`Error::WrongDevice`], [`Error::Busy`].
pub(crate) fn connect(
    machine: &Machine,
    link: &IscsiLink,
    secrets: &Secrets,
    volume: &str,
    size: u64,
    patience: &Patience,
) -> Result<BlockDevice> {
    let several = link.paths.len() > 1;
    let driver = Driver { machine, secrets, volume, several, patience };
    let choice = Choice { ways: &link.paths, enforced: link.multipath, volume };
    let disk = scsi::bring(machine, &driver, &choice, patience)?;
    let addresses = addresses(machine, link);
    let place = link.paths.first().map(ToString::to_string).unwrap_or_default();
    let identity = link.identity.as_ref();
    let wanted = Wanted { volume, size, identity, addresses: &addresses, place: &place };
    scsi::take(machine, &disk, &wanted, patience)
}

struct Driver<'a> {
    machine: &'a Machine,
    secrets: &'a Secrets,
    volume: &'a str,
    several: bool,
    patience: &'a Patience,
}

impl Ways for Driver<'_> {
    type Way = IscsiPath;

    fn bring(&self, path: &IscsiPath) -> Result<Disk> {
        let Self { machine, secrets, volume, several, patience } = *self;
        // Until its disk is here nobody ends the session.
        let _turn = Turn::wait(machine, Shared::Use(path), patience)?;
        {
            let _turn = Turn::wait(machine, Shared::Login(path), patience)?;
            if session::find(machine, path).is_empty() {
                let records = Turn::wait(machine, Shared::Records(path), patience)?;
                admin::prepare(machine, path, secrets, several)?;
                drop(records);
                admin::login(machine, path)?;
            }
        }
        let session = working(machine, path, patience)?;
        let disk = scsi::appear(machine, session.address(path.lun), patience)?;
        disk.ok_or_else(|| Error::Connection {
            volume: volume.to_owned(),
            reason: format!(
                "{path} did not appear within {} s; check that Cinder's back end exports it to this host",
                patience.appear.as_secs()
            ),
        })
    }

    fn leave(&self, path: &IscsiPath) {
        if let Err(error) = disconnect::leave(self.machine, path, self.patience) {
            tracing::warn!(volume = self.volume, %error, "a way that does not work stays for now");
        }
    }
}

/// The session, once it works: right after the login, or again after its target was away.
fn working(machine: &Machine, path: &IscsiPath, patience: &Patience) -> Result<Session> {
    let ask = || Ok(session::find(machine, path).into_iter().find(Session::works));
    wait(patience.session, ask)?.ok_or_else(|| admin::failed(path, IscsiFailure::NoSession))
}

/// Waits until all ways that are here work, and at least one is.
///
/// # Errors
/// [`Error::Iscsi`] for the first that does not.
pub(super) fn must_work(machine: &Machine, link: &IscsiLink, patience: &Patience) -> Result<()> {
    let here: Vec<_> = link.paths.iter().filter(|p| !session::find(machine, p).is_empty()).collect();
    match (here.is_empty(), link.paths.first()) {
        (true, Some(first)) => Err(admin::failed(first, IscsiFailure::NoSession)),
        _ => here.into_iter().try_for_each(|path| working(machine, path, patience).map(drop)),
    }
}
