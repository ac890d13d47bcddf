//! A virtual machine on the development cloud with the service in it, and Docker's part.

use std::sync::Arc;

use host_net::Links as Kernel;
use ipnet::IpNet;
use journal::StateDir;
use kuryr::{
    AddressKind, AddressRequest, EndpointRequest, GuestMode, GuestSettings, Host, HostPaths, IpamData,
    NetworkRequest, PoolRequest, Service, Settings, Spares,
};
use openstack::MacAddr;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::links::{Links, NIC};

/// The machine's network.
pub(crate) const OWN: &str = "10.50.0.0/24";
/// A network of Docker's own, for containers in a trunk.
pub(crate) const OTHER: &str = "10.9.0.0/24";

pub(crate) struct Machine {
    pub(crate) cloud: Cloud,
    pub(crate) port: String,
    pub(crate) trunk: String,
    pub(crate) links: Arc<Links>,
    pub(crate) service: Service,
    /// Docker's network and the pool of its addresses.
    docker: (String, String),
    mode: GuestMode,
    _state: (tempfile::TempDir, StateDir),
}

/// A container that runs.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    endpoint: String,
    pub(crate) address: IpNet,
}

pub(crate) fn settings(mode: GuestMode) -> GuestSettings {
    GuestSettings {
        link: NIC.to_owned(),
        mode,
        port: None,
        pairs_by_subnet: false,
        spares: Spares::default(),
    }
}

impl Machine {
    /// With a Docker network, and what the service asks once per process asked. `most_pairs`: Neutron's limit.
    pub(crate) async fn start(guest: GuestSettings, most_pairs: usize) -> Self {
        let cloud = Cloud::start(most_pairs).await;
        let network = cloud.make("networks", "network", json!({"name": "machines"})).await;
        let subnet = json!({"network_id": network, "ip_version": 4, "cidr": OWN});
        cloud.make("subnets", "subnet", subnet).await;
        let port = cloud.make("ports", "port", json!({"network_id": network})).await;
        let trunk = cloud.make("trunks", "trunk", json!({"port_id": port})).await;
        let bound = json!({"port": {"binding:host_id": "hypervisor", "device_owner": "compute:nova",
            "device_id": "6c1ab2a3-6a4e-4f3c-8b1b-5b7a9d0e4d11"}});
        let shown = cloud.neutron("PUT", &format!("ports/{port}"), bound).await;
        let mac: MacAddr = shown["port"]["mac_address"].as_str().unwrap().parse().unwrap();

        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let links = Arc::new(Links::new(mac));
        // What is no link is not asked for in a machine.
        let mut host = Host::new(Kernel::open().unwrap(), HostPaths::default());
        host.links = links.clone();
        let mode = guest.mode;
        let all = Settings { host: "a-guest".to_owned(), guest: Some(guest), ..Settings::default() };
        let service = Service::open(all, &state, Arc::new(cloud.client()), host).unwrap();
        service.recover().await.unwrap();
        service.find_itself().await.unwrap();
        let mut machine = Self {
            cloud,
            port,
            trunk,
            links,
            service,
            docker: <(String, String)>::default(),
            mode,
            _state: (dir, state),
        };
        machine.create_network().await;
        let first = machine.run().await.unwrap();
        machine.remove(&first).await;
        machine.cloud.forget_requests().await;
        machine
    }

    async fn create_network(&mut self) {
        let range = if self.mode == GuestMode::Vlan { OTHER } else { OWN };
        let wanted = PoolRequest {
            space: "s".to_owned(),
            pool: Some(range.parse().unwrap()),
            ..PoolRequest::default()
        };
        let pool = self.service.request_pool(wanted).await.unwrap();
        let network = "ab".repeat(32);
        let data = IpamData { pool: pool.pool, gateway: pool.gateway, aux: Vec::new() };
        let request = NetworkRequest { id: network.clone(), ipv4: vec![data], ..NetworkRequest::default() };
        self.service.create_network(request).await.unwrap();
        self.docker = (network, pool.id);
    }

    /// What Docker asks for a container, in its order; what it was given is given back if it fails.
    pub(crate) async fn run(&self) -> kuryr::Result<Container> {
        let (network, pool) = self.docker.clone();
        let endpoint = uuid::Uuid::new_v4().simple().to_string().repeat(2);
        let mac = (!self.mode.shares_mac()).then(|| {
            let [.., a, b, c, d] = *uuid::Uuid::new_v4().as_bytes();
            MacAddr([0x02, 0x42, a, b, c, d])
        });
        let kind = AddressKind::Container;
        let request =
            AddressRequest { pool_id: pool.clone(), address: None, kind, mac, container_name: None };
        let address = self.service.request_address(request).await?;
        let request = EndpointRequest {
            network_id: network.clone(),
            endpoint_id: endpoint.clone(),
            ipv4: Some(address),
            mac,
            ..EndpointRequest::default()
        };
        let created = self.service.create_endpoint(request).await;
        if let Err(error) = created {
            self.service.release_address(&pool, address.addr()).await.unwrap();
            return Err(error);
        }
        self.service.join(&network, &endpoint).await?;
        Ok(Container { endpoint, address })
    }

    pub(crate) async fn remove(&self, container: &Container) {
        let (network, pool) = &self.docker;
        self.service.leave(network, &container.endpoint).await.unwrap();
        self.service.delete_endpoint(network, &container.endpoint).await.unwrap();
        self.service.release_address(pool, container.address.addr()).await.unwrap();
    }

    /// So many at the same time.
    pub(crate) async fn run_at_once(self: &Arc<Self>, count: usize) -> Vec<Container> {
        let start = |_| {
            let machine = Arc::clone(self);
            tokio::spawn(async move { machine.run().await.unwrap() })
        };
        let mut containers = Vec::new();
        for started in (0..count).map(start).collect::<Vec<_>>() {
            containers.push(started.await.unwrap());
        }
        containers
    }

    /// All at the same time.
    pub(crate) async fn remove_at_once(self: &Arc<Self>, containers: Vec<Container>) {
        let end = |container: Container| {
            let machine = Arc::clone(self);
            tokio::spawn(async move { machine.remove(&container).await })
        };
        for ended in containers.into_iter().map(end).collect::<Vec<_>>() {
            ended.await.unwrap();
        }
    }

    /// VLANs of the trunk with their ports.
    pub(crate) async fn sub_ports(&self) -> Vec<(u16, String)> {
        let shown = self.cloud.get(&format!("trunks/{}", self.trunk)).await;
        let sub_port = |sub: &Value| {
            let vlan = sub["segmentation_id"].as_u64().unwrap();
            (u16::try_from(vlan).unwrap(), sub["port_id"].as_str().unwrap().to_owned())
        };
        shown["trunk"]["sub_ports"].as_array().unwrap().iter().map(sub_port).collect()
    }

    /// Pairs of the machine's port.
    pub(crate) async fn pairs(&self) -> Vec<(String, String)> {
        let shown = self.cloud.get(&format!("ports/{}", self.port)).await;
        let text = |pair: &Value, key: &str| pair[key].as_str().unwrap().to_owned();
        let pairs = shown["port"]["allowed_address_pairs"].as_array().unwrap().iter();
        pairs.map(|pair| (text(pair, "ip_address"), text(pair, "mac_address"))).collect()
    }

    /// Ids of the ports that containers have, or had.
    pub(crate) async fn ports(&self) -> Vec<String> {
        let shown = self.cloud.get("ports").await;
        let others = ["compute:nova", "network:dhcp"];
        let ours = shown["ports"].as_array().unwrap().iter();
        ours.filter(|port| {
            !others.contains(&port["device_owner"].as_str().unwrap()) && port["name"] != "theirs"
        })
        .map(|port| port["id"].as_str().unwrap().to_owned())
        .collect()
    }

    /// Nothing is left of any container.
    pub(crate) async fn assert_empty(&self) {
        assert_eq!(self.ports().await, Vec::<String>::new());
        assert!(self.links.all().is_empty(), "{:?}", self.links.all());
        assert!(!self.service.is_in_use());
    }

    /// Ends the cloud.
    pub(crate) async fn end(self: Arc<Self>) {
        if let Ok(machine) = Arc::try_unwrap(self) {
            machine.cloud.stop().await;
        }
    }
}
