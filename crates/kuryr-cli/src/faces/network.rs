//! NetworkDriver on the network service.

use async_trait::async_trait;
use docker_plugin::network::{
    Capabilities, CreateEndpointRequest, CreateEndpointResponse, CreateNetworkRequest, DeleteNetworkRequest,
    EndpointInterface, EndpointRequest, InterfaceName, IpamData, JoinRequest, JoinResponse, StaticRoute,
};
use docker_plugin::{NetworkDriver, PluginError, Scope};
use kuryr::{EndpointRequest as Endpoint, ExposedPort, NetworkRequest, Service};
use serde_json::{Map, Value};

use super::{parse, parse_optional, refuse};
use crate::settings::NetworkPlugin;

/// Options that Docker itself adds start so.
const DOCKERS_OWN: &str = "com.docker.network.";

/// The driver.
#[derive(Debug)]
pub(crate) struct Networks {
    service: Service,
    scope: Scope,
}

impl Networks {
    pub(crate) fn new(service: Service, plugin: &NetworkPlugin) -> Self {
        Self { service, scope: plugin.face.scope }
    }
}

#[async_trait]
impl NetworkDriver for Networks {
    fn capabilities(&self) -> Capabilities {
        // Neutron's networks span hosts even where Docker's are local.
        Capabilities { scope: self.scope, connectivity_scope: Some(Scope::Global), gw_alloc_checker: false }
    }

    async fn create_network(&self, request: CreateNetworkRequest) -> Result<(), PluginError> {
        let network = NetworkRequest {
            id: request.network_id,
            options: request.options.generic(),
            internal: request.options.internal(),
            ipv4: request.ipv4_data.iter().map(ipam_data).collect::<Result<_, _>>()?,
            ipv6: request.ipv6_data.iter().map(ipam_data).collect::<Result<_, _>>()?,
        };
        self.service.create_network(network).await.map_err(refuse)
    }

    async fn delete_network(&self, request: DeleteNetworkRequest) -> Result<(), PluginError> {
        self.service.delete_network(&request.network_id).await.map_err(refuse)
    }

    async fn create_endpoint(
        &self,
        request: CreateEndpointRequest,
    ) -> Result<CreateEndpointResponse, PluginError> {
        let interface = &request.interface;
        let exposed = request.options.exposed_ports()?;
        let endpoint = Endpoint {
            network_id: request.network_id.clone(),
            endpoint_id: request.endpoint_id.clone(),
            ipv4: parse_optional("the address", &interface.address)?,
            ipv6: parse_optional("the IPv6 address", &interface.address_ipv6)?,
            mac: parse_optional("the MAC address", &interface.mac_address)?,
            exposed: exposed.iter().map(|p| ExposedPort { protocol: p.protocol, port: p.port }).collect(),
            options: request
                .options
                .0
                .iter()
                .filter(|(key, _)| !key.starts_with(DOCKERS_OWN))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        };
        let created = self.service.create_endpoint(endpoint).await.map_err(refuse)?;
        let mac_address = created.mac.map(|m| m.to_string()).unwrap_or_default();
        Ok(CreateEndpointResponse {
            interface: EndpointInterface { mac_address, ..EndpointInterface::default() },
        })
    }

    async fn delete_endpoint(&self, request: EndpointRequest) -> Result<(), PluginError> {
        self.service.delete_endpoint(&request.network_id, &request.endpoint_id).await.map_err(refuse)
    }

    async fn endpoint_info(&self, request: EndpointRequest) -> Result<Map<String, Value>, PluginError> {
        let info =
            self.service.endpoint_info(&request.network_id, &request.endpoint_id).await.map_err(refuse)?;
        Ok(info.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
    }

    async fn join(&self, request: JoinRequest) -> Result<JoinResponse, PluginError> {
        let joined = self.service.join(&request.network_id, &request.endpoint_id).await.map_err(refuse)?;
        let text = |address: Option<std::net::IpAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        Ok(JoinResponse {
            interface_name: InterfaceName { src_name: joined.source_name, dst_prefix: joined.prefix },
            gateway: text(joined.gateway),
            gateway_ipv6: text(joined.gateway6),
            static_routes: joined
                .routes
                .iter()
                .map(|route| match route.next_hop {
                    Some(hop) => StaticRoute::via(route.destination.to_string(), hop.to_string()),
                    None => StaticRoute::on_link(route.destination.to_string()),
                })
                .collect(),
            // Without it Docker would add a second interface with a way around the tenant's network.
            disable_gateway_service: true,
        })
    }

    async fn leave(&self, request: EndpointRequest) -> Result<(), PluginError> {
        self.service.leave(&request.network_id, &request.endpoint_id).await.map_err(refuse)
    }
}

fn ipam_data(data: &IpamData) -> Result<kuryr::IpamData, PluginError> {
    Ok(kuryr::IpamData {
        pool: parse("the subnet", &data.pool)?,
        gateway: parse_optional("the gateway", &data.gateway)?,
        aux: data
            .aux_addresses
            .values()
            .map(|a| parse("the auxiliary address", a))
            .collect::<Result<_, _>>()?,
    })
}
