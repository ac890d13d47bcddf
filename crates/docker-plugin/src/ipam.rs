//! IpamDriver: the driver's trait and its messages (libnetwork `ipams/remote/api`).

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Options, PluginError,
    lenient::{Request, or_default, text_map},
};

/// An address driver as Docker sees it.
///
/// Docker shows no error of `release_pool` and `release_address` and never repeats them, and it releases what it
/// never asked for, so these must succeed for what is unknown.
#[async_trait]
pub trait IpamDriver: Send + Sync {
    /// What the driver needs; asked once after activation, must not wait for anything.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The names of the two address spaces; asked up to three times per network, must not wait for anything.
    fn default_address_spaces(&self) -> AddressSpaces;

    /// Gives a pool. A pool for no CIDR in particular that overlaps a route of the host must be an error: Docker
    /// asks again without end.
    async fn request_pool(&self, request: RequestPoolRequest) -> Result<RequestPoolResponse, PluginError>;

    /// Takes a pool back; comes before the network is deleted.
    async fn release_pool(&self, request: ReleasePoolRequest) -> Result<(), PluginError>;

    /// Gives an address.
    async fn request_address(
        &self,
        request: RequestAddressRequest,
    ) -> Result<RequestAddressResponse, PluginError>;

    /// Takes an address back.
    async fn release_address(&self, request: ReleaseAddressRequest) -> Result<(), PluginError>;
}

/// Answer to `IpamDriver.GetCapabilities`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Pass the endpoint's Ethernet address in [`RequestAddressRequest::options`].
    #[serde(rename = "RequiresMACAddress", default)]
    pub requires_mac_address: bool,
    /// Repeat all requests when the daemon starts.
    #[serde(rename = "RequiresRequestReplay", default)]
    pub requires_request_replay: bool,
}

/// Answer to `IpamDriver.GetDefaultAddressSpaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSpaces {
    /// For networks of one host.
    #[serde(rename = "LocalDefaultAddressSpace", default, deserialize_with = "or_default")]
    pub local: String,
    /// For networks of a swarm.
    #[serde(rename = "GlobalDefaultAddressSpace", default, deserialize_with = "or_default")]
    pub global: String,
}

/// `IpamDriver.RequestPool`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestPoolRequest {
    /// One of [`AddressSpaces`].
    #[serde(rename = "AddressSpace", default, deserialize_with = "or_default")]
    pub address_space: String,
    /// `--subnet` as CIDR, empty for any.
    #[serde(rename = "Pool", default, deserialize_with = "or_default")]
    pub pool: String,
    /// `--ip-range` as CIDR, empty for the whole pool.
    #[serde(rename = "SubPool", default, deserialize_with = "or_default")]
    pub sub_pool: String,
    /// The user's `--ipam-opt` values, see [`Options::to_text`].
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
    /// An IPv6 pool.
    #[serde(rename = "V6", default, deserialize_with = "or_default")]
    pub v6: bool,
}

/// Answer to `IpamDriver.RequestPool`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPoolResponse {
    /// The driver's name for this request; must differ from that of every other pool, even of equal CIDR.
    #[serde(rename = "PoolID", default, deserialize_with = "or_default")]
    pub pool_id: String,
    /// The pool as CIDR.
    #[serde(rename = "Pool", default, deserialize_with = "or_default")]
    pub pool: String,
    /// [`crate::options::GATEWAY`] here is taken as the gateway (as CIDR) if the user gave none.
    #[serde(rename = "Data", default, deserialize_with = "text_map")]
    pub data: BTreeMap<String, String>,
}

/// `IpamDriver.ReleasePool`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasePoolRequest {
    /// The driver's name for the pool.
    #[serde(rename = "PoolID", default, deserialize_with = "or_default")]
    pub pool_id: String,
}

/// `IpamDriver.RequestAddress`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestAddressRequest {
    /// The driver's name for the pool.
    #[serde(rename = "PoolID", default, deserialize_with = "or_default")]
    pub pool_id: String,
    /// The address wanted, without prefix length; empty for any.
    #[serde(rename = "Address", default, deserialize_with = "or_default")]
    pub address: String,
    /// See [`Options::is_gateway_request`], [`Options::mac_address`], [`Options::endpoint_name`].
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub options: Options,
}

/// Answer to `IpamDriver.RequestAddress`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAddressResponse {
    /// The address with the pool's prefix length.
    #[serde(rename = "Address", default, deserialize_with = "or_default")]
    pub address: String,
    /// Nothing Docker reads.
    #[serde(rename = "Data", default, deserialize_with = "text_map")]
    pub data: BTreeMap<String, String>,
}

/// `IpamDriver.ReleaseAddress`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAddressRequest {
    /// The driver's name for the pool.
    #[serde(rename = "PoolID", default, deserialize_with = "or_default")]
    pub pool_id: String,
    /// The address, without prefix length.
    #[serde(rename = "Address", default, deserialize_with = "or_default")]
    pub address: String,
}

impl Request for RequestPoolRequest {}

impl Request for ReleasePoolRequest {
    fn required(&self) -> Vec<(&'static str, &str)> {
        vec![("PoolID", &self.pool_id)]
    }
}

impl Request for RequestAddressRequest {
    fn required(&self) -> Vec<(&'static str, &str)> {
        vec![("PoolID", &self.pool_id)]
    }
}

impl Request for ReleaseAddressRequest {
    fn required(&self) -> Vec<(&'static str, &str)> {
        vec![("PoolID", &self.pool_id), ("Address", &self.address)]
    }
}
