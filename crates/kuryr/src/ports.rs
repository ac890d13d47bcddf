//! Reservations: a new port for an address, or an existing port that nobody uses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{NewPort, Port, PortUpdate, Taggable, WantedIp};

use crate::error::CloudContext;
use crate::networks::taken;
use crate::service::{Inner, settle};
use crate::state::{NetworkRow, Originals, Phase, PoolRow, PortRow, SubnetRow, late_until, now};
use crate::{Error, Result, names};

/// Extension that takes a port's tags in the bulk request that creates it.
pub(crate) const TAGGED_BULK: &str = "tag-ports-during-bulk-creation";

impl Inner {
    /// A port with an address of the subnet: one request, unless a certain address is somebody's.
    pub(crate) async fn reserve(
        &self,
        network: &NetworkRow,
        subnet: &SubnetRow,
        pool: Option<&PoolRow>,
        wanted: Option<IpAddr>,
    ) -> Result<IpNet> {
        let advice = "remove the Docker network and create it again";
        let absent = || Error::NotFound { what: "subnet of network", resource: network.id.clone(), advice };
        let (Some(neutron_network), Some(subnet_id), Some(cidr)) =
            (&network.neutron_id, &subnet.id, subnet.cidr)
        else {
            return Err(absent());
        };
        let answer = |ip: IpAddr| IpNet::new(ip, cidr.prefix_len()).map_err(|_| absent());
        let mut row = PortRow {
            id: uuid::Uuid::new_v4().to_string(),
            phase: Phase::Creating,
            late_until: None,
            pool: pool.map(|p| p.id.clone()),
            network: network.id.clone(),
            subnet_id: subnet_id.clone(),
            address: wanted.map(answer).transpose()?,
            port: None,
            originals: None,
            merged_into: None,
            endpoint: None,
            devices: BTreeSet::new(),
            groups: BTreeSet::new(),
            created: now(),
        };
        row.devices.insert(row.id.clone());
        self.ports.put(&row.id, &row)?;
        let outcome = match self.new_port(&row.id, neutron_network, subnet_id, wanted).await {
            Ok(port) => self.take_new(&mut row, port, answer),
            Err(error) if error.is_conflict() && !error.is_over_quota() && wanted.is_some() => {
                self.adopt_port(&mut row, wanted, error).await
            }
            Err(error) => Err(error).doing("create port on subnet", cidr.to_string()),
        };
        let outcome = outcome.and_then(|()| {
            row.phase = Phase::Ready;
            self.ports.put(&row.id, &row)?;
            row.address.ok_or_else(absent)
        });
        if let Err(error) = &outcome {
            self.abandon_port(row, error).await;
        }
        outcome
    }

    async fn new_port(
        &self,
        id: &str,
        network: &str,
        subnet: &str,
        wanted: Option<IpAddr>,
    ) -> openstack::Result<Port> {
        let mut new = NewPort {
            network_id: network.to_owned(),
            name: names::port_name(id),
            admin_state_up: true,
            device_owner: names::DEVICE_OWNER.to_owned(),
            device_id: id.to_owned(),
            fixed_ips: vec![WantedIp { subnet_id: subnet.to_owned(), ip_address: wanted }],
            host_id: Some(self.settings.host.clone()),
            ..NewPort::default()
        };
        let made = if self.has_extension(TAGGED_BULK).await {
            new.tags = Some(vec![names::PORT_OURS.to_owned()]);
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
        settle(made, async { Ok(self.ports_of_device(id).await?.into_iter().next()) }).await
    }

    pub(crate) async fn ports_of_device(&self, device: &str) -> openstack::Result<Vec<Port>> {
        let mut found = self.neutron.list_ports(&[("device_id", device)]).await?;
        found.retain(|p| p.device_id == device);
        Ok(found)
    }

    fn take_new(
        &self,
        row: &mut PortRow,
        port: Port,
        answer: impl Fn(IpAddr) -> Result<IpNet>,
    ) -> Result<()> {
        let address = port.fixed_ips.iter().find(|ip| ip.subnet_id == row.subnet_id).map(|ip| ip.ip_address);
        let bound = self.binding().check(&port);
        let resource = port.id.clone();
        row.port = Some(port);
        let Some(address) = address else {
            let reason = "Neutron answered without an address on the subnet; try again".to_owned();
            return Err(Error::Conflict { what: "port", resource, reason });
        };
        row.address = Some(answer(address)?);
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

    /// Takes an existing port into use for the address, if it is provably nobody's.
    async fn adopt_port(
        &self,
        row: &mut PortRow,
        wanted: Option<IpAddr>,
        refused: openstack::Error,
    ) -> Result<()> {
        let Some(address) = wanted else {
            return Err(refused).doing("create port", row.id.clone());
        };
        let Some(port) = self.port_with(&row.subnet_id, address).await? else {
            return Err(refused).doing("create port with address", address.to_string());
        };
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
        if !self.is_free(&port).await {
            return Err(taken(address, &port));
        }
        // Before the first change, so that it can be given back whatever happens.
        row.originals = Some(Originals::of(&port));
        row.port = Some(port.clone());
        self.ports.put(&row.id, row)?;
        let update = PortUpdate {
            device_owner: Some(names::DEVICE_OWNER.to_owned()),
            device_id: Some(row.id.clone()),
            host_id: Some(self.settings.host.clone()),
            admin_state_up: Some(true),
            ..PortUpdate::default()
        };
        let bound = self.neutron.update_port(&port.id, &update, Some(port.revision_number)).await;
        let bound = settle(bound, async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| p.device_id == row.id))
        });
        let bound = match bound.await {
            Err(e) if e.status() == Some(412) => return Err(taken(address, &port)),
            other => other.doing("bind existing port", &port.id)?,
        };
        let checked = self.binding().check(&bound);
        row.port = Some(bound);
        checked?;
        let tagged = self.neutron.add_tag(Taggable::Port, &port.id, names::PORT_EXISTING).await;
        let tagged = match tagged {
            Err(e) if e.effect_unknown() => {
                self.neutron.add_tag(Taggable::Port, &port.id, names::PORT_EXISTING).await
            }
            other => other,
        };
        tagged.doing("tag port", &port.id)
    }

    /// Nobody uses the port: no owner, device or host; or it was prepared for a container on this very host (as
    /// Zun does), with no endpoint and no link of it here.
    async fn is_free(&self, port: &Port) -> bool {
        let bound = port.vif_type.as_deref().is_some_and(|vif| !matches!(vif, "" | "unbound"));
        let host = port.host_id.as_deref().unwrap_or_default();
        if port.device_owner.is_empty() && port.device_id.is_empty() && host.is_empty() && !bound {
            return true;
        }
        let prepared = port.device_owner == names::DEVICE_OWNER && host == self.settings.host;
        // An endpoint of some Docker network, even one we have no record of.
        let endpoint = names::is_docker_id(&port.device_id)
            || (!port.device_id.is_empty() && port.name == names::port_name(&port.device_id));
        let tagged = port.tags.iter().any(|t| t == names::PORT_OURS || t == names::PORT_EXISTING);
        prepared
            && !endpoint
            && !tagged
            && matches!(self.host.links.link_exists(&names::host_link(&port.id)).await, Ok(false))
    }

    /// Undoes a reservation that failed; what cannot be undone now is tried again later.
    async fn abandon_port(&self, mut row: PortRow, cause: &Error) {
        row.phase = Phase::Deleting;
        if row.port.is_none() {
            // What may still come is nobody's address.
            row.late_until = late_until(cause);
            row.address = None;
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
