//! Creation of an endpoint: a change of the port in Neutron if one is due, then its link on this host.

use std::sync::Arc;

use ipnet::IpNet;
use tokio::time::Instant;

use super::bind::Wanted;
use crate::api::{CreatedEndpoint, EndpointRequest};
use crate::expose::Opening;
use crate::options::PortOptions;
use crate::service::Inner;
use crate::state::{EndpointRow, NetworkRow, Phase, PortRow};
use crate::{Error, Result, names};

impl Inner {
    pub(crate) async fn create_endpoint(
        self: &Arc<Self>,
        request: EndpointRequest,
    ) -> Result<CreatedEndpoint> {
        let begun = Instant::now();
        names::check_docker_id("network", &request.network_id)?;
        names::check_docker_id("endpoint", &request.endpoint_id)?;
        let advice = "create the Docker network again";
        let absent = || Error::NotFound { what: "network", resource: request.network_id.clone(), advice };
        let network =
            self.networks.get(&request.network_id).filter(|n| n.phase == Phase::Ready).ok_or_else(absent)?;
        let options = PortOptions::of_endpoint(&request.options)?;
        let addresses: Vec<IpNet> = [request.ipv4, request.ipv6].into_iter().flatten().collect();
        // Addresses before the endpoint, as everywhere.
        let mut turns = Vec::new();
        for address in &addresses {
            let pool = self.holder(&network.id, *address).and_then(|row| row.pool).unwrap_or_default();
            turns.push(self.locks.lock("address", &format!("{pool} {}", address.addr())).await);
        }
        let _turn = self.locks.lock("endpoint", &request.endpoint_id).await;
        if let Some(row) = self.endpoints.get(&request.endpoint_id) {
            if row.phase == Phase::Ready {
                return Ok(answer(&row));
            }
            self.undo_endpoint(row).await?;
        }
        self.guest.check_endpoint(&options, request.mac, self.opens(&request))?;
        let attributes = self.resolve(&options).await?;
        attributes.check_under(&network.attributes)?;
        let opening = if self.opens(&request) { Some(Opening::of(&request.exposed)?) } else { None };
        let ports = self.reservations(&network, &addresses, &request).await?;
        let foreign = ports.iter().all(|p| p.pool.is_none());
        let prepared = self.prepare(&network, &addresses, &request, ports.clone());
        let (mut row, ports) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nobody else knows of ports made for this endpoint.
                for port in ports.into_iter().filter(|_| foreign) {
                    self.abandon_port(port, &error).await;
                }
                return Err(error);
            }
        };
        let wanted = Wanted { mac: request.mac, attributes, options, opening };
        match self.plug(&mut row, ports, &network, wanted, begun).await {
            Ok(unrecorded) => {
                if let Some(port) = unrecorded {
                    self.record_later(&port).await;
                }
                Ok(answer(&row))
            }
            Err(error) => {
                if let Err(error) = self.undo_endpoint(row).await {
                    tracing::warn!(%error, "cannot undo the endpoint now, trying again later");
                }
                Err(error)
            }
        }
    }

    /// Whether ports of the container are to be opened in a security group.
    fn opens(&self, request: &EndpointRequest) -> bool {
        self.settings.process_external_connectivity && !request.exposed.is_empty()
    }

    /// The records of the addresses: those reserved by our IPAM driver, or new ones.
    async fn reservations(
        &self,
        network: &NetworkRow,
        addresses: &[IpNet],
        request: &EndpointRequest,
    ) -> Result<Vec<PortRow>> {
        let mut held = Vec::new();
        for address in addresses {
            match self.holder(&network.id, *address) {
                Some(row) if row.endpoint.as_ref().is_some_and(|other| *other != request.endpoint_id) => {
                    self.note_refused(row.clone());
                    return Err(Error::AddressTaken {
                        address: address.addr(),
                        owner: format!("endpoint {}", row.endpoint.unwrap_or_default()),
                        port: row.port.map(|p| p.id).unwrap_or_default(),
                    });
                }
                Some(row) => held.push(row),
                None => {}
            }
        }
        if held.is_empty() {
            return self.reserve_foreign(network, addresses, request).await;
        }
        if held.len() < addresses.len() {
            let shown = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let advice = "use --ipam-driver kuryr, or an address of the network";
            return Err(Error::NotFound { what: "reservation of address", resource: shown, advice });
        }
        Ok(held)
    }

    /// Notes the endpoint before anything is changed for it.
    fn prepare(
        &self,
        network: &NetworkRow,
        addresses: &[IpNet],
        request: &EndpointRequest,
        ports: Vec<PortRow>,
    ) -> Result<(EndpointRow, Vec<PortRow>)> {
        let ports = self.carrier_first(ports)?;
        let advice = "create the Docker network again";
        let absent = || Error::NotFound { what: "network", resource: network.id.clone(), advice };
        let carrier = ports.first().ok_or_else(absent)?;
        let chosen = ports.iter().filter_map(|p| p.address).filter(|_| addresses.is_empty()).collect();
        let row = EndpointRow {
            id: request.endpoint_id.clone(),
            phase: Phase::Creating,
            network: network.id.clone(),
            port: carrier.id.clone(),
            subnets: ports.iter().map(|p| p.subnet_id.clone()).collect(),
            plug: None,
            joined: false,
            answered_mac: None,
            answered: chosen,
        };
        self.endpoints.put(&row.id, &row)?;
        Ok((row, ports))
    }

    /// The record of an address on a Docker network.
    fn holder(&self, network: &str, address: IpNet) -> Option<PortRow> {
        let holds =
            |p: &PortRow| p.network == network && p.address.is_some_and(|held| held.addr() == address.addr());
        self.ports.find(|p| p.phase == Phase::Ready && holds(p))
    }

    /// Changes the port if need be and plugs it. Answers the port's record if the endpoint's id is still to be written.
    async fn plug(
        &self,
        row: &mut EndpointRow,
        mut ports: Vec<PortRow>,
        network: &NetworkRow,
        mut wanted: Wanted,
        begun: Instant,
    ) -> Result<Option<PortRow>> {
        if let Some(carrier) = ports.first() {
            wanted.attributes = self.attributes_of(carrier, wanted.attributes);
        }
        let carrier = ports.first().and_then(|p| p.port.as_ref());
        if wanted.opening.is_some() && carrier.is_some_and(|port| !wanted.attributes.secures(port)) {
            tracing::info!(endpoint = row.id, "all ports are open: the port has no port security");
            wanted.opening = None;
        }
        let project = self.project_of(&network.id);
        for port in &mut ports {
            port.endpoint = Some(row.id.clone());
            port.spare = false;
            port.devices.insert(row.id.clone());
            if port.id == row.port {
                port.groups.extend(wanted.opening.iter().map(|o| o.key(project.as_deref())));
            }
            self.ports.put(&port.id, port)?;
        }
        let Some((carrier, others)) = ports.split_first_mut() else { return Ok(None) };
        self.merge(carrier, others).await?;
        self.release_for_mac(carrier, wanted.mac).await?;
        let bound = self.bind_port(row, carrier, others, &wanted).await?;
        // A virtual machine's credentials and call budget are small, and a subport must not have a device id at first.
        carrier.unrecorded =
            self.guest.mode().is_none() && carrier.originals.is_none() && bound.device_id != row.id;
        carrier.worn |= carrier.port.as_ref() != Some(&bound);
        carrier.port = Some(bound.clone());
        self.ports.put(&carrier.id, carrier)?;
        let mtu = if network.mtu == 0 { self.settings.default_mtu } else { network.mtu };
        let plug = self.binding().validate(&bound, &row.id, mtu, &network.subnets).await?;
        self.leave_old_trunk(carrier, plug.trunk()).await?;
        if plug.trunk().is_some() && (plug.trunk() != carrier.trunk.as_deref() || !carrier.attached) {
            carrier.trunk = plug.trunk().map(str::to_owned);
            carrier.attached = true;
            self.ports.put(&carrier.id, carrier)?;
        }
        let turn = self.own_device(&row.id, &plug).await?;
        row.plug = Some(plug.clone());
        self.endpoints.put(&row.id, row)?;
        drop(turn);
        self.binding().setup(&plug).await?;
        if let Some(corrected) = self.guest.corrected(&plug) {
            row.plug = Some(corrected);
        }
        if !self.guest.shares_port() {
            self.wait_active(&bound.id, begun).await?;
        }
        row.answered_mac = (wanted.mac.is_none() && plug.takes_mac()).then_some(bound.mac_address);
        row.phase = Phase::Ready;
        self.endpoints.put(&row.id, row)?;
        Ok(Some(carrier.clone()).filter(|c| c.unrecorded))
    }
}

fn answer(row: &EndpointRow) -> CreatedEndpoint {
    let of = |v6: bool| row.answered.iter().copied().find(|a| matches!(a, IpNet::V6(_)) == v6);
    CreatedEndpoint { mac: row.answered_mac, ipv4: of(false), ipv6: of(true) }
}
