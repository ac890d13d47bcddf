//! The end of a port: ours is deleted, an adopted one is given back exactly as found.

use openstack::network::{Port, PortExtras, PortUpdate, Taggable, WantedIp};

use crate::error::CloudContext;
use crate::names;
use crate::service::Inner;
use crate::state::{Originals, Phase, PortRow, is_late};
use crate::{Error, Result};

/// Repetitions when a port changes under our hands.
const RETRIES: usize = 3;

impl Inner {
    /// Removes what the record says and then the record.
    pub(crate) async fn dismantle_port(&self, mut row: PortRow) -> Result<()> {
        if row.phase != Phase::Deleting {
            row.phase = Phase::Deleting;
            self.ports.put(&row.id, &row)?;
        }
        match (&row.originals, &row.port) {
            (Some(originals), _) => self.give_back_port(&row, originals).await?,
            (None, Some(port)) => {
                self.neutron.delete_port(&port.id).await.doing("delete port", &port.id)?;
            }
            (None, None) if row.merged_into.is_some() => {}
            (None, None) => {
                // Its creation was begun; the device id is ours alone.
                for port in self.ports_of_device(&row.id).await.doing("find port of reservation", &row.id)? {
                    self.neutron.delete_port(&port.id).await.doing("delete port", port.id)?;
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
        if uses(row, originals, &port) {
            let mut revision = port.revision_number;
            if port.mac_address != originals.mac_address {
                // A bound port's MAC cannot change; the device id still says that it is ours to restore.
                let unbind = PortUpdate { host_id: Some(String::new()), ..PortUpdate::default() };
                let unbound = self.neutron.update_port(id, &unbind, Some(revision)).await;
                revision = unbound.doing("unbind port", id)?.revision_number;
            }
            let restore = PortUpdate {
                name: differs(&port.name, &originals.name),
                admin_state_up: differs(&port.admin_state_up, &originals.admin_state_up),
                device_owner: Some(originals.device_owner.clone()),
                device_id: Some(originals.device_id.clone()),
                fixed_ips: differs(&port.fixed_ips, &originals.fixed_ips).map(|ips| {
                    let wanted = |ip: openstack::network::FixedIp| WantedIp {
                        subnet_id: ip.subnet_id,
                        ip_address: Some(ip.ip_address),
                    };
                    ips.into_iter().map(wanted).collect()
                }),
                mac_address: differs(&port.mac_address, &originals.mac_address),
                security_groups: differs(&port.security_groups, &originals.security_groups),
                host_id: Some(originals.host_id.clone().unwrap_or_default()),
                extras: PortExtras::default(),
            };
            let restored = self.neutron.update_port(id, &restore, Some(revision)).await;
            restored.doing("give back port", id)?;
        }
        let had = originals.tags.iter().any(|t| t == names::PORT_EXISTING);
        if !had && port.tags.iter().any(|t| t == names::PORT_EXISTING) {
            match self.neutron.remove_tag(Taggable::Port, id, names::PORT_EXISTING).await {
                Err(e) if e.is_not_found() => {}
                other => other.doing("untag port", id)?,
            }
        }
        Ok(())
    }
}

/// Whether the port still carries our ids; if not, somebody else has taken it since and it is left alone.
fn uses(row: &PortRow, originals: &Originals, port: &Port) -> bool {
    port.device_owner == names::DEVICE_OWNER
        && (row.devices.contains(&port.device_id)
            || (port.device_owner == originals.device_owner && port.device_id == originals.device_id))
}

fn differs<T: PartialEq + Clone>(now: &T, original: &T) -> Option<T> {
    (now != original).then(|| original.clone())
}
