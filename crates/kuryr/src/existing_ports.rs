//! Ports that existed before: taken into use if provably nobody's, and changed in one request.

use std::net::IpAddr;

use openstack::network::{FixedIp, Port, PortExtras, PortUpdate, Taggable};

use crate::error::CloudContext;
use crate::networks::taken;
use crate::ports::{Place, Wish, address_on, first_device};
use crate::service::{Inner, settle};
use crate::state::{Originals, Phase, PortRow};
use crate::{Error, Result, names};

/// How often a port that changes is looked at before it counts as somebody's.
const LOOKS: u32 = 4;

/// How a port came to be free for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Free {
    /// Nothing uses it and no host has it.
    Unused,
    /// Somebody bound it to this host for a container (Zun does): its ids stay as they are.
    Prepared,
}

impl Inner {
    /// Takes an existing port into use, by its address or by its MAC.
    pub(crate) async fn adopt_port(
        &self,
        row: &mut PortRow,
        wish: &Wish<'_>,
        place: &Place,
        port: Port,
    ) -> Result<()> {
        let address = named_address(wish, place, &port)?;
        row.address = Some(place.with_length(address)?);
        let _turn = self.locks.lock("adoption", &port.id).await;
        let holder = self.ports.find(|p| {
            p.id != row.id
                && p.merged_into.is_none()
                && p.port.as_ref().is_some_and(|held| held.id == port.id)
        });
        if let Some(holder) = holder {
            // The second family of a dual-stack container, asked for on the same existing port.
            let joinable = holder.originals.is_some()
                && holder.endpoint.is_none()
                && holder.phase == Phase::Ready
                && holder.network == row.network
                && holder.subnet_id != row.subnet_id;
            if joinable {
                row.merged_into = Some(holder.id);
                return Ok(());
            }
            return Err(taken(address, &port));
        }
        let bound = self.grip(row, wish, place, port).await?;
        let id = bound.id.clone();
        let checked = self.binding().check(&bound);
        row.port = Some(bound);
        checked?;
        let tagged = self.neutron.add_tag(Taggable::Port, &id, names::PORT_EXISTING).await;
        let tagged = match tagged {
            Err(e) if e.effect_unknown() => {
                self.neutron.add_tag(Taggable::Port, &id, names::PORT_EXISTING).await
            }
            other => other,
        };
        tagged.doing("tag port", &id)
    }

    /// Binds the port, looking again when it changed since we looked: its agent may just have told that it is down after its
    /// former use. Whoever else took it meanwhile keeps it.
    async fn grip(&self, row: &mut PortRow, wish: &Wish<'_>, place: &Place, mut port: Port) -> Result<Port> {
        let mut looks = 1;
        loop {
            let address = named_address(wish, place, &port)?;
            let Some(free) = self.freedom(&port).await else { return Err(taken(address, &port)) };
            // Before the first change, so that it can be given back whatever happens.
            row.originals = Some(Originals::of(&port));
            row.port = Some(port.clone());
            self.ports.put(&row.id, row)?;
            match self.bind_existing(row, wish, &port, free).await {
                Err(e) if e.is_stale_revision() && looks < LOOKS => {
                    port = self.neutron.get_port(&port.id).await.doing("get port", &port.id)?;
                    looks += 1;
                }
                Err(e) if e.is_stale_revision() => return Err(taken(address, &port)),
                other => return other.doing("bind existing port", &port.id),
            }
        }
    }

    /// Everything that is wanted of it, in one request; none if it is all so already.
    async fn bind_existing(
        &self,
        row: &PortRow,
        wish: &Wish<'_>,
        port: &Port,
        free: Free,
    ) -> openstack::Result<Port> {
        let attributes = &wish.network.attributes;
        let unused = free == Free::Unused;
        let groups = Some(attributes.groups(port)).filter(|groups| *groups != port.security_groups);
        let mac = wish.mac.filter(|mac| *mac != port.mac_address);
        let update = PortUpdate {
            device_owner: unused.then(|| names::DEVICE_OWNER.to_owned()),
            // Neutron makes no subport of a port that somebody has.
            device_id: (row.trunk.is_none() && (unused || port.device_id.is_empty()))
                .then(|| first_device(row)),
            host_id: self.host_to_bind().filter(|_| unused),
            admin_state_up: (!port.admin_state_up).then_some(true),
            security_groups: groups,
            // A bound port keeps its MAC until the endpoint is made.
            mac_address: mac.filter(|_| unused),
            extras: attributes.changes(port),
            ..PortUpdate::default()
        };
        if update == PortUpdate::default() {
            return Ok(port.clone());
        }
        let bound = self.neutron.update_port(&port.id, &update, Some(port.revision_number)).await;
        let look = async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| fits(p, &update)))
        };
        settle(bound, look).await
    }

    /// Nobody uses the port: no owner, device or host; or it was prepared for a container on this very host (as
    /// Zun does), with no endpoint and no link of it here.
    async fn freedom(&self, port: &Port) -> Option<Free> {
        let bound = port.vif_type.as_deref().is_some_and(|vif| !matches!(vif, "" | "unbound"));
        let host = port.host_id.as_deref().unwrap_or_default();
        if port.device_owner.is_empty() && port.device_id.is_empty() && host.is_empty() && !bound {
            return Some(Free::Unused);
        }
        let prepared = self.guest.mode().is_none()
            && port.device_owner == names::DEVICE_OWNER
            && host == self.settings.host;
        // An endpoint of some Docker network, even one we have no record of.
        let endpoint = names::is_docker_id(&port.device_id)
            || (!port.device_id.is_empty() && port.name == names::port_name(&port.device_id));
        let tagged = port.tags.iter().any(|t| t == names::PORT_OURS || t == names::PORT_EXISTING);
        let free = prepared
            && !endpoint
            && !tagged
            && matches!(self.host.links.link_exists(&names::host_link(&port.id)).await, Ok(false));
        free.then_some(Free::Prepared)
    }
}

/// The address of an existing port Docker is told; refuses a MAC and an address that are of different ports.
fn named_address(wish: &Wish<'_>, place: &Place, port: &Port) -> Result<IpAddr> {
    let has = |address: &IpAddr| {
        port.fixed_ips.iter().any(|ip| ip.subnet_id == place.subnet && ip.ip_address == *address)
    };
    let found = match wish.address {
        Some(wanted) => Some(wanted).filter(has),
        None => address_on(port, &place.subnet),
    };
    found.ok_or_else(|| {
        let held: Vec<String> = port.fixed_ips.iter().map(|ip| ip.ip_address.to_string()).collect();
        let wanted =
            wish.address.map_or_else(|| "no address on this subnet".to_owned(), |a| format!("not {a}"));
        let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
        Error::Conflict {
            what: "MAC address",
            resource: port.mac_address.to_string(),
            reason: format!(
                "port {} has it, with {wanted} but {held}; correct --ip or --mac-address",
                port.id
            ),
        }
    })
}

/// Whether an update whose answer was lost has taken effect.
pub(crate) fn fits(port: &Port, update: &PortUpdate) -> bool {
    let same = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w == has);
    same(&update.device_id, &port.device_id)
        && same(&update.device_owner, &port.device_owner)
        && same(&update.host_id, port.host_id.as_deref().unwrap_or_default())
        && update.fixed_ips.as_ref().is_none_or(|ips| {
            ips.len() == port.fixed_ips.len()
                && ips.iter().all(|wanted| {
                    let meets = |ip: &FixedIp| {
                        ip.subnet_id == wanted.subnet_id
                            && wanted.ip_address.is_none_or(|a| a == ip.ip_address)
                    };
                    port.fixed_ips.iter().any(meets)
                })
        })
        && update.mac_address.is_none_or(|mac| mac == port.mac_address)
        && update.security_groups.as_ref().is_none_or(|groups| same_set(groups, &port.security_groups))
        && update.admin_state_up.is_none_or(|up| up == port.admin_state_up)
        && has_extras(port, &update.extras)
}

pub(crate) fn same_set(one: &[String], two: &[String]) -> bool {
    one.len() == two.len() && one.iter().all(|item| two.contains(item))
}

fn has_extras(port: &Port, extras: &PortExtras) -> bool {
    extras.vnic_type.as_ref().is_none_or(|v| port.vnic_type.as_ref() == Some(v))
        && extras.profile.as_ref().is_none_or(|p| port.profile == *p)
        && extras.port_security_enabled.is_none_or(|p| port.port_security_enabled == Some(p))
        && extras.qos_policy_id.as_ref().is_none_or(|q| port.qos_policy_id == *q)
        && extras.allowed_address_pairs.as_ref().is_none_or(|p| port.allowed_address_pairs.len() == p.len())
        && extras.dns_name.as_ref().is_none_or(|n| port.dns_name.as_ref() == Some(n))
}
