//! What a face asks the service and what it gets back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::MacAddr;
use serde::Serialize;

/// `IpamDriver.RequestPool`.
#[derive(Debug, Clone, Default)]
pub struct PoolRequest {
    /// Address space, echoed by Docker.
    pub space: String,
    /// `--subnet`; `None` to have one chosen.
    pub pool: Option<IpNet>,
    /// `--ip-range`, treated as the subnet.
    pub sub_pool: Option<IpNet>,
    /// `--ipam-opt`.
    pub options: BTreeMap<String, String>,
    /// Wanted family when `pool` is absent.
    pub v6: bool,
}

/// A pool Docker may ask addresses of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `l1:<uuid>`, unique per request; of swarm networks `g1:<network>:<subnet>:<range>` on managers, `n1:<subnet>` on
    /// nodes.
    pub id: String,
    /// Its range.
    pub pool: IpNet,
    /// The gateway to use when the user names none.
    pub gateway: Option<IpNet>,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// The network's gateway: never a port.
    Gateway,
    /// A container, or `--aux-address` while the pool has no network yet.
    Container,
}

/// `IpamDriver.RequestAddress`.
#[derive(Debug, Clone)]
pub struct AddressRequest {
    /// [`Pool::id`].
    pub pool_id: String,
    /// A certain address (`--ip`), or any.
    pub address: Option<IpAddr>,
    /// What for.
    pub kind: AddressKind,
    /// Hardware address the user chose, where Docker says so here.
    pub mac: Option<MacAddr>,
    /// Container name, where Docker says so (29 and later).
    pub container_name: Option<String>,
}

/// One pool of a network as `NetworkDriver.CreateNetwork` names it.
#[derive(Debug, Clone)]
pub struct IpamData {
    /// Range.
    pub pool: IpNet,
    /// Gateway with prefix length.
    pub gateway: Option<IpNet>,
    /// `--aux-address` values.
    pub aux: Vec<IpNet>,
}

/// `NetworkDriver.CreateNetwork`.
#[derive(Debug, Clone, Default)]
pub struct NetworkRequest {
    /// Docker's network id: 64 hexadecimal digits, or 25 characters from Swarm.
    pub id: String,
    /// `-o` options.
    pub options: BTreeMap<String, String>,
    /// `--internal`.
    pub internal: bool,
    /// IPv4 pools.
    pub ipv4: Vec<IpamData>,
    /// IPv6 pools.
    pub ipv6: Vec<IpamData>,
    /// The pools are certainly not ours: another IPAM driver's.
    pub foreign_ipam: bool,
}

/// `NetworkDriver.AllocateNetwork`.
#[derive(Debug, Clone, Default)]
pub struct AllocationRequest {
    /// Swarm's network id: 25 characters.
    pub id: String,
    /// `-o` options; after a change of the leader those that were answered earlier.
    pub options: BTreeMap<String, String>,
    /// IPv4 ranges, as Docker calls them: an IPv6 range may be among them.
    pub ipv4: Vec<IpNet>,
    /// IPv6 ranges.
    pub ipv6: Vec<IpNet>,
}

/// A port of a container that must be reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    /// IP protocol number: 6, 17 or 132.
    pub protocol: u8,
    /// Port number.
    pub port: u16,
}

/// `NetworkDriver.CreateEndpoint`.
#[derive(Debug, Clone, Default)]
pub struct EndpointRequest {
    /// Docker's network id.
    pub network_id: String,
    /// Docker's endpoint id.
    pub endpoint_id: String,
    /// Address from IPAM.
    pub ipv4: Option<IpNet>,
    /// Address from IPAM.
    pub ipv6: Option<IpNet>,
    /// `--mac-address`.
    pub mac: Option<MacAddr>,
    /// `--expose` and `-p`.
    pub exposed: Vec<ExposedPort>,
    /// Everything else Docker sent.
    pub options: BTreeMap<String, serde_json::Value>,
}

/// Answer of an endpoint creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedEndpoint {
    /// Neutron's hardware address; `None` when the caller supplied one (Docker forbids echoing it).
    pub mac: Option<MacAddr>,
    /// Neutron's address; only where no IPAM driver chose one (Docker forbids echoing it too).
    pub ipv4: Option<IpNet>,
    /// As `ipv4`.
    pub ipv6: Option<IpNet>,
}

/// A route for the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// Through which address; `None` for on-link.
    pub next_hop: Option<IpAddr>,
}

/// What Docker needs to move the link into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Link to move.
    pub source_name: String,
    /// Its name in the container, to which Docker adds a number.
    pub prefix: String,
    /// IPv4 gateway.
    pub gateway: Option<IpAddr>,
    /// IPv6 gateway.
    pub gateway6: Option<IpAddr>,
    /// Further routes.
    pub routes: Vec<Route>,
}

/// What the service holds, for `kuryr status`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// The virtual machine the service runs in, if it does.
    pub machine: Option<MachineStatus>,
    /// Docker networks.
    pub networks: Vec<NetworkStatus>,
    /// Endpoints.
    pub endpoints: Vec<EndpointStatus>,
    /// Pools.
    pub pools: Vec<PoolStatus>,
    /// Objects that could not be removed yet and will be tried again.
    pub doomed: usize,
}

/// The virtual machine the service runs in.
#[derive(Debug, Clone, Serialize)]
pub struct MachineStatus {
    /// `vlan`, `macvlan` or `ipvlan`.
    pub driver: String,
    /// The interface that carries its containers' traffic.
    pub link: String,
    /// Its Neutron port; `None` until it is found.
    pub port_id: Option<String>,
    /// The network of that port.
    pub network_id: Option<String>,
    /// The trunk, with `vlan`.
    pub trunk_id: Option<String>,
    /// Ports in the trunk that are kept ready for containers.
    pub spares: usize,
}

/// A Docker network.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkStatus {
    /// Docker's id.
    pub id: String,
    /// Neutron's id.
    pub neutron_id: Option<String>,
    /// The Neutron network existed before.
    pub adopted: bool,
    /// `creating`, `ready` or `deleting`.
    pub phase: String,
    /// Ranges.
    pub subnets: Vec<IpNet>,
}

/// An endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointStatus {
    /// Docker's id.
    pub id: String,
    /// Docker network.
    pub network_id: String,
    /// Neutron port.
    pub port_id: Option<String>,
    /// `creating`, `ready` or `deleting`.
    pub phase: String,
    /// Host side of the link.
    pub link: String,
    /// A container uses it.
    pub joined: bool,
}

/// A pool.
#[derive(Debug, Clone, Serialize)]
pub struct PoolStatus {
    /// The id Docker knows.
    pub id: String,
    /// Range.
    pub pool: IpNet,
    /// Docker network that uses it.
    pub network_id: Option<String>,
}
