//! Neutron's resources, as far as this project reads or writes them.
//!
//! Source: the Networking API v2.0 reference. `New*` types are bodies of a create request, `*Update` of an
//! update: an absent (`None`) field is not sent.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod port;
mod trunk;

pub use port::{AddressPair, FixedIp, NewPort, Port, PortExtras, PortUpdate, WantedIp};
pub use trunk::{SubPort, Trunk, TrunkDetails};

/// A Neutron network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Owner.
    #[serde(default)]
    pub project_id: String,
    /// Visible to all projects.
    #[serde(default)]
    pub shared: bool,
    /// Largest packet in bytes, 0 if the service does not say.
    #[serde(default)]
    pub mtu: u32,
    /// UUIDs of its subnets.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Body of `POST /v2.0/networks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewNetwork {
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Administratively up.
    pub admin_state_up: bool,
    /// Visible to all projects (admin only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Its network.
    pub network_id: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Address range.
    pub cidr: IpNet,
    /// The router's address, if any.
    #[serde(default)]
    pub gateway_ip: Option<IpAddr>,
    /// Pool the range was taken from.
    #[serde(default)]
    pub subnetpool_id: Option<String>,
    /// DHCP on.
    #[serde(default)]
    pub enable_dhcp: bool,
    /// `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`.
    #[serde(default)]
    pub ipv6_address_mode: Option<String>,
    /// Who sends router advertisements, in the same words; absent: a router outside of OpenStack.
    #[serde(default)]
    pub ipv6_ra_mode: Option<String>,
    /// Extra routes for its hosts.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// Ranges addresses are given out from.
    #[serde(default)]
    pub allocation_pools: Vec<AllocationPool>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A route a subnet hands to its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// Where to.
    pub destination: IpNet,
    /// Through which address.
    pub nexthop: IpAddr,
}

/// A range addresses are given out from, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationPool {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

/// Body of `POST /v2.0/subnets`. Either `cidr`, or `subnetpool_id` with `prefixlen`, or both pool and `cidr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSubnet {
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its network.
    pub network_id: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Address range; absent to have one allocated from the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<IpNet>,
    /// Pool to take the range from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnetpool_id: Option<String>,
    /// Length of the range to allocate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixlen: Option<u8>,
    /// Absent: Neutron takes the first address. `Some(None)` is sent as `null`: no gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<Option<IpAddr>>,
    /// DHCP on.
    pub enable_dhcp: bool,
    /// Ranges to give out; absent: everything but the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_pools: Option<Vec<AllocationPool>>,
}

/// A subnet pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetPool {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Ranges, merged by Neutron.
    #[serde(default)]
    pub prefixes: Vec<IpNet>,
    /// Length of an allocation that names none.
    #[serde(default, deserialize_with = "number_or_text")]
    pub default_prefixlen: u8,
    /// 4 or 6.
    #[serde(default)]
    pub ip_version: u8,
    /// Visible to all projects.
    #[serde(default)]
    pub shared: bool,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Older Neutron writes prefix lengths as text.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(n) => Ok(n),
        Either::Text(t) => t.parse().map_err(serde::de::Error::custom),
    }
}

/// Mechanism drivers leave out what they have nothing to say about in either way.
fn null_is_empty<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Body of `POST /v2.0/subnetpools`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSubnetPool {
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Ranges.
    pub prefixes: Vec<IpNet>,
    /// Length of an allocation that names none.
    pub default_prefixlen: u8,
    /// Visible to all projects (admin only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
}

/// A quality-of-service policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QosPolicy {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Body of `POST /v2.0/security-groups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewSecurityGroup {
    /// Name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Owner; absent: the credentials' own project (another one: admin only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

/// Body (one of a list) of `POST /v2.0/security-group-rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSecurityGroupRule {
    /// Its group.
    pub security_group_id: String,
    /// `ingress` or `egress`.
    pub direction: &'static str,
    /// `IPv4` or `IPv6`.
    pub ethertype: &'static str,
    /// `tcp`, `udp`, `sctp`, ...
    pub protocol: String,
    /// First port.
    pub port_range_min: u16,
    /// Last port.
    pub port_range_max: u16,
}

/// A kind of resource that can carry tags, as it stands in the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taggable {
    /// `networks`
    Network,
    /// `subnets`
    Subnet,
    /// `subnetpools`
    SubnetPool,
    /// `ports`
    Port,
    /// `security-groups`
    SecurityGroup,
}

impl Taggable {
    /// The collection's name in the URL.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Subnet => "subnets",
            Self::SubnetPool => "subnetpools",
            Self::Port => "ports",
            Self::SecurityGroup => "security-groups",
        }
    }
}
