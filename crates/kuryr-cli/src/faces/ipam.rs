//! IpamDriver on the network service.

use std::collections::BTreeMap;

use async_trait::async_trait;
use docker_plugin::ipam::{
    AddressSpaces, Capabilities, ReleaseAddressRequest, ReleasePoolRequest, RequestAddressRequest,
    RequestAddressResponse, RequestPoolRequest, RequestPoolResponse,
};
use docker_plugin::{IpamDriver, PluginError, options};
use kuryr::{AddressKind, AddressRequest, PoolRequest};

use super::{parse, parse_optional, refuse};
use crate::settings::NetworkPlugin;

/// The driver.
#[derive(Debug)]
pub(crate) struct Ipam {
    service: kuryr::Service,
    spaces: AddressSpaces,
    requires_mac_address: bool,
}

impl Ipam {
    pub(crate) fn new(service: kuryr::Service, plugin: &NetworkPlugin) -> Self {
        let spaces = AddressSpaces {
            local: plugin.face.local_space.clone(),
            global: plugin.face.global_space.clone(),
        };
        Self { service, spaces, requires_mac_address: plugin.face.requires_mac_address }
    }
}

#[async_trait]
impl IpamDriver for Ipam {
    fn capabilities(&self) -> Capabilities {
        // No replay: Neutron remembers.
        Capabilities { requires_mac_address: self.requires_mac_address, ..Capabilities::default() }
    }

    fn default_address_spaces(&self) -> AddressSpaces {
        self.spaces.clone()
    }

    async fn request_pool(&self, request: RequestPoolRequest) -> Result<RequestPoolResponse, PluginError> {
        let pool = PoolRequest {
            space: request.address_space,
            pool: parse_optional("the subnet", &request.pool)?,
            sub_pool: parse_optional("the address range", &request.sub_pool)?,
            options: request.options.to_text(),
            v6: request.v6,
        };
        let pool = self.service.request_pool(pool).await.map_err(refuse)?;
        let gateway = pool.gateway.map(|g| (options::GATEWAY.to_owned(), g.to_string()));
        Ok(RequestPoolResponse {
            pool_id: pool.id,
            pool: pool.pool.to_string(),
            data: BTreeMap::from_iter(gateway),
        })
    }

    async fn release_pool(&self, request: ReleasePoolRequest) -> Result<(), PluginError> {
        self.service.release_pool(&request.pool_id).await.map_err(refuse)
    }

    async fn request_address(
        &self,
        request: RequestAddressRequest,
    ) -> Result<RequestAddressResponse, PluginError> {
        let kind =
            if request.options.is_gateway_request() { AddressKind::Gateway } else { AddressKind::Container };
        let mac =
            request.options.mac_address()?.map(|m| parse("the MAC address", &m.to_string())).transpose()?;
        let address = AddressRequest {
            pool_id: request.pool_id,
            address: parse_optional("the address", &request.address)?,
            kind,
            mac,
            container_name: request.options.endpoint_name().map(str::to_owned),
        };
        let address = self.service.request_address(address).await.map_err(refuse)?;
        Ok(RequestAddressResponse { address: address.to_string(), data: BTreeMap::new() })
    }

    async fn release_address(&self, request: ReleaseAddressRequest) -> Result<(), PluginError> {
        let address = parse("the address", &request.address)?;
        self.service.release_address(&request.pool_id, address).await.map_err(refuse)
    }
}
