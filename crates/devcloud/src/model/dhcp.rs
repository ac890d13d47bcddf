//! What the DHCP agents do: a port of theirs on each network with DHCP.

use serde_json::Map;

use super::Model;
use super::binding::Vif;
use super::port::{DHCP_OWNER, Port};
use super::standard::Standard;

impl Model {
    /// Tells the agents that a network's subnets changed. They serve it at once, or later where
    /// [`Model::dhcp_delay`] says so.
    pub(crate) fn settle_dhcp(&mut self, network_id: &str) {
        if self.dhcp_delay.is_zero() {
            self.serve_dhcp(network_id);
        } else {
            self.dhcp_due.insert(network_id.into());
        }
    }

    /// Keeps the network's DHCP port in step with its subnets: an address on each subnet with DHCP, none left
    /// over, no port without an address.
    pub(crate) fn serve_dhcp(&mut self, network_id: &str) {
        let Some(network) = self.networks.get(network_id) else { return };
        let project = network.standard.project_id.clone();
        let wanted: Vec<String> = self
            .subnets_of(network_id)
            .into_iter()
            .filter(|s| s.enable_dhcp)
            .map(|s| s.standard.id.clone())
            .collect();
        let existing = self
            .ports
            .values()
            .find(|p| p.network_id == network_id && p.device_owner == DHCP_OWNER)
            .map(|p| p.standard.id.clone());
        if wanted.is_empty() {
            if let Some(id) = existing {
                self.ports.remove(&id);
            }
            return;
        }
        let id = existing.unwrap_or_else(|| {
            let port = self.dhcp_port(&project, network_id);
            let id = port.standard.id.clone();
            self.ports.insert(id.clone(), port);
            id
        });
        let mut ips = self.ports.get(&id).map(|p| p.fixed_ips.clone()).unwrap_or_default();
        ips.retain(|ip| wanted.contains(&ip.subnet_id));
        let mac = self.ports.get(&id).map(|p| p.mac_address.clone()).unwrap_or_default();
        for subnet_id in &wanted {
            if !ips.iter().any(|ip| ip.subnet_id == *subnet_id) {
                ips.extend(self.next_address(subnet_id, &mac, &[]));
            }
        }
        if let Some(port) = self.ports.get_mut(&id)
            && port.fixed_ips != ips
        {
            port.fixed_ips = ips;
            port.standard.bump();
        }
    }

    fn dhcp_port(&self, project: &str, network_id: &str) -> Port {
        let vif = Vif::bridge();
        Port {
            standard: Standard::new(project, String::new(), String::new()),
            network_id: network_id.into(),
            mac_address: self.free_mac(network_id),
            fixed_ips: Vec::new(),
            device_id: format!("dhcp{}-{network_id}", uuid::Uuid::new_v4()),
            device_owner: DHCP_OWNER.into(),
            admin_state_up: true,
            status: "ACTIVE".into(),
            security_groups: Vec::new(),
            port_security_enabled: false,
            allowed_address_pairs: Vec::new(),
            host_id: "devcloud".into(),
            vnic_type: "normal".into(),
            vif_type: vif.kind,
            vif_details: vif.details,
            profile: Map::new(),
            qos_policy_id: None,
            dns_name: String::new(),
        }
    }
}
