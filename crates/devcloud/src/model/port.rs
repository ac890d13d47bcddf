//! A port.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::binding::Vif;
use super::standard::Standard;

/// Device owner of the cloud's own DHCP ports.
pub(crate) const DHCP_OWNER: &str = "network:dhcp";

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FixedIp {
    /// Subnet the address is on.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// A source a port may use besides its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddressPair {
    /// Address or range.
    pub ip_address: String,
    /// Hardware address.
    pub mac_address: String,
}

/// A Neutron port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Port {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Its network.
    pub network_id: String,
    /// Hardware address, lower case.
    pub mac_address: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// What uses it.
    pub device_id: String,
    /// Kind of user.
    pub device_owner: String,
    /// Administratively up.
    pub admin_state_up: bool,
    /// `ACTIVE` or `DOWN`.
    pub status: String,
    /// Its groups.
    pub security_groups: Vec<String>,
    /// Filtering on.
    pub port_security_enabled: bool,
    /// Other sources it may use.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Host it is bound to, or empty.
    #[serde(rename = "binding:host_id")]
    pub host_id: String,
    /// `normal`, `direct`, ...
    #[serde(rename = "binding:vnic_type")]
    pub vnic_type: String,
    /// How the host plugs it.
    #[serde(rename = "binding:vif_type")]
    pub vif_type: String,
    /// Details of the plugging.
    #[serde(rename = "binding:vif_details")]
    pub vif_details: Map<String, Value>,
    /// The caller's notes for the binding.
    #[serde(rename = "binding:profile")]
    pub profile: Map<String, Value>,
    /// Its own QoS policy.
    #[serde(default)]
    pub qos_policy_id: Option<String>,
    /// Its name for the DNS, or empty.
    #[serde(default)]
    pub dns_name: String,
}

impl Port {
    /// Whether a host plugs it.
    pub(crate) fn is_bound(&self) -> bool {
        !matches!(self.vif_type.as_str(), "unbound" | "binding_failed")
    }

    /// The first 11 characters of the id: what its device carries in its name.
    pub(crate) fn prefix(&self) -> &str {
        self.standard.id.get(..11).unwrap_or(&self.standard.id)
    }

    /// Plugs by what the mechanism said.
    pub(crate) fn bind(&mut self, host: &str, vif: Vif) {
        self.host_id = host.into();
        self.vif_type = vif.kind;
        self.vif_details = vif.details;
    }

    /// What its binding depends on.
    pub(crate) fn wish(&self) -> (&str, &str, &Map<String, Value>) {
        (&self.host_id, &self.vnic_type, &self.profile)
    }

    /// Takes over what another's binding depends on.
    pub(crate) fn copy_wish(&mut self, other: &Self) {
        self.host_id.clone_from(&other.host_id);
        self.vnic_type.clone_from(&other.vnic_type);
        self.profile.clone_from(&other.profile);
    }

    /// Whether it differs in what its user says, the mechanisms' answers apart.
    pub(crate) fn asks_other_than(&self, other: &Self) -> bool {
        let answers = (self.vif_type.clone(), self.vif_details.clone());
        *self != Self { vif_type: answers.0, vif_details: answers.1, ..other.clone() }
    }

    /// Whether a router's, which alone chooses its own address where hosts make theirs.
    pub(crate) fn is_router(&self) -> bool {
        is_router_owner(&self.device_owner)
    }
}

/// Whether a device owner is one of the routers' interfaces.
pub(crate) fn is_router_owner(device_owner: &str) -> bool {
    device_owner.starts_with("network:") && device_owner.contains("router")
}

/// Reads a hardware address in any of the usual spellings and gives it back in lower case with colons.
pub(crate) fn normal_mac(text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    if digits.len() != 12 || !digits.iter().all(char::is_ascii_hexdigit) {
        return None;
    }
    let pairs: Vec<String> = digits.chunks(2).map(|p| p.iter().collect::<String>().to_lowercase()).collect();
    Some(pairs.join(":"))
}
