//! Neutron's resources, as far as this project reads or writes them.
//!
//! Source: the Networking API v2.0 reference. `New*` types are bodies of a create request, `*Update` of an
//! update: an absent (`None`) field is not sent.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::MacAddr;

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

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// UUID.
    pub id: String,
    /// Name, not unique.
    #[serde(default)]
    pub name: String,
    /// Its network.
    pub network_id: String,
    /// Owner.
    #[serde(default)]
    pub project_id: String,
    /// Hardware address.
    pub mac_address: MacAddr,
    /// Its addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// UUIDs of its security groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// What uses it: a server's, a container's id; empty if nothing.
    #[serde(default)]
    pub device_id: String,
    /// Kind of user: `compute:nova`, `network:dhcp`, `compute:kuryr`, ...; empty if nothing.
    #[serde(default)]
    pub device_owner: String,
    /// Administratively up.
    #[serde(default)]
    pub admin_state_up: bool,
    /// `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    #[serde(default)]
    pub status: String,
    /// Host it is bound to. `None` when the credentials may not see bindings, empty when unbound.
    #[serde(default, rename = "binding:host_id")]
    pub host_id: Option<String>,
    /// How the host must plug it: `bridge`, `ovs`, `tap`, `unbound`, `binding_failed`, ...
    #[serde(default, rename = "binding:vif_type")]
    pub vif_type: Option<String>,
    /// Details for the plugging, by `vif_type`.
    #[serde(default, rename = "binding:vif_details", deserialize_with = "null_is_empty")]
    pub vif_details: serde_json::Map<String, serde_json::Value>,
    /// `normal`, `direct`, ...
    #[serde(default, rename = "binding:vnic_type")]
    pub vnic_type: Option<String>,
    /// What the host was told about the device: `pci_slot`, `physical_network`, ...
    #[serde(default, rename = "binding:profile", deserialize_with = "null_is_empty")]
    pub profile: serde_json::Map<String, serde_json::Value>,
    /// Anti-spoofing and security groups on; `None` without the extension `port-security`.
    #[serde(default)]
    pub port_security_enabled: Option<bool>,
    /// Quality-of-service policy of the port itself.
    #[serde(default)]
    pub qos_policy_id: Option<String>,
    /// Further addresses the port may send from.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Host name for Neutron's DNS.
    #[serde(default)]
    pub dns_name: Option<String>,
    /// Counts changes; for `If-Match`.
    #[serde(default)]
    pub revision_number: u64,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet the address is on.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// An address, or a range, a port may send from besides its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// Address or range, as Neutron writes it.
    pub ip_address: String,
    /// Hardware address; absent: the port's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
}

/// Attributes of a port that come with extensions; the same in a create and in an update body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PortExtras {
    /// Kind of virtual NIC: `normal`, `direct`, `macvtap`, ... (extension `binding`)
    #[serde(rename = "binding:vnic_type", skip_serializing_if = "Option::is_none")]
    pub vnic_type: Option<String>,
    /// Facts for the mechanism driver (extension `binding`, admin only).
    #[serde(rename = "binding:profile", skip_serializing_if = "Option::is_none")]
    pub profile: Option<serde_json::Map<String, serde_json::Value>>,
    /// Anti-spoofing and security groups (extension `port-security`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// Policy id; `Some(None)` is sent as `null`: none (extension `qos`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<Option<String>>,
    /// All of them (extension `allowed-address-pairs`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
    /// Host name (extension `dns-integration`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
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

/// An address wanted for a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WantedIp {
    /// Subnet to take it from.
    pub subnet_id: String,
    /// A certain one; absent: Neutron chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
}

/// Body of `POST /v2.0/ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewPort {
    /// Its network.
    pub network_id: String,
    /// Name.
    pub name: String,
    /// Administratively up.
    pub admin_state_up: bool,
    /// Kind of user.
    pub device_owner: String,
    /// What uses it.
    pub device_id: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Addresses.
    pub fixed_ips: Vec<WantedIp>,
    /// Hardware address; absent: Neutron chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Security groups; absent: the project's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<String>>,
    /// Host to bind to.
    #[serde(rename = "binding:host_id", skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Attributes of extensions.
    #[serde(flatten)]
    pub extras: PortExtras,
    /// Tags, where the extension `tag-ports-during-bulk-creation` takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Owner; absent: the credentials' own project (another one: admin only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

/// Body of `PUT /v2.0/ports/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PortUpdate {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Administratively up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// Kind of user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_owner: Option<String>,
    /// What uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Addresses, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<WantedIp>>,
    /// Hardware address; refused while bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Security groups, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<String>>,
    /// Host to bind to; empty unbinds.
    #[serde(rename = "binding:host_id", skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Attributes of extensions.
    #[serde(flatten)]
    pub extras: PortExtras,
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
