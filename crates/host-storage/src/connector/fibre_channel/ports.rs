//! Ports of this host and of the storage, as the kernel sees them.

use std::path::Path;

use super::{FibreChannelLink, FibreChannelPath, Wwn};
use crate::connector::Machine;
use crate::connector::scsi::Address;
use crate::sysfs;

const HOSTS: &str = "/sys/class/fc_host";
const REMOTE: &str = "/sys/class/fc_remote_ports";

/// Where the volume is, or would be, on this host; `online` leaves out ways that cannot work now.
pub(super) fn addresses(machine: &Machine, path: &FibreChannelPath, online: bool) -> Vec<Address> {
    let dir = machine.path(REMOTE);
    let found = sysfs::names(&dir).into_iter().filter_map(|remote| {
        let (host, channel) = place(&remote)?;
        let remote = dir.join(&remote);
        let own = machine.path(HOSTS).join(format!("host{host}"));
        let served = path.initiator.is_none() || name(&own) == path.initiator;
        let works = !online || (is_online(&remote) && is_online(&own));
        if name(&remote) != Some(path.target) || !served || !works {
            return None;
        }
        // A port that is no target has -1.
        let target = sysfs::text(&remote.join("scsi_target_id"))?.parse().ok()?;
        Some(Address { host, channel, target, lun: path.lun.0 })
    });
    found.filter(|a| a.target != u32::MAX).collect()
}

/// Host and channel of `rport-H:C-N`.
fn place(remote: &str) -> Option<(u32, u32)> {
    let (host, rest) = remote.strip_prefix("rport-")?.split_once(':')?;
    Some((host.parse().ok()?, rest.split_once('-')?.0.parse().ok()?))
}

fn name(dir: &Path) -> Option<Wwn> {
    sysfs::text(&dir.join("port_name"))?.try_into().ok()
}

fn is_online(dir: &Path) -> bool {
    sysfs::text(&dir.join("port_state")).is_some_and(|s| s == "Online")
}

/// Why there is no way.
pub(super) fn unseen(machine: &Machine, link: &FibreChannelLink) -> String {
    let hosts = machine.path(HOSTS);
    let own: Vec<_> = sysfs::names(&hosts)
        .iter()
        .filter_map(|h| {
            let dir = hosts.join(h);
            let state = if is_online(&dir) { "" } else { " (not online)" };
            Some(format!("{}{state}", name(&dir)?))
        })
        .collect();
    if own.is_empty() {
        return "this host has no Fibre Channel port; choose another volume type".to_owned();
    }
    let wanted: Vec<_> = link
        .paths
        .iter()
        .map(|p| match p.initiator {
            Some(initiator) => format!("{} from {initiator}", p.target),
            None => p.target.to_string(),
        })
        .collect();
    format!(
        "its ports {} see none of the storage's {}; check zoning and cables",
        own.join(", "),
        wanted.join(", ")
    )
}
