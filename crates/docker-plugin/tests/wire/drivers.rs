//! Drivers that write down what they are asked, and do what a test tells them to.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use docker_plugin::{
    IpamDriver, NetworkDriver, PluginError, Scope, VolumeDriver, ipam, network,
    volume::{self, Lookup, Volume},
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

/// Requests in the order of arrival: method, and the typed message written out again.
#[derive(Default)]
pub(crate) struct Recorder {
    calls: Mutex<Vec<(String, Value)>>,
    /// Lets go of one volume called `slow`.
    pub(crate) go_on: Notify,
}

impl Recorder {
    fn note(&self, method: &str, request: &impl Serialize) {
        self.calls.lock().unwrap().push((method.to_owned(), serde_json::to_value(request).unwrap()));
    }

    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|(called, _)| called == method).count()
    }

    /// Waits until `method` has been called `times`.
    pub(crate) async fn called(&self, method: &str, times: usize) {
        let wait = async {
            while self.count(method) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(super::client::PATIENCE, wait).await.expect("never called");
    }
}

/// All three drivers at once.
pub(crate) struct Recording(pub(crate) Arc<Recorder>);

#[async_trait]
impl NetworkDriver for Recording {
    fn capabilities(&self) -> network::Capabilities {
        network::Capabilities {
            scope: Scope::Local,
            connectivity_scope: Some(Scope::Global),
            gw_alloc_checker: true,
        }
    }
    async fn gw_alloc_check(
        &self,
        request: network::GwAllocCheckRequest,
    ) -> Result<network::GwAllocCheckResponse, PluginError> {
        self.0.note("NetworkDriver.GwAllocCheck", &request);
        Ok(network::GwAllocCheckResponse { skip_ipv4: true, skip_ipv6: false })
    }
    async fn allocate_network(
        &self,
        request: network::AllocateNetworkRequest,
    ) -> Result<network::AllocateNetworkResponse, PluginError> {
        self.0.note("NetworkDriver.AllocateNetwork", &request);
        Ok(network::AllocateNetworkResponse { options: request.options.to_text() })
    }
    async fn free_network(&self, request: network::FreeNetworkRequest) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.FreeNetwork", &request);
        Ok(())
    }
    async fn create_network(&self, request: network::CreateNetworkRequest) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.CreateNetwork", &request);
        if request.network_id == "refused" {
            return Err(PluginError::new("no network for you:\nask the operator"));
        }
        Ok(())
    }
    async fn delete_network(&self, request: network::DeleteNetworkRequest) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.DeleteNetwork", &request);
        Ok(())
    }
    async fn create_endpoint(
        &self,
        request: network::CreateEndpointRequest,
    ) -> Result<network::CreateEndpointResponse, PluginError> {
        self.0.note("NetworkDriver.CreateEndpoint", &request);
        let mut interface = network::EndpointInterface::default();
        if request.interface.mac_address.is_empty() {
            interface.mac_address = "fa:16:3e:00:00:01".to_owned();
        }
        Ok(network::CreateEndpointResponse { interface })
    }
    async fn delete_endpoint(&self, request: network::EndpointRequest) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.DeleteEndpoint", &request);
        Ok(())
    }
    async fn endpoint_info(
        &self,
        request: network::EndpointRequest,
    ) -> Result<Map<String, Value>, PluginError> {
        self.0.note("NetworkDriver.EndpointOperInfo", &request);
        Ok(Map::new())
    }
    async fn join(&self, request: network::JoinRequest) -> Result<network::JoinResponse, PluginError> {
        self.0.note("NetworkDriver.Join", &request);
        Ok(network::JoinResponse {
            interface_name: network::InterfaceName { src_name: "tap0".into(), dst_prefix: "eth".into() },
            gateway: "10.0.0.1".into(),
            static_routes: vec![
                network::StaticRoute::via("192.0.2.0/24", "10.0.0.9"),
                network::StaticRoute::on_link("169.254.1.1/32"),
            ],
            disable_gateway_service: true,
            ..Default::default()
        })
    }
    async fn leave(&self, request: network::EndpointRequest) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.Leave", &request);
        Ok(())
    }
    async fn program_external_connectivity(
        &self,
        request: network::ExternalConnectivityRequest,
    ) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.ProgramExternalConnectivity", &request);
        Ok(())
    }
    async fn revoke_external_connectivity(
        &self,
        request: network::EndpointRequest,
    ) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.RevokeExternalConnectivity", &request);
        Ok(())
    }
    async fn discover_new(&self, notification: network::DiscoveryNotification) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.DiscoverNew", &notification);
        Ok(())
    }
    async fn discover_delete(&self, notification: network::DiscoveryNotification) -> Result<(), PluginError> {
        self.0.note("NetworkDriver.DiscoverDelete", &notification);
        Ok(())
    }
}

#[async_trait]
impl IpamDriver for Recording {
    fn default_address_spaces(&self) -> ipam::AddressSpaces {
        ipam::AddressSpaces { local: "here".into(), global: "everywhere".into() }
    }
    async fn request_pool(
        &self,
        request: ipam::RequestPoolRequest,
    ) -> Result<ipam::RequestPoolResponse, PluginError> {
        self.0.note("IpamDriver.RequestPool", &request);
        let pool = if request.pool.is_empty() { "10.9.0.0/24".to_owned() } else { request.pool };
        Ok(ipam::RequestPoolResponse { pool_id: "pool-1".into(), pool, ..Default::default() })
    }
    async fn release_pool(&self, request: ipam::ReleasePoolRequest) -> Result<(), PluginError> {
        self.0.note("IpamDriver.ReleasePool", &request);
        Ok(())
    }
    async fn request_address(
        &self,
        request: ipam::RequestAddressRequest,
    ) -> Result<ipam::RequestAddressResponse, PluginError> {
        self.0.note("IpamDriver.RequestAddress", &request);
        Ok(ipam::RequestAddressResponse { address: "10.9.0.7/24".into(), ..Default::default() })
    }
    async fn release_address(&self, request: ipam::ReleaseAddressRequest) -> Result<(), PluginError> {
        self.0.note("IpamDriver.ReleaseAddress", &request);
        Ok(())
    }
}

#[async_trait]
impl VolumeDriver for Recording {
    fn scope(&self) -> Scope {
        Scope::Global
    }
    async fn create(&self, request: volume::CreateRequest) -> Result<(), PluginError> {
        self.0.note("VolumeDriver.Create", &request);
        Ok(())
    }
    async fn get(&self, request: volume::NameRequest) -> Lookup {
        self.0.note("VolumeDriver.Get", &request);
        match request.name.as_str() {
            "unknown" => Lookup::Unknown(PluginError::new("the backend is away")),
            "missing" => Lookup::NotFound(PluginError::new("no such volume: missing")),
            "broken" => panic!("this driver is broken on purpose"),
            name => {
                Lookup::Found(Volume { name: name.to_owned(), mountpoint: "/m".into(), ..Default::default() })
            }
        }
    }
    async fn list(&self) -> Result<Vec<Volume>, PluginError> {
        self.0.note("VolumeDriver.List", &Map::new());
        Ok(vec![Volume { name: "v".into(), ..Default::default() }])
    }
    async fn path(&self, request: volume::NameRequest) -> Result<Option<String>, PluginError> {
        self.0.note("VolumeDriver.Path", &request);
        Ok(None)
    }
    async fn mount(&self, request: volume::MountRequest) -> Result<String, PluginError> {
        self.0.note("VolumeDriver.Mount", &request);
        match request.name.as_str() {
            "broken" => panic!("this driver is broken on purpose"),
            "slow" => {
                self.0.go_on.notified().await;
                self.0.note("finished", &request);
            }
            _ => {}
        }
        Ok(format!("/mnt/{}", request.name))
    }
    async fn unmount(&self, request: volume::MountRequest) -> Result<(), PluginError> {
        self.0.note("VolumeDriver.Unmount", &request);
        Ok(())
    }
    async fn remove(&self, request: volume::NameRequest) -> Result<(), PluginError> {
        self.0.note("VolumeDriver.Remove", &request);
        Ok(())
    }
}
