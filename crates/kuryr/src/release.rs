//! The end of a port: ours is deleted, an adopted one is given back exactly as found.

use std::time::Duration;

use openstack::network::{FixedIp, Port, PortExtras, PortUpdate, Taggable, WantedIp};

use crate::error::CloudContext;
use crate::existing_ports::same_set;
use crate::names;
use crate::service::Inner;
use crate::state::{OriginalExtras, Originals, Phase, PortRow, is_late, now};
use crate::{Error, Result};

/// Repetitions when a port changes under our hands.
const RETRIES: usize = 3;
/// Longest wait for a request of the background about the same port.
const QUIET: Duration = Duration::from_secs(5);

impl Inner {
    /// Removes what the record says and then the record; or keeps the port ready for the next container.
    pub(crate) async fn dismantle_port(&self, mut row: PortRow) -> Result<()> {
        if self.keeps_ready(&row) {
            let devices = std::collections::BTreeSet::from([row.id.clone()]);
            row = PortRow { phase: Phase::Ready, spare: true, label: None, created: now(), devices, ..row };
            return Ok(self.ports.put(&row.id, &row)?);
        }
        if row.phase != Phase::Deleting || row.attached && !row.worn {
            row.phase = Phase::Deleting;
            // From here on it is no port for another container.
            row.worn = true;
            self.ports.put(&row.id, &row)?;
        }
        // What the background still writes to it.
        let _quiet = self.locks.lock_within(QUIET, "record", &row.id).await;
        match (&row.originals, &row.port) {
            _ if row.swarm => self.leave_reservation(&row).await?,
            (Some(originals), _) => self.give_back_port(&row, originals).await?,
            (None, Some(port)) => self.delete_own_port(&row, &port.id).await?,
            (None, None) if row.merged_into.is_some() => {}
            (None, None) => {
                // Its creation was begun.
                let found =
                    self.ports_of_reservation(&row).await.doing("find port of reservation", &row.id)?;
                for port in found {
                    self.delete_own_port(&row, &port.id).await?;
                }
            }
        }
        if is_late(row.late_until) {
            return Ok(());
        }
        self.ports.remove(&row.id)?;
        for group in row.groups {
            self.release_group(&group).await?;
        }
        Ok(())
    }

    /// Deletes a port of ours; one that is still in a trunk is taken out of it first.
    async fn delete_own_port(&self, row: &PortRow, id: &str) -> Result<()> {
        if let Some(trunk) = row.trunk.as_ref().filter(|_| row.attached) {
            self.guest.trunks.detach(trunk, id).await?;
        }
        let refused = match self.neutron.delete_port(id).await {
            Err(error) if error.is_conflict() => error,
            other => return other.doing("delete port", id),
        };
        // It came into the trunk after we had stopped waiting for that.
        let Some(trunk) = &row.trunk else { return Err(refused).doing("delete port", id) };
        self.guest.trunks.detach(trunk, id).await?;
        self.neutron.delete_port(id).await.doing("delete port", id)
    }

    /// Restores what differs, looking again when the port changed in between: agents do that after an unplug.
    async fn give_back_port(&self, row: &PortRow, originals: &Originals) -> Result<()> {
        for _ in 0..RETRIES {
            match self.try_give_back_port(row, originals).await {
                Err(Error::Cloud { source, .. }) if source.status() == Some(412) => {}
                other => return other,
            }
        }
        self.try_give_back_port(row, originals).await
    }

    async fn try_give_back_port(&self, row: &PortRow, originals: &Originals) -> Result<()> {
        let id = &originals.port_id;
        let port = match self.neutron.get_port(id).await {
            Err(e) if e.is_not_found() => return Ok(()),
            other => other.doing("get port", id)?,
        };
        if uses(row, originals, &port) && self.is_out_of_trunks(row, &port).await? {
            let mut restore = restoration(originals, &port);
            let mut revision = Some(port.revision_number);
            let bound = port.host_id.as_deref().is_some_and(|host| !host.is_empty());
            if bound && (restore.mac_address.is_some() || restore.extras.vnic_type.is_some()) {
                // These cannot change on a bound port. The device id keeps everybody else off until it is restored,
                // so the agent's report that the port is down may come in between.
                let unbind = PortUpdate { host_id: Some(String::new()), ..PortUpdate::default() };
                self.neutron.update_port(id, &unbind, revision).await.doing("unbind port", id)?;
                revision = None;
                restore.host_id = originals.host_id.clone().filter(|host| !host.is_empty());
            }
            if restore != PortUpdate::default() {
                let restored = self.neutron.update_port(id, &restore, revision).await;
                restored.doing("give back port", id)?;
            }
        }
        self.untag(originals, &port).await
    }

    /// Whether the port is in no trunk any more: out of ours it is taken, and what somebody else has put it into since
    /// is not ours to change. Neutron leaves the owner that a trunk gave it.
    async fn is_out_of_trunks(&self, row: &PortRow, port: &Port) -> Result<bool> {
        let Some(own) = row.trunk.as_ref().filter(|_| port.device_owner == names::SUBPORT_OWNER) else {
            return Ok(true);
        };
        let trunks = self.neutron.list_trunks(&[]).await.doing("find the trunk of port", &port.id)?;
        match trunks.into_iter().find(|trunk| trunk.sub_ports.iter().any(|s| s.port_id == port.id)) {
            Some(trunk) if trunk.id == *own => {
                self.guest.trunks.detach(own, &port.id).await?;
                Ok(true)
            }
            other => Ok(other.is_none()),
        }
    }

    async fn untag(&self, originals: &Originals, port: &Port) -> Result<()> {
        let had = originals.tags.iter().any(|t| t == names::PORT_EXISTING);
        if !had && port.tags.iter().any(|t| t == names::PORT_EXISTING) {
            match self.neutron.remove_tag(Taggable::Port, &port.id, names::PORT_EXISTING).await {
                Err(e) if e.is_not_found() => {}
                other => other.doing("untag port", &port.id)?,
            }
        }
        for tag in originals.strip.iter().filter(|tag| port.tags.contains(tag)) {
            match self.neutron.remove_tag(Taggable::Port, &port.id, tag).await {
                Err(e) if e.is_not_found() => {}
                other => other.doing("untag port", &port.id)?,
            }
        }
        Ok(())
    }
}

/// Whether the port still carries our ids; if not, somebody else has taken it since and it is left alone.
fn uses(row: &PortRow, originals: &Originals, port: &Port) -> bool {
    let owner = if row.trunk.is_some() && port.device_owner == names::SUBPORT_OWNER {
        names::DEVICE_OWNER
    } else {
        port.device_owner.as_str()
    };
    // Neutron makes no subport of a port that somebody has, so that one of ours may have no device id.
    let nobodys = row.trunk.is_some() && port.device_id == originals.device_id;
    owner == names::DEVICE_OWNER
        && (nobodys
            || row.devices.contains(&port.device_id)
            || (port.device_owner == originals.device_owner && port.device_id == originals.device_id))
}

/// What must be written for the port to be as it was found.
pub(crate) fn restoration(originals: &Originals, port: &Port) -> PortUpdate {
    let wanted = |ip: &FixedIp| WantedIp { subnet_id: ip.subnet_id.clone(), ip_address: Some(ip.ip_address) };
    let same_ips = port.fixed_ips.len() == originals.fixed_ips.len()
        && originals.fixed_ips.iter().all(|ip| port.fixed_ips.contains(ip));
    let host = originals.host_id.clone().unwrap_or_default();
    PortUpdate {
        name: differs(&port.name, &originals.name),
        admin_state_up: differs(&port.admin_state_up, &originals.admin_state_up),
        device_owner: differs(&port.device_owner, &originals.device_owner),
        device_id: differs(&port.device_id, &originals.device_id),
        fixed_ips: (!same_ips).then(|| originals.fixed_ips.iter().map(wanted).collect()),
        mac_address: differs(&port.mac_address, &originals.mac_address),
        security_groups: (!same_set(&port.security_groups, &originals.security_groups))
            .then(|| originals.security_groups.clone()),
        host_id: (port.host_id.clone().unwrap_or_default() != host).then_some(host),
        extras: originals.extras.as_ref().map(|found| extras(found, port)).unwrap_or_default(),
    }
}

fn extras(found: &OriginalExtras, port: &Port) -> PortExtras {
    PortExtras {
        vnic_type: found.vnic_type.clone().filter(|v| port.vnic_type.as_ref() != Some(v)),
        profile: differs(&port.profile, &found.profile),
        port_security_enabled: found.port_security.filter(|p| port.port_security_enabled != Some(*p)),
        qos_policy_id: differs(&port.qos_policy_id, &found.qos_policy),
        allowed_address_pairs: differs(&port.allowed_address_pairs, &found.pairs),
        dns_name: found.dns_name.clone().filter(|n| port.dns_name.as_ref() != Some(n)),
    }
}

fn differs<T: PartialEq + Clone>(now: &T, original: &T) -> Option<T> {
    (now != original).then(|| original.clone())
}
