//! iSCSI sessions of the kernel.
//!
//! Source: `drivers/scsi/scsi_transport_iscsi.c`, the classes `iscsi_session` and `iscsi_connection`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::IscsiPath;
use crate::connector::Machine;
use crate::connector::scsi::{Address, Disk, Lun};
use crate::sysfs;

/// A session with a target through one portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    dir: PathBuf,
    host: u32,
    target: u32,
}

/// The sessions of this way. A second one beside ours can only be somebody else's.
pub(crate) fn find(machine: &Machine, path: &IscsiPath) -> Vec<Session> {
    let class = machine.path("/sys/class/iscsi_session");
    let dirs = sysfs::names(&class).into_iter().map(|n| class.join(n));
    dirs.filter_map(|dir| {
        if sysfs::text(&dir.join("targetname"))? != path.target.as_str() {
            return None;
        }
        let device = dir.join("device").canonicalize().ok()?;
        let connections: Vec<_> = sysfs::names(&device).into_iter().filter(|n| is_connection(n)).collect();
        connections.iter().any(|c| leads_to(machine, c, path)).then_some(())?;
        let host = device.ancestors().find_map(host)?;
        // Software iSCSI gives every session a host of its own, in which its target is 0.
        let target = sysfs::text(&dir.join("target_id")).and_then(|t| t.parse().ok()).unwrap_or(0);
        Some(Session { dir, host, target })
    })
    .collect()
}

fn is_connection(name: &str) -> bool {
    name.strip_prefix("connection").is_some_and(|n| n.contains(':'))
}

fn leads_to(machine: &Machine, connection: &str, path: &IscsiPath) -> bool {
    let dir = machine.path("/sys/class/iscsi_connection").join(connection);
    // What was asked for; where a target sends the login on to is another pair of files.
    let address = sysfs::text(&dir.join("persistent_address"));
    let address = address.and_then(|a| a.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let port = sysfs::text(&dir.join("persistent_port")).and_then(|p| p.parse().ok());
    address == Some(path.portal.address()) && port == Some(path.portal.port())
}

fn host(dir: &Path) -> Option<u32> {
    dir.file_name()?.to_str()?.strip_prefix("host")?.parse().ok()
}

impl Session {
    /// It has not lost its target.
    pub(crate) fn works(&self) -> bool {
        sysfs::text(&self.dir.join("state")).is_some_and(|s| s == "LOGGED_IN")
    }

    /// Where a unit of the target is on this host.
    pub(crate) fn address(&self, lun: Lun) -> Address {
        Address { host: self.host, channel: 0, target: self.target, lun: lun.0 }
    }

    /// Units of the target are here, which somebody may use.
    pub(crate) fn has_disks(&self, machine: &Machine) -> bool {
        let any = self.address(Lun(0));
        Disk::all(machine).iter().any(|d| d.address.same_target(&any) && d.is_of_use())
    }
}
