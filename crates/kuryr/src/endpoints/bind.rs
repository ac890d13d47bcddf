//! The change of a port that an endpoint needs: what the user wants of it, and the endpoint's id along with it.

use openstack::MacAddr;
use openstack::network::{Port, PortUpdate};

use super::merge::addresses_to_set;
use crate::attributes::Attributes;
use crate::error::CloudContext;
use crate::existing_ports::{fits, same_set};
use crate::expose::Opening;
use crate::service::{Inner, settle};
use crate::state::{EndpointRow, PortRow};
use crate::{Error, Result, names};

/// What an endpoint wants of its port.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) mac: Option<MacAddr>,
    /// Of the endpoint alone; the network's are on the port already.
    pub(super) attributes: Attributes,
    pub(super) opening: Option<Opening>,
}

impl Inner {
    /// Makes the port as the endpoint wants it and answers it; without a request if it is so already.
    pub(super) async fn bind_port(
        &self,
        row: &EndpointRow,
        carrier: &PortRow,
        others: &[PortRow],
        wanted: &Wanted,
    ) -> Result<Port> {
        let project = self.project_of(&row.network);
        let group = match &wanted.opening {
            Some(opening) => Some(self.ensure_group(opening, project.as_deref()).await?),
            None => None,
        };
        let refused = match self.change_port(row, carrier, others, wanted, group.as_deref()).await {
            Err(Error::Cloud { source, .. })
                if source.is_not_found() && source.to_string().contains("ecurity") =>
            {
                source
            }
            other => return other,
        };
        // Somebody deleted a group in the cloud: names are looked up again the next time, ours is made anew, once.
        self.known_ids.forget();
        let (Some(opening), Some(deleted)) = (&wanted.opening, &group) else {
            return Err(*refused).doing("bind port", &row.port);
        };
        self.forget_group(&opening.key(project.as_deref()), deleted).await?;
        let group = self.ensure_group(opening, project.as_deref()).await?;
        self.change_port(row, carrier, others, wanted, Some(&group)).await
    }

    async fn change_port(
        &self,
        row: &EndpointRow,
        carrier: &PortRow,
        others: &[PortRow],
        wanted: &Wanted,
        group: Option<&str>,
    ) -> Result<Port> {
        let advice = "start the container again";
        let absent = || Error::NotFound { what: "port of endpoint", resource: row.id.clone(), advice };
        let port = carrier.port.as_ref().ok_or_else(absent)?;
        let extras = wanted.attributes.changes(port);
        let mut groups = wanted.attributes.groups(port);
        groups.extend(group.filter(|g| !groups.iter().any(|has| has == g)).map(str::to_owned));
        let mac = wanted.mac.filter(|mac| *mac != port.mac_address);
        // Neutron refuses these on a bound port.
        let rebind = mac.is_some() || extras.vnic_type.is_some();
        let update = PortUpdate {
            security_groups: Some(groups).filter(|groups| !same_set(groups, &port.security_groups)),
            fixed_ips: addresses_to_set(carrier, others),
            mac_address: mac,
            host_id: rebind.then(|| self.settings.host.clone()),
            extras,
            ..PortUpdate::default()
        };
        if update == PortUpdate::default() {
            return Ok(port.clone());
        }
        if rebind {
            let unbind = PortUpdate { host_id: Some(String::new()), ..PortUpdate::default() };
            self.neutron.update_port(&port.id, &unbind, None).await.doing("unbind port", &port.id)?;
        }
        let update = if carrier.originals.is_some() {
            // An existing port keeps its name, and has the reservation's id.
            update
        } else {
            PortUpdate { device_id: Some(row.id.clone()), name: renamed(carrier, port, &row.id), ..update }
        };
        let bound = self.neutron.update_port(&port.id, &update, None).await;
        let look = async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| fits(p, &update)))
        };
        let bound = settle(bound, look).await.doing("bind port", &port.id)?;
        for address in [carrier].into_iter().chain(others).filter_map(|r| r.address) {
            if !bound.fixed_ips.iter().any(|ip| ip.ip_address == address.addr()) {
                let reason = format!(
                    "it lost the address {} with the change; start the container again",
                    address.addr()
                );
                return Err(Error::Conflict { what: "port", resource: bound.id, reason });
            }
        }
        Ok(bound)
    }
}

/// The name with a new `device_id`; `None` where the port is called after its container.
pub(super) fn renamed(carrier: &PortRow, port: &Port, endpoint: &str) -> Option<String> {
    let called = carrier.label.as_deref().is_some_and(|label| port.name == names::labelled(label));
    (!called).then(|| names::port_name(endpoint))
}
