//! NetworkDriver on the network service.

use async_trait::async_trait;
use docker_plugin::network::{
    AllocateNetworkRequest, AllocateNetworkResponse, Capabilities, CreateEndpointRequest,
    CreateEndpointResponse, CreateNetworkRequest, DeleteNetworkRequest, EndpointInterface, EndpointRequest,
    FreeNetworkRequest, InterfaceName, IpamData, JoinRequest, JoinResponse, StaticRoute,
};
use docker_plugin::{NetworkDriver, PluginError, Scope, options};
use kuryr::{AllocationRequest, EndpointRequest as Endpoint, ExposedPort, NetworkRequest, Service};
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
    /// Names of our address spaces.
    spaces: [String; 2],
}

impl Networks {
    pub(crate) fn new(service: Service, plugin: &NetworkPlugin) -> Self {
        let spaces = [plugin.face.local_space.clone(), plugin.face.global_space.clone()];
        Self { service, scope: plugin.face.scope, spaces }
    }
}

#[async_trait]
impl NetworkDriver for Networks {
    fn capabilities(&self) -> Capabilities {
        // Neutron's networks span hosts even where Docker's are local.
        Capabilities { scope: self.scope, connectivity_scope: Some(Scope::Global), gw_alloc_checker: false }
    }

    async fn allocate_network(
        &self,
        request: AllocateNetworkRequest,
    ) -> Result<AllocateNetworkResponse, PluginError> {
        if self.scope == Scope::Local {
            return Err(PluginError::new(
                "networks of this plugin have local scope; set capability_scope = global, or use --config-from",
            ));
        }
        let ranges = |data: &[IpamData]| {
            data.iter().map(|d| parse("the subnet", &d.pool)).collect::<Result<Vec<_>, _>>()
        };
        let allocation = AllocationRequest {
            id: request.network_id,
            options: request.options.to_text(),
            ipv4: ranges(&request.ipv4_data)?,
            ipv6: ranges(&request.ipv6_data)?,
        };
        let options = self.service.allocate_network(allocation).await.map_err(refuse)?;
        Ok(AllocateNetworkResponse { options })
    }

    async fn free_network(&self, request: FreeNetworkRequest) -> Result<(), PluginError> {
        // Where networks are local nobody has allocated one.
        if self.scope == Scope::Local {
            return Ok(());
        }
        self.service.free_network(&request.network_id).await.map_err(refuse)
    }

    async fn create_network(&self, request: CreateNetworkRequest) -> Result<(), PluginError> {
        let foreign_ipam = of_dockers_ipam(&[&request.ipv4_data, &request.ipv6_data], &self.spaces);
        let network = NetworkRequest {
            foreign_ipam,
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
        let mut exposed: Vec<_> = request.options.exposed_ports()?;
        // Docker repeats published ports among the exposed ones; whatever it does, both are open.
        let published = request.options.published_ports()?;
        exposed.extend(published.iter().map(|p| options::ExposedPort { protocol: p.protocol, port: p.port }));
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
        let text = |address: Option<ipnet::IpNet>| address.map(|a| a.to_string()).unwrap_or_default();
        Ok(CreateEndpointResponse {
            interface: EndpointInterface {
                mac_address,
                address: text(created.ipv4),
                address_ipv6: text(created.ipv6),
            },
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

/// Whether all pools are of Docker's own IPAM drivers, which have address spaces of their own names.
fn of_dockers_ipam(families: &[&Vec<IpamData>], ours: &[String]) -> bool {
    let mut spaces = Vec::new();
    for family in families {
        spaces.extend(family.iter().map(|data| data.address_space.clone()));
    }
    let dockers = |space: &String| {
        matches!(space.as_str(), "LocalDefault" | "GlobalDefault" | "null") && !ours.contains(space)
    };
    !spaces.is_empty() && spaces.iter().all(dockers)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pool: &str) -> Result<kuryr::IpamData, PluginError> {
        ipam_data(&IpamData { pool: pool.to_owned(), ..IpamData::default() })
    }

    #[test]
    fn ranges_are_parsed_not_matched() {
        for (good, length) in [("fd00::/109", 109), ("fd00::/119", 119), ("10.0.0.0/9", 9)] {
            assert_eq!(data(good).unwrap().pool.prefix_len(), length, "{good}");
        }
        for bad in ["10.0.0.0/33", "10.0.0.0/128", "fd00::/129", "10.0.0.0", ""] {
            let text = data(bad).unwrap_err().text().to_owned();
            assert!(text.contains(&format!("the subnet `{bad}`")) && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn any_sandbox_key_may_be_joined() {
        for key in [
            "/run/user/1000/docker/netns/6a2cd1e36d0b",
            "/srv/exec-root/netns/1-abcdefghij",
            "/var/run/docker/netns/lb_x1y2z3",
            "",
        ] {
            let text =
                serde_json::json!({"NetworkID": "n", "EndpointID": "e", "SandboxKey": key}).to_string();
            let request: JoinRequest = serde_json::from_str(&text).unwrap();
            assert_eq!((request.network_id.as_str(), request.endpoint_id.as_str()), ("n", "e"));
        }
    }
}
