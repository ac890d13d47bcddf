//! The change of a port that an endpoint needs: what the user wants of it, and the endpoint's id along with it.

use openstack::MacAddr;
use openstack::network::{Port, PortUpdate};

use super::merge::addresses_to_set;
use crate::attributes::Attributes;
use crate::error::CloudContext;
use crate::existing_ports::{fits, same_set};
use crate::expose::Opening;
use crate::options::PortOptions;
use crate::service::{Inner, settle};
use crate::state::{EndpointRow, PortRow};
use crate::{Error, Result, names};

/// What an endpoint wants of its port.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) mac: Option<MacAddr>,
    /// Of the endpoint alone; the network's are on the port already.
    pub(super) attributes: Attributes,
    /// Where `attributes` come from.
    pub(super) options: PortOptions,
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
            Err(Error::Cloud { source, .. }) if is_of_port(&source) => source,
            other => return other,
        };
        // Somebody deleted a group or policy in the cloud: ours is made anew, names are looked up again, once.
        let mut again = wanted.clone();
        let lost = group.as_deref().filter(|id| refused.to_string().contains(*id));
        let mut group = group.clone();
        match (&wanted.opening, lost) {
            (Some(opening), Some(deleted)) => {
                self.forget_group(&opening.key(project.as_deref()), deleted).await?;
                group = Some(self.ensure_group(opening, project.as_deref()).await?);
            }
            _ => {
                let afresh = self.resolve_afresh(&wanted.options).await?;
                again.attributes = self.attributes_of(carrier, afresh);
                if again.attributes == wanted.attributes {
                    return Err(*refused).doing("bind port", &row.port);
                }
            }
        }
        self.change_port(row, carrier, others, &again, group.as_deref()).await
    }

    /// What an endpoint wants of its port; a reservation was made without what the network wants.
    pub(super) fn attributes_of(&self, carrier: &PortRow, own: Attributes) -> Attributes {
        match self.networks.get(&carrier.network).filter(|_| carrier.swarm) {
            Some(network) => own.over(network.attributes),
            None => own,
        }
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
        let bound = port.host_id.as_ref().is_some_and(|host| !host.is_empty());
        let rebind = bound && (mac.is_some() || extras.vnic_type.is_some());
        let update = PortUpdate {
            security_groups: Some(groups).filter(|groups| !same_set(groups, &port.security_groups)),
            fixed_ips: addresses_to_set(carrier, others),
            mac_address: mac,
            host_id: self.host_to_bind().filter(|_| rebind),
            extras,
            ..PortUpdate::default()
        };
        if update == PortUpdate::default() && !carrier.swarm {
            return Ok(port.clone());
        }
        if rebind {
            let unbind = PortUpdate { host_id: Some(String::new()), ..PortUpdate::default() };
            self.neutron.update_port(&port.id, &unbind, None).await.doing("unbind port", &port.id)?;
        }
        let update = if carrier.swarm {
            // Until now it only held the address.
            PortUpdate {
                device_owner: Some(names::DEVICE_OWNER.to_owned()),
                device_id: Some(row.id.clone()),
                host_id: self.host_to_bind(),
                ..update
            }
        } else if carrier.originals.is_some() {
            // An existing port keeps its name, and has the reservation's id.
            update
        } else {
            // Neutron makes no subport of a port that somebody has.
            let device_id = carrier.trunk.is_none().then(|| row.id.clone());
            PortUpdate { device_id, name: renamed(carrier, port, &row.id), ..update }
        };
        let bound = self.neutron.update_port(&port.id, &update, None).await;
        let look = async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| fits(p, &update)))
        };
        let bound = settle(bound, look).await.doing("bind port", &port.id)?;
        if carrier.swarm {
            self.check_held(&bound)?;
        }
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

/// Neutron does not know something the port was to have.
fn is_of_port(refused: &openstack::Error) -> bool {
    let text = refused.to_string().to_lowercase();
    refused.is_not_found() && (text.contains("security") || text.contains("policy"))
}

/// The name with a new `device_id`; `None` where the port is called after its container.
pub(super) fn renamed(carrier: &PortRow, port: &Port, endpoint: &str) -> Option<String> {
    let called = carrier.label.as_deref().is_some_and(|label| port.name == names::labelled(label));
    (!called).then(|| names::port_name(endpoint))
}
