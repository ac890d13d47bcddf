//! What Docker sends to a network driver and what it reads of the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Options, Scope,
    lenient::{Request, or_default, text_map},
};

/// Answer to `NetworkDriver.GetCapabilities`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// `Local`: each daemon makes its own networks; `Global`: the swarm manager allocates them.
    #[serde(rename = "Scope", default)]
    pub scope: Scope,
    /// `Global`: two nodes with the same network reach each other; default is the scope.
    #[serde(rename = "ConnectivityScope", default, skip_serializing_if = "Option::is_none")]
    pub connectivity_scope: Option<Scope>,
    /// Ask [`gw_alloc_check`](super::NetworkDriver::gw_alloc_check) before a network is made.
    #[serde(rename = "GwAllocChecker", default)]
    pub gw_alloc_checker: bool,
}

/// `NetworkDriver.GwAllocCheck`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GwAllocCheckRequest {
    /// As in [`CreateNetworkRequest`].
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
}

/// Answer to `NetworkDriver.GwAllocCheck`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GwAllocCheckResponse {
    /// Do not allocate an IPv4 gateway.
    #[serde(rename = "SkipIPv4", default)]
    pub skip_ipv4: bool,
    /// Do not allocate an IPv6 gateway.
    #[serde(rename = "SkipIPv6", default)]
    pub skip_ipv6: bool,
}

/// One pool of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamData {
    /// Address space of the pool.
    #[serde(rename = "AddressSpace", default, deserialize_with = "or_default")]
    pub address_space: String,
    /// The pool as CIDR.
    #[serde(rename = "Pool", default, deserialize_with = "or_default")]
    pub pool: String,
    /// The gateway with the pool's prefix length, empty if there is none.
    #[serde(
        rename = "Gateway",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub gateway: String,
    /// Reserved addresses with the pool's prefix length, by name.
    #[serde(
        rename = "AuxAddresses",
        default,
        deserialize_with = "text_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub aux_addresses: BTreeMap<String, String>,
}

/// `NetworkDriver.AllocateNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AllocateNetworkRequest {
    /// Swarm's id of the network: 25 characters.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// The user's `--opt` values at top level.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
    /// IPv4 pools.
    #[serde(rename = "IPv4Data", default, deserialize_with = "or_default")]
    pub ipv4_data: Vec<IpamData>,
    /// IPv6 pools.
    #[serde(rename = "IPv6Data", default, deserialize_with = "or_default")]
    pub ipv6_data: Vec<IpamData>,
}

/// Answer to `NetworkDriver.AllocateNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocateNetworkResponse {
    /// The only options that the nodes will see.
    #[serde(rename = "Options", default, deserialize_with = "text_map")]
    pub options: BTreeMap<String, String>,
}

/// `NetworkDriver.FreeNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeNetworkRequest {
    /// Swarm's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
}

/// `NetworkDriver.CreateNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateNetworkRequest {
    /// Docker's id of the network: 64 hex digits, or 25 characters from swarm.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// Flags of the network; the user's own under [`Options::generic`].
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
    /// IPv4 pools.
    #[serde(rename = "IPv4Data", default, deserialize_with = "or_default")]
    pub ipv4_data: Vec<IpamData>,
    /// IPv6 pools.
    #[serde(rename = "IPv6Data", default, deserialize_with = "or_default")]
    pub ipv6_data: Vec<IpamData>,
}

/// `NetworkDriver.DeleteNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteNetworkRequest {
    /// Docker's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
}

/// Addresses of an endpoint; empty means not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInterface {
    /// IPv4 address with prefix length.
    #[serde(
        rename = "Address",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub address: String,
    /// IPv6 address with prefix length.
    #[serde(
        rename = "AddressIPv6",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub address_ipv6: String,
    /// Ethernet address in text form.
    #[serde(
        rename = "MacAddress",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub mac_address: String,
}

/// `NetworkDriver.CreateEndpoint`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateEndpointRequest {
    /// Docker's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// Docker's id of the endpoint, new at each start of a container.
    #[serde(rename = "EndpointID", default, deserialize_with = "or_default")]
    pub endpoint_id: String,
    /// What Docker knows already; the answer must not repeat it.
    #[serde(rename = "Interface", default, deserialize_with = "or_default")]
    pub interface: EndpointInterface,
    /// Exposed and published ports, the address again, the user's `driver-opt` values.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
}

/// Answer to `NetworkDriver.CreateEndpoint`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateEndpointResponse {
    /// Only what arrived empty; anything else makes Docker undo the endpoint.
    #[serde(rename = "Interface", default, deserialize_with = "or_default")]
    pub interface: EndpointInterface,
}

/// `DeleteEndpoint`, `EndpointOperInfo`, `Leave` and `RevokeExternalConnectivity` of NetworkDriver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRequest {
    /// Docker's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// Docker's id of the endpoint.
    #[serde(rename = "EndpointID", default, deserialize_with = "or_default")]
    pub endpoint_id: String,
}

/// `NetworkDriver.Join`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Docker's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// Docker's id of the endpoint.
    #[serde(rename = "EndpointID", default, deserialize_with = "or_default")]
    pub endpoint_id: String,
    /// Path of the container's network namespace, which may not exist yet.
    #[serde(rename = "SandboxKey", default, deserialize_with = "or_default")]
    pub sandbox_key: String,
    /// Exposed and published ports, but no `driver-opt` values.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
}

/// The device of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceName {
    /// Its name in the host's namespace, at most 15 bytes.
    #[serde(rename = "SrcName", default, deserialize_with = "or_default")]
    pub src_name: String,
    /// Start of its name in the container, `eth` for `eth0`; Docker adds the number.
    #[serde(rename = "DstPrefix", default, deserialize_with = "or_default")]
    pub dst_prefix: String,
}

/// A route in the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    /// The destination as CIDR.
    #[serde(rename = "Destination", default, deserialize_with = "or_default")]
    pub destination: String,
    /// 0: by way of `next_hop`; 1: on the link, `next_hop` empty.
    #[serde(rename = "RouteType", default)]
    pub route_type: i32,
    /// Address of the next router.
    #[serde(
        rename = "NextHop",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub next_hop: String,
}

impl StaticRoute {
    /// A route by way of a router.
    pub fn via(destination: impl Into<String>, next_hop: impl Into<String>) -> Self {
        Self { destination: destination.into(), route_type: 0, next_hop: next_hop.into() }
    }

    /// A route to what is on the link.
    pub fn on_link(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), route_type: 1, next_hop: String::new() }
    }
}

/// Answer to `NetworkDriver.Join`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinResponse {
    /// The device to move into the sandbox.
    #[serde(rename = "InterfaceName", default, deserialize_with = "or_default")]
    pub interface_name: InterfaceName,
    /// IPv4 gateway, empty for none.
    #[serde(
        rename = "Gateway",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub gateway: String,
    /// IPv6 gateway, empty for none.
    #[serde(
        rename = "GatewayIPv6",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub gateway_ipv6: String,
    /// More routes.
    #[serde(
        rename = "StaticRoutes",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub static_routes: Vec<StaticRoute>,
    /// Without it, an endpoint without gateway makes Docker add a second device on `docker_gwbridge`.
    #[serde(rename = "DisableGatewayService", default)]
    pub disable_gateway_service: bool,
}

/// `NetworkDriver.ProgramExternalConnectivity`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExternalConnectivityRequest {
    /// Docker's id of the network.
    #[serde(rename = "NetworkID", default, deserialize_with = "or_default")]
    pub network_id: String,
    /// Docker's id of the endpoint.
    #[serde(rename = "EndpointID", default, deserialize_with = "or_default")]
    pub endpoint_id: String,
    /// Exposed and published ports.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
}

/// `NetworkDriver.DiscoverNew` and `NetworkDriver.DiscoverDelete`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoveryNotification {
    /// 1: a node.
    #[serde(rename = "DiscoveryType", default, deserialize_with = "or_default")]
    pub discovery_type: i64,
    /// For a node `Address`, `BindAddress` and `Self`.
    #[serde(rename = "DiscoveryData", default, deserialize_with = "or_default")]
    pub discovery_data: Value,
}

/// Answer to `NetworkDriver.EndpointOperInfo`.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointInfoResponse {
    #[serde(rename = "Value")]
    pub(crate) value: Map<String, Value>,
}

impl Request for GwAllocCheckRequest {}
impl Request for DiscoveryNotification {}

macro_rules! needs_network {
    ($($message:ty),+) => {$(
        impl Request for $message {
            fn required(&self) -> Vec<(&'static str, &str)> {
                vec![("NetworkID", &self.network_id)]
            }
        }
    )+};
}
needs_network!(AllocateNetworkRequest, FreeNetworkRequest, CreateNetworkRequest, DeleteNetworkRequest);

macro_rules! needs_endpoint {
    ($($message:ty),+) => {$(
        impl Request for $message {
            fn required(&self) -> Vec<(&'static str, &str)> {
                vec![("NetworkID", &self.network_id), ("EndpointID", &self.endpoint_id)]
            }
        }
    )+};
}
needs_endpoint!(CreateEndpointRequest, EndpointRequest, JoinRequest, ExternalConnectivityRequest);
