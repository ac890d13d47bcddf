//! What the operator decides.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::GuestSettings;

/// Settings of the network service; the keys of `kuryr.conf` they come from stand in brackets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this host as Neutron's agents know it (`[DEFAULT] host`).
    pub host: String,
    /// DHCP on subnets we make (`[neutron] enable_dhcp`).
    pub enable_dhcp: bool,
    /// Subnet pool for automatic IPv4 ranges (`[neutron] default_subnetpool_v4`).
    pub default_subnetpool_v4: String,
    /// Subnet pool for automatic IPv6 ranges (`[neutron] default_subnetpool_v6`).
    pub default_subnetpool_v6: String,
    /// Prefix of the names of pools we make (`[neutron] subnetpool_name_prefix`).
    pub subnetpool_name_prefix: String,
    /// Prefix of the link's name in a container (`[binding] veth_dst_prefix`).
    pub veth_dst_prefix: String,
    /// Open exposed ports in a security group (`[DEFAULT] process_external_connectivity`).
    pub process_external_connectivity: bool,
    /// Refuse an endpoint whose port does not become ACTIVE (`[neutron] vif_plugging_is_fatal`).
    pub vif_plugging_is_fatal: bool,
    /// How long to wait for ACTIVE; cut to 20 s, below Docker's patience (`[neutron] vif_plugging_timeout`).
    pub vif_plugging_timeout: Duration,
    /// Open vSwitch bridge of ports for which Neutron names none (`[ovs] integration_bridge`).
    pub integration_bridge: String,
    /// Vif types a script of `bindir` plugs though we could (`[binding] script_vif_types`).
    pub script_vif_types: BTreeSet<String>,
    /// Make ports and groups in the project of an adopted network, for which the credentials must be an
    /// administrator's (`[neutron] use_network_project`).
    pub use_network_project: bool,
    /// Inside a virtual machine: how its containers are connected; `None`: on bare metal, as Neutron binds their ports.
    pub guest: Option<GuestSettings>,
    /// Networks are Swarm's: the address space of its managers (`[DEFAULT] capability_scope = global`,
    /// `global_default_address_space`).
    pub global_space: Option<String>,
    /// Answer a swarm's manager after this time: it asks for one address after the other, for the whole cluster. What is
    /// made later is undone.
    pub manager_deadline: Duration,
    /// MTU where Neutron names none, in bytes.
    pub default_mtu: u32,
    /// Pause between two looks for orphans; `None`: only one, at start (`[DEFAULT] orphan_check_interval`).
    pub orphan_interval: Option<Duration>,
    /// Answer the caller after this time even if the operation still runs.
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            enable_dhcp: true,
            default_subnetpool_v4: "kuryr".to_owned(),
            default_subnetpool_v6: "kuryr6".to_owned(),
            subnetpool_name_prefix: "kuryrPool".to_owned(),
            veth_dst_prefix: "eth".to_owned(),
            process_external_connectivity: true,
            vif_plugging_is_fatal: false,
            vif_plugging_timeout: Duration::from_secs(20),
            integration_bridge: "br-int".to_owned(),
            script_vif_types: BTreeSet::new(),
            use_network_project: false,
            guest: None,
            global_space: None,
            manager_deadline: Duration::from_secs(8),
            default_mtu: 1500,
            orphan_interval: Some(Duration::from_secs(3600)),
            deadline: Duration::from_secs(25),
        }
    }
}
