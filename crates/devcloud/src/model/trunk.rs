//! Trunks: ports that carry further ports, each in a VLAN of its own.
//!
//! What agents do about them follows ML2 with Open vSwitch: subports are bound to the parent's host, and a trunk is
//! `ACTIVE`, only once the parent is plugged.

use serde::{Deserialize, Serialize};

use super::Model;
use super::port::Port;
use super::standard::Standard;

/// Device owner an agent gives to the subports it wires. It stays when they are removed.
pub(crate) const SUBPORT_OWNER: &str = "trunk:subport";

/// A port in a VLAN of a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubPort {
    /// The port.
    pub port_id: String,
    /// Always `vlan`.
    pub segmentation_type: String,
    /// The VLAN's number, unique in the trunk.
    pub segmentation_id: u16,
}

/// A Neutron trunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trunk {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Its subports can be changed.
    pub admin_state_up: bool,
    /// The parent port.
    pub port_id: String,
    /// `DOWN`, `BUILD`, `ACTIVE` or `ERROR`.
    pub status: String,
    /// The ports it carries.
    pub sub_ports: Vec<SubPort>,
}

impl Trunk {
    /// Notes what has become of it.
    pub(crate) fn set_status(&mut self, status: &str) {
        if self.status != status {
            self.status = status.into();
            self.standard.bump();
        }
    }

    /// The bridge of Open vSwitch a VM with this trunk hangs on.
    pub(crate) fn bridge(&self) -> String {
        format!("tbr-{}", self.standard.id).chars().take(14).collect()
    }
}

impl Model {
    /// The trunk a port is the parent of.
    pub(crate) fn trunk_on(&self, port_id: &str) -> Option<&Trunk> {
        self.trunks.values().find(|trunk| trunk.port_id == port_id)
    }

    /// The trunk a port is a subport of.
    pub(crate) fn trunk_with(&self, port_id: &str) -> Option<&Trunk> {
        self.trunks.values().find(|trunk| trunk.sub_ports.iter().any(|sub| sub.port_id == port_id))
    }

    /// Whether a port has no device of its own on any host, because it is or was carried by a trunk.
    pub(crate) fn is_carried(&self, port: &Port) -> bool {
        port.device_owner == SUBPORT_OWNER || self.trunk_with(&port.standard.id).is_some()
    }

    /// What an agent does when a parent is plugged, or when subports of a plugged one come or go: has those that came
    /// bound and says that all is well. Nothing where no agent sees the parent.
    pub(crate) fn wire_trunk(&mut self, trunk_id: &str) {
        let Some(trunk) = self.trunks.get(trunk_id) else { return };
        let Some(parent) = self.ports.get(&trunk.port_id) else { return };
        if self.agents_away || !self.is_plugged(parent) {
            return;
        }
        let (host, subports) = (parent.host_id.clone(), trunk.sub_ports.clone());
        self.set_trunk_status(trunk_id, "BUILD");
        let mut failed = false;
        for subport in subports {
            failed |= !self.bind_subport(&subport.port_id, &host);
        }
        self.set_trunk_status(trunk_id, if failed { "ERROR" } else { "ACTIVE" });
    }

    /// Lets subports follow a parent whose status changed. Those of one that became active are bound to its host by
    /// Neutron itself, whatever became of owner and host meanwhile.
    pub(super) fn follow_parent(&mut self, port_id: &str) {
        let (Some(parent), Some(trunk)) = (self.ports.get(port_id), self.trunk_on(port_id)) else { return };
        let host = (parent.status == "ACTIVE").then(|| parent.host_id.clone());
        for subport in trunk.sub_ports.clone() {
            match &host {
                Some(host) => drop(self.bind_subport(&subport.port_id, host)),
                None => self.report(&subport.port_id),
            }
        }
    }

    /// Lets a trunk follow its parent to another host, or to none: then it is down. A parent that is only unplugged
    /// leaves it as it is.
    pub(crate) fn follow_binding(&mut self, port_id: &str) {
        let (Some(parent), Some(trunk)) = (self.ports.get(port_id), self.trunk_on(port_id)) else { return };
        let id = trunk.standard.id.clone();
        if parent.vif_type == "unbound" {
            self.set_trunk_status(&id, "DOWN");
        } else {
            self.wire_trunk(&id);
        }
    }

    /// Lets the trunk of a parent follow its device, which was just set up.
    pub(crate) fn follow_plug(&mut self, port_id: &str) {
        if let Some(id) = self.trunk_on(port_id).map(|trunk| trunk.standard.id.clone()) {
            self.wire_trunk(&id);
        }
    }

    fn set_trunk_status(&mut self, trunk_id: &str, status: &str) {
        if let Some(trunk) = self.trunks.get_mut(trunk_id) {
            trunk.set_status(status);
        }
    }

    /// Binds a subport to the parent's host; tells whether a mechanism took it.
    fn bind_subport(&mut self, port_id: &str, host: &str) -> bool {
        let Some(port) = self.ports.get(port_id) else { return true };
        let moves = port.host_id != host || !port.is_bound();
        if moves || port.device_owner != SUBPORT_OWNER {
            let mut port = port.clone();
            port.device_owner = SUBPORT_OWNER.into();
            port.standard.bump();
            if moves {
                let vif = self.vif(&port, host);
                port.bind(host, vif);
                (0..2).for_each(|_| port.standard.bump());
            }
            self.ports.insert(port_id.into(), port);
        }
        self.report(port_id);
        self.ports.get(port_id).is_some_and(Port::is_bound)
    }
}
