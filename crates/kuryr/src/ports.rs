//! Reservations: a new port for an address, unless a certain address or MAC is somebody's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::MacAddr;
use openstack::network::{NewPort, Port, WantedIp};

use crate::error::CloudContext;
use crate::service::{Inner, settle};
use crate::state::{NetworkRow, Phase, PoolRow, PortRow, SubnetRow, late_until, now};
use crate::{Error, Result, names};

/// Extension that takes a port's tags in the bulk request that creates it.
pub(crate) const TAGGED_BULK: &str = "tag-ports-during-bulk-creation";

/// What is to be reserved.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) network: &'a NetworkRow,
    pub(crate) subnet: &'a SubnetRow,
    /// `None`: the address is not from our IPAM driver.
    pub(crate) pool: Option<&'a PoolRow>,
    /// A certain address; otherwise Neutron chooses.
    pub(crate) address: Option<IpAddr>,
    /// A certain MAC; otherwise Neutron chooses.
    pub(crate) mac: Option<MacAddr>,
    /// The container's name.
    pub(crate) label: Option<String>,
    /// `device_id` of a new port, where the endpoint is known already.
    pub(crate) device: Option<String>,
    /// Addresses of the other family on the same port.
    pub(crate) others: Vec<(&'a SubnetRow, Option<IpAddr>)>,
}

/// Where a reservation stands in Neutron.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) network: String,
    pub(crate) subnet: String,
    cidr: IpNet,
}

impl Place {
    pub(crate) fn of(network: &NetworkRow, subnet: &SubnetRow) -> Result<Self> {
        match (&network.neutron_id, &subnet.id, subnet.cidr) {
            (Some(network), Some(subnet), Some(cidr)) => {
                Ok(Self { network: network.clone(), subnet: subnet.clone(), cidr })
            }
            _ => Err(absent(network)),
        }
    }

    /// An address as Docker wants it: with the subnet's length.
    pub(crate) fn with_length(&self, address: IpAddr) -> Result<IpNet> {
        IpNet::new(address, self.cidr.prefix_len()).map_err(|_| Error::Invalid {
            what: "address",
            resource: address.to_string(),
            reason: format!("not of the family of {}", self.cidr),
        })
    }
}

fn absent(network: &NetworkRow) -> Error {
    let advice = "remove the Docker network and create it again";
    Error::NotFound { what: "subnet of network", resource: network.id.clone(), advice }
}

/// The address of a port on a subnet.
pub(crate) fn address_on(port: &Port, subnet: &str) -> Option<IpAddr> {
    port.fixed_ips.iter().find(|ip| ip.subnet_id == subnet).map(|ip| ip.ip_address)
}

/// Neutron derives the address from the MAC and got another one than the user named.
pub(crate) fn refuse_derived(wanted: Option<IpAddr>, got: IpAddr, mac: MacAddr) -> Result<()> {
    match wanted.filter(|wanted| *wanted != got) {
        Some(wanted) => Err(Error::Conflict {
            what: "address",
            resource: wanted.to_string(),
            reason: format!(
                "Neutron derives {got} from the MAC {mac} on this subnet; drop --ip6 or name that"
            ),
        }),
        None => Ok(()),
    }
}

/// The `device_id` a port gets with its reservation.
pub(crate) fn first_device(row: &PortRow) -> String {
    row.devices.first().cloned().unwrap_or_else(|| row.id.clone())
}

impl Wish<'_> {
    /// A record of it that nothing has been made for yet.
    pub(crate) fn row(&self, place: &Place) -> Result<PortRow> {
        let id = uuid::Uuid::new_v4().to_string();
        let device = self.device.clone().unwrap_or_else(|| id.clone());
        Ok(PortRow {
            phase: Phase::Creating,
            late_until: None,
            pool: self.pool.map(|p| p.id.clone()),
            network: self.network.id.clone(),
            subnet_id: place.subnet.clone(),
            address: self.address.map(|a| place.with_length(a)).transpose()?,
            port: None,
            originals: None,
            merged_into: None,
            endpoint: None,
            devices: BTreeSet::from([device]),
            groups: BTreeSet::new(),
            trunk: None,
            attached: false,
            spare: false,
            worn: false,
            label: self.label.clone(),
            unrecorded: false,
            mac: self.mac,
            swarm: false,
            refused: Vec::new(),
            created: now(),
            id,
        })
    }

    fn fixed_ips(&self, place: &Place) -> Vec<WantedIp> {
        let on = |subnet: &SubnetRow, id: &str, address: Option<IpAddr>| WantedIp {
            subnet_id: id.to_owned(),
            // Neutron refuses wishes where it derives addresses.
            ip_address: address.filter(|_| !subnet.derives_addresses()),
        };
        let others = self.others.iter().filter_map(|(s, a)| Some(on(s, s.id.as_deref()?, *a)));
        [on(self.subnet, &place.subnet, self.address)].into_iter().chain(others).collect()
    }
}

impl Inner {
    /// A port with an address of the subnet: one request, unless a certain address or MAC is somebody's.
    pub(crate) async fn reserve(&self, wish: &Wish<'_>) -> Result<PortRow> {
        let place = Place::of(wish.network, wish.subnet)?;
        let trunk = self.guest.trunk().await?;
        let mut row = PortRow { trunk, ..wish.row(&place)? };
        self.ports.put(&row.id, &row)?;
        let outcome = self.fill(&mut row, wish, &place).await;
        let outcome = outcome.and_then(|()| {
            row.phase = Phase::Ready;
            Ok(self.ports.put(&row.id, &row)?)
        });
        match outcome {
            Ok(()) => Ok(row),
            Err(error) => {
                self.abandon_port(row, &error).await;
                Err(error)
            }
        }
    }

    async fn fill(&self, row: &mut PortRow, wish: &Wish<'_>, place: &Place) -> Result<()> {
        // On somebody else's network a certain address is probably that of a port made for the purpose.
        if wish.network.adopted
            && wish.pool.is_some()
            && let Some(address) = wish.address
            && let Some(port) = self.port_with(&place.subnet, address).await?
        {
            return self.adopt_port(row, wish, place, port).await;
        }
        let refused = match self.new_port(row, wish, place).await {
            Ok(port) => return self.take_new(row, wish, place, port),
            Err(error) => error,
        };
        let rival = if !refused.is_conflict() || refused.is_over_quota() {
            None
        } else if let Some(mac) = wish.mac.filter(|_| refused.is_kind("MacAddressInUse")) {
            self.port_of_mac(&place.network, mac).await?
        } else if let Some(address) = wish.address {
            self.port_with(&place.subnet, address).await?
        } else {
            None
        };
        match rival {
            Some(port) => self.adopt_port(row, wish, place, port).await,
            None => {
                if refused.is_not_found() {
                    // One of the groups or policies is gone: look them up again the next time.
                    self.known_ids.forget();
                }
                Err(refused).doing("create port on subnet", place.cidr.to_string())
            }
        }
    }

    /// The request for a port of a reservation. `tagged`: its tags may ride along.
    pub(crate) fn port_to_make(
        &self,
        row: &PortRow,
        wish: &Wish<'_>,
        place: &Place,
        tagged: bool,
    ) -> NewPort {
        let device = first_device(row);
        let attributes = &wish.network.attributes;
        NewPort {
            network_id: place.network.clone(),
            // Without a tag the name is what the port is known by.
            name: row
                .label
                .as_deref()
                // One that is kept is the next container's.
                .filter(|_| tagged && self.most_spares() == 0)
                .map_or_else(|| names::port_name(&device), names::labelled),
            admin_state_up: true,
            device_owner: names::DEVICE_OWNER.to_owned(),
            // Neutron makes no subport of a port that somebody has.
            device_id: if row.trunk.is_some() { String::new() } else { device },
            description: Some(self.marks.port_description(&row.id)),
            fixed_ips: wish.fixed_ips(place),
            mac_address: wish.mac,
            security_groups: attributes.security_groups.clone(),
            host_id: self.host_to_bind(),
            extras: attributes.extras(),
            project_id: self.project_of(&row.network),
            tags: tagged.then(|| vec![names::PORT_OURS.to_owned()]),
        }
    }

    async fn new_port(&self, row: &PortRow, wish: &Wish<'_>, place: &Place) -> openstack::Result<Port> {
        let tagged = self.has_extension(TAGGED_BULK).await;
        let new = self.port_to_make(row, wish, place, tagged);
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
        settle(made, async { Ok(self.ports_of_reservation(row).await?.into_iter().next()) }).await
    }

    /// The host ports are bound to; `None` inside a virtual machine, which no agent of Neutron knows: there they are bound
    /// by their trunk, or never.
    pub(crate) fn host_to_bind(&self) -> Option<String> {
        self.guest.mode().is_none().then(|| self.settings.host.clone())
    }

    /// What was made for a reservation: its device ids are ours alone, and where a port must have none, its mark is.
    pub(crate) async fn ports_of_reservation(&self, row: &PortRow) -> openstack::Result<Vec<Port>> {
        let mut all = Vec::new();
        if row.trunk.is_some() {
            let description = self.marks.port_description(&row.id);
            all = self.neutron.list_ports(&[("description", &description)]).await?;
            all.retain(|port| port.description == description);
            return Ok(all);
        }
        for device in &row.devices {
            all.extend(self.ports_of_device(device).await?);
        }
        Ok(all)
    }

    /// The project to make things in for a Docker network; `None` for the credentials' own.
    pub(crate) fn project_of(&self, network: &str) -> Option<String> {
        self.networks.get(network)?.project.filter(|_| self.settings.use_network_project)
    }

    pub(crate) async fn ports_of_device(&self, device: &str) -> openstack::Result<Vec<Port>> {
        let mut found = self.neutron.list_ports(&[("device_id", device)]).await?;
        found.retain(|p| p.device_id == device);
        Ok(found)
    }

    pub(crate) fn take_new(
        &self,
        row: &mut PortRow,
        wish: &Wish<'_>,
        place: &Place,
        port: Port,
    ) -> Result<()> {
        let address = address_on(&port, &place.subnet);
        let bound = self.binding().check(&port);
        let (resource, mac) = (port.id.clone(), port.mac_address);
        row.port = Some(port);
        let Some(address) = address else {
            let reason = "Neutron answered without an address on the subnet; try again".to_owned();
            return Err(Error::Conflict { what: "port", resource, reason });
        };
        row.address = Some(place.with_length(address)?);
        refuse_derived(wish.address.filter(|_| wish.subnet.derives_addresses()), address, mac)?;
        bound
    }

    /// The port that has an address of a subnet.
    pub(crate) async fn port_with(&self, subnet: &str, address: IpAddr) -> Result<Option<Port>> {
        let (by_subnet, by_address) = (format!("subnet_id={subnet}"), format!("ip_address={address}"));
        let filters = [("fixed_ips", by_subnet.as_str()), ("fixed_ips", by_address.as_str())];
        let found =
            self.neutron.list_ports(&filters).await.doing("find the port of address", address.to_string())?;
        let has = |p: &Port| p.fixed_ips.iter().any(|ip| ip.subnet_id == subnet && ip.ip_address == address);
        Ok(found.into_iter().find(has))
    }

    /// The port that has a MAC on a network.
    async fn port_of_mac(&self, network: &str, mac: MacAddr) -> Result<Option<Port>> {
        let text = mac.to_string();
        let filters = [("network_id", network), ("mac_address", text.as_str())];
        let found = self.neutron.list_ports(&filters).await.doing("find the port of MAC", &text)?;
        Ok(found.into_iter().find(|p| p.network_id == network && p.mac_address == mac))
    }

    /// Undoes a reservation that failed; what cannot be undone now is tried again later.
    pub(crate) async fn abandon_port(&self, mut row: PortRow, cause: &Error) {
        row.phase = Phase::Deleting;
        if row.port.is_none() {
            // What may still come is nobody's address.
            row.late_until = late_until(cause);
            // By its address a reservation is found that may have our tag already.
            row.address = row.address.filter(|_| row.swarm);
        }
        if let Err(error) = self.ports.put(&row.id, &row) {
            tracing::error!(port = row.id, %error, "cannot note that the port is to be removed");
        }
        let id = row.id.clone();
        if let Err(error) = self.dismantle_port(row).await {
            tracing::warn!(port = id, %error, "cannot undo the reservation now, trying again later");
        }
    }
}
