//! What mechanism drivers answer when a port is to be bound to a host.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Model;
use super::port::Port;

/// How a host plugs a port.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Vif {
    /// `binding:vif_type`.
    pub(crate) kind: String,
    /// `binding:vif_details`.
    pub(crate) details: Map<String, Value>,
}

/// How ports are plugged from now on.
#[derive(Debug, Clone, Default)]
pub(crate) struct VifTypes {
    /// `binding:vif_type` where nothing more special is said.
    pub(crate) default: String,
    /// By host.
    pub(crate) hosts: BTreeMap<String, String>,
    /// By network, before hosts.
    pub(crate) networks: BTreeMap<String, String>,
    /// Hosts with an SR-IOV agent; elsewhere a `direct` port cannot be bound.
    pub(crate) sriov_hosts: BTreeSet<String>,
    /// Bridge of ports plugged as `ovs`; empty: `br-int`.
    pub(crate) ovs_bridge: String,
    /// Ports plugged as `ovs` hang on a Linux bridge of their own, for the iptables firewall.
    pub(crate) ovs_hybrid_plug: bool,
}

impl Vif {
    fn new(kind: &str, details: Value) -> Self {
        let details = match details {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self { kind: kind.into(), details }
    }

    /// On no host.
    pub(crate) fn unbound() -> Self {
        Self::new("unbound", Value::Null)
    }

    /// No mechanism took it.
    pub(crate) fn failed() -> Self {
        Self::new("binding_failed", Value::Null)
    }

    /// In a Linux bridge.
    pub(crate) fn bridge() -> Self {
        Self::new("bridge", json!({"port_filter": true, "connectivity": "l2"}))
    }
}

impl Model {
    /// What the mechanisms answer for a port on a host; an empty host: none.
    pub(crate) fn vif(&self, port: &Port, host: &str) -> Vif {
        if host.is_empty() {
            return Vif::unbound();
        }
        match port.vnic_type.as_str() {
            "normal" => self.software_vif(port, host),
            "direct" | "macvtap" => self.virtual_function(port, host),
            "direct-physical" if self.vif.sriov_hosts.contains(host) => {
                Vif::new("hostdev_physical", json!({"port_filter": false, "connectivity": "l2"}))
            }
            _ => Vif::failed(),
        }
    }

    fn software_vif(&self, port: &Port, host: &str) -> Vif {
        let settings = &self.vif;
        let chosen = settings.networks.get(&port.network_id).or_else(|| settings.hosts.get(host));
        let kind = chosen.unwrap_or(&settings.default).as_str();
        let bridge = match self.trunk_on(&port.standard.id) {
            Some(trunk) => trunk.bridge(),
            None if settings.ovs_bridge.is_empty() => "br-int".into(),
            None => settings.ovs_bridge.clone(),
        };
        match kind {
            "unbound" => Vif::unbound(),
            "binding_failed" => Vif::failed(),
            "ovs" => Vif::new(
                kind,
                json!({"port_filter": true, "connectivity": "l2", "bridge_name": bridge, "datapath_type": "system",
                       "ovs_hybrid_plug": settings.ovs_hybrid_plug}),
            ),
            _ => Vif { kind: kind.into(), ..Vif::bridge() },
        }
    }

    /// The SR-IOV mechanism: only where its agent runs, and without a filter.
    fn virtual_function(&self, port: &Port, host: &str) -> Vif {
        if !self.vif.sriov_hosts.contains(host) {
            return Vif::failed();
        }
        let segment = self.networks.get(&port.network_id);
        let vlan = segment.filter(|n| n.network_type == "vlan").and_then(|n| n.segmentation_id).unwrap_or(0);
        Vif::new("hw_veb", json!({"port_filter": false, "connectivity": "l2", "vlan": vlan.to_string()}))
    }
}
