//! Creation of an endpoint: one change of the port in Neutron, then its link on this host.

use ipnet::IpNet;
use openstack::MacAddr;
use openstack::network::{Port, PortUpdate};
use tokio::time::Instant;

use super::merge::addresses_to_set;
use crate::api::{CreatedEndpoint, EndpointRequest};
use crate::error::CloudContext;
use crate::expose::Opening;
use crate::service::{Inner, settle};
use crate::state::{EndpointRow, NetworkRow, Phase, PortRow};
use crate::{Error, Result, binding, names};

impl Inner {
    pub(crate) async fn create_endpoint(&self, request: EndpointRequest) -> Result<CreatedEndpoint> {
        let begun = Instant::now();
        names::check_docker_id("network", &request.network_id)?;
        names::check_docker_id("endpoint", &request.endpoint_id)?;
        let advice = "create the Docker network again";
        let absent = || Error::NotFound { what: "network", resource: request.network_id.clone(), advice };
        let network =
            self.networks.get(&request.network_id).filter(|n| n.phase == Phase::Ready).ok_or_else(absent)?;
        let addresses: Vec<IpNet> = [request.ipv4, request.ipv6].into_iter().flatten().collect();
        if addresses.is_empty() {
            let reason = "no address; use --ipam-driver kuryr".to_owned();
            return Err(Error::Invalid { what: "endpoint", resource: request.endpoint_id, reason });
        }
        // Addresses before the endpoint, as everywhere.
        let mut turns = Vec::new();
        for address in &addresses {
            let pool = self.holder(&network.id, *address).and_then(|row| row.pool).unwrap_or_default();
            turns.push(self.locks.lock("address", &format!("{pool} {}", address.addr())).await);
        }
        let _turn = self.locks.lock("endpoint", &request.endpoint_id).await;
        if let Some(row) = self.endpoints.get(&request.endpoint_id) {
            if row.phase == Phase::Ready {
                return Ok(CreatedEndpoint { mac: row.answered_mac });
            }
            self.undo_endpoint(row).await?;
        }
        let opening = if self.settings.process_external_connectivity && !request.exposed.is_empty() {
            Some(Opening::of(&request.exposed, request.ipv4.is_some(), request.ipv6.is_some())?)
        } else {
            None
        };
        let mut ports = Vec::new();
        for address in addresses {
            ports.push(self.port_for(&network, address, &request.endpoint_id).await?);
        }
        let ports = self.carrier_first(ports)?;
        let Some(carrier) = ports.first() else { return Err(absent()) };
        let mut row = EndpointRow {
            id: request.endpoint_id.clone(),
            phase: Phase::Creating,
            network: network.id.clone(),
            port: carrier.id.clone(),
            subnets: ports.iter().map(|p| p.subnet_id.clone()).collect(),
            plug: None,
            joined: false,
            answered_mac: None,
        };
        self.endpoints.put(&row.id, &row)?;
        if let Err(error) = self.plug(&mut row, ports, &network, request.mac, opening, begun).await {
            if let Err(error) = self.undo_endpoint(row).await {
                tracing::warn!(%error, "cannot undo the endpoint now, trying again later");
            }
            return Err(error);
        }
        Ok(CreatedEndpoint { mac: row.answered_mac })
    }

    /// The record of an address on a Docker network.
    fn holder(&self, network: &str, address: IpNet) -> Option<PortRow> {
        let holds =
            |p: &PortRow| p.network == network && p.address.is_some_and(|held| held.addr() == address.addr());
        self.ports.find(|p| p.phase == Phase::Ready && holds(p))
    }

    async fn port_for(&self, network: &NetworkRow, address: IpNet, endpoint: &str) -> Result<PortRow> {
        if let Some(row) = self.holder(&network.id, address) {
            return match &row.endpoint {
                Some(other) if other != endpoint => Err(Error::AddressTaken {
                    address: address.addr(),
                    owner: format!("endpoint {other}"),
                    port: row.port.map(|p| p.id).unwrap_or_default(),
                }),
                _ => Ok(row),
            };
        }
        // An address of a foreign IPAM driver: the port is made here and goes with the endpoint.
        let advice = "use --ipam-driver kuryr, or an address of the network";
        let absent =
            || Error::NotFound { what: "reservation of address", resource: address.to_string(), advice };
        let fits = |s: &&crate::state::SubnetRow| {
            s.pool.is_none() && s.cidr.is_some_and(|cidr| cidr.contains(&address.addr()))
        };
        let subnet = network.subnets.iter().find(fits).ok_or_else(absent)?;
        self.reserve(network, subnet, None, Some(address.addr())).await?;
        self.holder(&network.id, address).ok_or_else(absent)
    }

    async fn plug(
        &self,
        row: &mut EndpointRow,
        mut ports: Vec<PortRow>,
        network: &NetworkRow,
        mac: Option<MacAddr>,
        opening: Option<Opening>,
        begun: Instant,
    ) -> Result<()> {
        for port in &mut ports {
            port.endpoint = Some(row.id.clone());
            port.devices.insert(row.id.clone());
            if port.id == row.port {
                port.groups.extend(opening.iter().map(Opening::key));
            }
            self.ports.put(&port.id, port)?;
        }
        let Some((carrier, others)) = ports.split_first_mut() else { return Ok(()) };
        let group = match &opening {
            Some(opening) => Some(self.ensure_group(opening).await?),
            None => None,
        };
        self.merge(carrier, others).await?;
        let bound = match self.bind_port(row, carrier, others, mac, group.as_deref()).await {
            Err(Error::Cloud { source, .. })
                if source.is_not_found() && source.to_string().contains("ecurity") =>
            {
                // Somebody deleted our group in the cloud: make it anew, once.
                let (Some(opening), Some(deleted)) = (&opening, &group) else {
                    return Err(*source).doing("bind port", &row.port);
                };
                self.forget_group(&opening.key(), deleted).await?;
                let group = self.ensure_group(opening).await?;
                self.bind_port(row, carrier, others, mac, Some(&group)).await?
            }
            other => other?,
        };
        carrier.port = Some(bound.clone());
        self.ports.put(&carrier.id, carrier)?;
        let mtu = if network.mtu == 0 { self.settings.default_mtu } else { network.mtu };
        let plug = self.binding().validate(&bound, &row.id, mtu).await?;
        let turn = self.own_device(&row.id, &plug).await?;
        row.plug = Some(plug.clone());
        self.endpoints.put(&row.id, row)?;
        drop(turn);
        binding::setup(&self.host, &plug).await?;
        self.wait_active(&bound.id, begun).await?;
        // The MAC of a virtual function is the card's business: Docker is not to set it.
        row.answered_mac = (mac.is_none() && plug.slot().is_none()).then_some(bound.mac_address);
        row.phase = Phase::Ready;
        Ok(self.endpoints.put(&row.id, row)?)
    }

    /// Records the endpoint on the port, with everything else that differs, in one request.
    async fn bind_port(
        &self,
        row: &EndpointRow,
        carrier: &PortRow,
        others: &[PortRow],
        mac: Option<MacAddr>,
        group: Option<&str>,
    ) -> Result<Port> {
        let advice = "start the container again";
        let absent = || Error::NotFound { what: "port of endpoint", resource: row.id.clone(), advice };
        let port = carrier.port.as_ref().ok_or_else(absent)?;
        let mac = mac.filter(|mac| *mac != port.mac_address);
        if mac.is_some() {
            // Neutron refuses another MAC on a bound port.
            let unbind = PortUpdate { host_id: Some(String::new()), ..PortUpdate::default() };
            self.neutron.update_port(&port.id, &unbind, None).await.doing("unbind port", &port.id)?;
        }
        let update = PortUpdate {
            device_id: Some(row.id.clone()),
            // An adopted port keeps its name.
            name: carrier.originals.is_none().then(|| names::port_name(&row.id)),
            security_groups: group
                .filter(|g| !port.security_groups.iter().any(|has| has == g))
                .map(|group| port.security_groups.iter().cloned().chain([group.to_owned()]).collect()),
            fixed_ips: addresses_to_set(carrier, others),
            mac_address: mac,
            host_id: mac.map(|_| self.settings.host.clone()),
            ..PortUpdate::default()
        };
        let bound = self.neutron.update_port(&port.id, &update, None).await;
        let look = async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| p.device_id == row.id))
        };
        settle(bound, look).await.doing("bind port", &port.id)
    }
}
