//! Ports, as far as this project reads or writes them. Source: the Networking API v2.0 reference.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{TrunkDetails, null_is_empty};
use crate::MacAddr;

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
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
    /// Of the parent port of a trunk, where the extension `trunk-details` is loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk_details: Option<TrunkDetails>,
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
