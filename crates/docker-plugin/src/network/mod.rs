//! NetworkDriver: the driver's trait and its messages (libnetwork `drivers/remote/api`).

mod messages;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use self::messages::EndpointInfoResponse;
pub use self::messages::{
    AllocateNetworkRequest, AllocateNetworkResponse, Capabilities, CreateEndpointRequest,
    CreateEndpointResponse, CreateNetworkRequest, DeleteNetworkRequest, DiscoveryNotification,
    EndpointInterface, EndpointRequest, ExternalConnectivityRequest, FreeNetworkRequest, GwAllocCheckRequest,
    GwAllocCheckResponse, InterfaceName, IpamData, JoinRequest, JoinResponse, StaticRoute,
};
use crate::PluginError;

/// A network driver as Docker sees it.
///
/// Docker repeats nothing that failed and shows no error of `delete_network`, `delete_endpoint`, `leave` and
/// `free_network`, so these must succeed for what is unknown and catch up by themselves on what failed.
#[async_trait]
pub trait NetworkDriver: Send + Sync {
    /// What the driver is able to do; asked once after activation, must not wait for anything.
    fn capabilities(&self) -> Capabilities;

    /// Says whether Docker should ask for a gateway address (Docker 28, if `gw_alloc_checker` was announced).
    async fn gw_alloc_check(
        &self,
        _request: GwAllocCheckRequest,
    ) -> Result<GwAllocCheckResponse, PluginError> {
        Ok(GwAllocCheckResponse::default())
    }

    /// Allocates a swarm-wide network, on a manager.
    async fn allocate_network(
        &self,
        _request: AllocateNetworkRequest,
    ) -> Result<AllocateNetworkResponse, PluginError> {
        Err(PluginError::new("this driver has no swarm-wide networks, create the network with local scope"))
    }

    /// Frees a swarm-wide network, on a manager.
    async fn free_network(&self, _request: FreeNetworkRequest) -> Result<(), PluginError> {
        Ok(())
    }

    /// Creates a network; a second time with the same id is a success.
    async fn create_network(&self, request: CreateNetworkRequest) -> Result<(), PluginError>;

    /// Deletes a network; its pools have been released before.
    async fn delete_network(&self, request: DeleteNetworkRequest) -> Result<(), PluginError>;

    /// Creates an endpoint; the answer may only fill what arrived empty.
    async fn create_endpoint(
        &self,
        request: CreateEndpointRequest,
    ) -> Result<CreateEndpointResponse, PluginError>;

    /// Deletes an endpoint.
    async fn delete_endpoint(&self, request: EndpointRequest) -> Result<(), PluginError>;

    /// Facts about an endpoint, shown to nobody today.
    async fn endpoint_info(&self, _request: EndpointRequest) -> Result<Map<String, Value>, PluginError> {
        Ok(Map::new())
    }

    /// Names the device, left in the host's namespace, that Docker is to move into the sandbox.
    async fn join(&self, request: JoinRequest) -> Result<JoinResponse, PluginError>;

    /// Takes an endpoint out of its sandbox.
    async fn leave(&self, request: EndpointRequest) -> Result<(), PluginError>;

    /// Publishes ports; a hint, Docker leaves it out or repeats it.
    async fn program_external_connectivity(
        &self,
        _request: ExternalConnectivityRequest,
    ) -> Result<(), PluginError> {
        Ok(())
    }

    /// Withdraws published ports; a hint, Docker leaves it out or repeats it.
    async fn revoke_external_connectivity(&self, _request: EndpointRequest) -> Result<(), PluginError> {
        Ok(())
    }

    /// Tells of a new node of the swarm.
    async fn discover_new(&self, _notification: DiscoveryNotification) -> Result<(), PluginError> {
        Ok(())
    }

    /// Tells of a node that left the swarm.
    async fn discover_delete(&self, _notification: DiscoveryNotification) -> Result<(), PluginError> {
        Ok(())
    }
}
