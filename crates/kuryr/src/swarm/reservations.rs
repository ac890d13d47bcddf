//! Addresses on a manager: each is an unbound port. The request says neither network, node, task nor MAC.

use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{NewPort, Port, WantedIp};
use serde::{Deserialize, Serialize};

use super::holders::{self, Held};
use super::{Place, RESERVATION, description, is_reservation};
use crate::api::{AddressKind, AddressRequest};
use crate::error::CloudContext;
use crate::pools::no_gateway;
use crate::ports::{TAGGED_BULK, address_on};
use crate::service::{Inner, settle};
use crate::state::{Phase, late_until};
use crate::{Error, Result, names};

/// Attempts to get or create a port that others release at the same time.
pub(super) const ROUNDS: usize = 5;

/// A reservation that is being made or given up. What is made needs no record: Neutron's tags say all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReservationRow {
    /// Also in the port's description.
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// A request of its making was not answered: look again until then; milliseconds since 1970.
    pub(crate) late_until: Option<u64>,
    pub(crate) subnet: String,
    /// The tag it is held by.
    pub(crate) holder: String,
    /// `None`: Neutron chooses.
    pub(crate) address: Option<IpAddr>,
}

impl Inner {
    /// An address of a swarm network: one request where Neutron chooses it.
    pub(crate) async fn request_global_address(
        &self,
        place: &Place,
        request: &AddressRequest,
    ) -> Result<IpNet> {
        let asked = request.address.filter(|address| !address.is_unspecified());
        if let Some(outside) = asked.filter(|address| !place.contains(*address)) {
            let reason = format!("outside subnet {}; choose one inside", place.range);
            return Err(Error::Invalid { what: "address", resource: outside.to_string(), reason });
        }
        if request.kind == AddressKind::Gateway {
            return self.global_gateway(place, asked).await;
        }
        let port = match asked {
            Some(address) => self.reservation_of(place, address, holders::MANAGER, false).await?,
            None => self.new_reservation(place, None, holders::MANAGER).await?,
        };
        with_length(place, address_of(&port, place)?)
    }

    /// A gateway is never a port.
    async fn global_gateway(&self, place: &Place, asked: Option<IpAddr>) -> Result<IpNet> {
        let subnet = match self.swarm.of_subnet(&place.subnet) {
            Some(subnet) => subnet,
            None => self.neutron.get_subnet(&place.subnet).await.doing("get subnet", &place.subnet)?,
        };
        match (asked, subnet.gateway_ip) {
            (Some(asked), Some(has)) if asked != has => {
                let reason = format!(
                    "the gateway of {} is {has}; drop --gateway, or make the subnet with `openstack subnet create \
                     --gateway {asked}` and name it with --ipam-opt neutron.subnet.uuid",
                    place.range
                );
                Err(Error::Conflict { what: "gateway", resource: asked.to_string(), reason })
            }
            (None, None) => Ok(no_gateway(place.range)),
            (Some(address), _) | (None, Some(address)) => with_length(place, address),
        }
    }

    /// The reservation of a certain address, held by `mine`; made if there is none. `looked` as in [`Self::hold`].
    pub(super) async fn reservation_of(
        &self,
        place: &Place,
        address: IpAddr,
        mine: &str,
        looked: bool,
    ) -> Result<Port> {
        let _turn = self.locks.lock("reservation", &format!("{} {address} {mine}", place.subnet)).await;
        if mine == holders::MANAGER {
            // It is wanted again: what was still to be given up stays.
            let doomed = |r: &ReservationRow| {
                r.phase == Phase::Deleting && r.subnet == place.subnet && r.address == Some(address)
            };
            for row in self.reservations.all(doomed) {
                self.reservations.remove(&row.id)?;
            }
        }
        for _ in 0..ROUNDS {
            if let Some(port) = self.port_with(&place.subnet, address).await? {
                if !is_reservation(&port) {
                    return Err(crate::networks::taken(address, &port));
                }
                self.refuse_elsewhere(&port, address, mine)?;
                if let Held::Yes(port) = self.hold(port, mine, looked).await? {
                    return Ok(*port);
                }
                continue;
            }
            match self.new_reservation(place, Some(address), mine).await {
                // Somebody else was quicker.
                Err(Error::Cloud { source, .. }) if source.is_conflict() && !source.is_over_quota() => {}
                other => return other,
            }
        }
        let reason = "others take it and give it up all the time; try again".to_owned();
        Err(Error::Conflict { what: "address", resource: address.to_string(), reason })
    }

    /// A new port that holds an address.
    pub(super) async fn new_reservation(
        &self,
        place: &Place,
        address: Option<IpAddr>,
        mine: &str,
    ) -> Result<Port> {
        let mut row = ReservationRow {
            id: uuid::Uuid::new_v4().to_string(),
            phase: Phase::Creating,
            late_until: None,
            subnet: place.subnet.clone(),
            holder: mine.to_owned(),
            address,
        };
        self.reservations.put(&row.id, &row)?;
        let made = self.make_reservation(&row, place, mine).await;
        match made {
            Ok(port) => {
                self.reservations.remove(&row.id)?;
                Ok(port)
            }
            Err(error) => {
                row.late_until = late_until(&error);
                row.phase = Phase::Deleting;
                row.address = None;
                self.reservations.put(&row.id, &row)?;
                if !error.changed_nothing() || row.late_until.is_some() {
                    if let Err(error) = self.sweep_reservation(&row.id).await {
                        tracing::warn!(reservation = row.id, %error, "cannot undo the reservation now, trying again later");
                    }
                } else {
                    self.reservations.remove(&row.id)?;
                }
                Err(error)
            }
        }
    }

    async fn make_reservation(&self, row: &ReservationRow, place: &Place, mine: &str) -> Result<Port> {
        let tagged = self.has_extension(TAGGED_BULK).await;
        let text = description(&self.marks, &row.id);
        let new = NewPort {
            network_id: place.network.clone(),
            name: names::port_name(&row.id),
            admin_state_up: true,
            device_owner: RESERVATION.to_owned(),
            description: Some(text.clone()),
            fixed_ips: vec![WantedIp { subnet_id: place.subnet.clone(), ip_address: row.address }],
            tags: tagged.then(|| vec![mine.to_owned()]),
            ..NewPort::default()
        };
        let made = if tagged {
            let made = self.neutron.create_ports(std::slice::from_ref(&new)).await;
            made.and_then(|ports| {
                ports.into_iter().next().ok_or_else(|| openstack::Error::Decode {
                    service: "network",
                    operation: "create ports".to_owned(),
                    reason: "no port in the answer".to_owned(),
                })
            })
        } else {
            self.neutron.create_port(&new).await
        };
        let look = async { Ok(self.ports_described(&text).await?.into_iter().next()) };
        let port = settle(made, look).await.doing("create port on subnet", place.range.to_string())?;
        if !port.tags.iter().any(|tag| tag == mine) {
            self.tag_reservation(&port, mine).await?;
        }
        Ok(port)
    }

    async fn tag_reservation(&self, port: &Port, mine: &str) -> Result<()> {
        match self.hold(port.clone(), mine, true).await? {
            Held::Yes(_) => Ok(()),
            Held::Gone => {
                let reason = "it was deleted as soon as it was made; try again".to_owned();
                Err(Error::Conflict { what: "port", resource: port.id.clone(), reason })
            }
        }
    }

    /// Ports with a description, which is one record's alone.
    pub(super) async fn ports_described(&self, text: &str) -> openstack::Result<Vec<Port>> {
        let mut found = self.neutron.list_ports(&[("description", text)]).await?;
        found.retain(|port| port.description == text);
        Ok(found)
    }

    /// A manager's engine needs the address no more.
    pub(crate) async fn release_global_address(&self, place: &Place, address: IpAddr) -> Result<()> {
        let gateway = self.swarm.of_subnet(&place.subnet).and_then(|subnet| subnet.gateway_ip);
        if gateway == Some(address) || address.is_unspecified() {
            return Ok(());
        }
        let row = ReservationRow {
            id: uuid::Uuid::new_v4().to_string(),
            // Docker asks once; whatever fails now is finished by the sweeper.
            phase: Phase::Deleting,
            late_until: None,
            subnet: place.subnet.clone(),
            holder: holders::MANAGER.to_owned(),
            address: Some(address),
        };
        self.reservations.put(&row.id, &row)?;
        self.sweep_reservation(&row.id).await
    }

    /// Finishes the end of a reservation.
    pub(super) async fn sweep_reservation(&self, id: &str) -> Result<()> {
        let Some(row) = self.reservations.get(id) else { return Ok(()) };
        let address = row.address.map(|a| a.to_string()).unwrap_or_default();
        let key = format!("{} {address} {}", row.subnet, row.holder);
        let _turn = match row.address {
            Some(_) => Some(self.locks.lock("reservation", &key).await),
            None => None,
        };
        // It may have been wanted again.
        let Some(row) = self.reservations.get(id) else { return Ok(()) };
        match row.address.filter(|_| row.phase == Phase::Deleting) {
            Some(address) => self.release_held(&row.subnet, address, &row.holder).await?,
            None => {
                let text = description(&self.marks, &row.id);
                let made = self.ports_described(&text).await.doing("find port of reservation", &row.id)?;
                for port in made {
                    // We told nobody of it; somebody may have found it.
                    self.release_port(port, &row.holder).await?;
                }
            }
        }
        if crate::state::is_late(row.late_until) {
            return Ok(());
        }
        Ok(self.reservations.remove(&row.id)?)
    }
}

fn address_of(port: &Port, place: &Place) -> Result<IpAddr> {
    address_on(port, &place.subnet).ok_or_else(|| {
        let reason = "Neutron answered without an address on the subnet; try again".to_owned();
        Error::Conflict { what: "port", resource: port.id.clone(), reason }
    })
}

pub(super) fn with_length(place: &Place, address: IpAddr) -> Result<IpNet> {
    IpNet::new(address, place.range.prefix_len()).map_err(|_| Error::Invalid {
        what: "address",
        resource: address.to_string(),
        reason: format!("not of the family of {}", place.range),
    })
}
