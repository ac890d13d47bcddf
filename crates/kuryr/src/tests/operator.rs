//! What an operator does with the cloud beforehand.

use ipnet::IpNet;
use openstack::network::{NewNetwork, NewPort, NewSubnet, NewSubnetPool, Port, WantedIp};

use super::docker::{Docker, ip};
use crate::Neutron;

impl Docker {
    pub(super) async fn operator_network(&self, name: &str, subnets: &[&str]) -> String {
        let new = NewNetwork { name: name.to_owned(), admin_state_up: true, ..NewNetwork::default() };
        let id = self.process.create_network(&new).await.unwrap().id;
        self.world.cloud.lock().unwrap().networks.get_mut(&id).unwrap().tags = vec!["theirs".to_owned()];
        for cidr in subnets {
            self.operator_subnet(&id, cidr).await;
        }
        id
    }

    pub(super) async fn operator_subnet(&self, network: &str, cidr: &str) {
        let cidr: IpNet = cidr.parse().unwrap();
        let new = NewSubnet {
            name: format!("theirs-{cidr}"),
            description: None,
            network_id: network.to_owned(),
            ip_version: if matches!(cidr, IpNet::V6(_)) { 6 } else { 4 },
            cidr: Some(cidr),
            subnetpool_id: None,
            prefixlen: None,
            gateway_ip: None,
            enable_dhcp: true,
            allocation_pools: None,
        };
        self.process.create_subnet(&new).await.unwrap();
        self.world.calls();
    }

    pub(super) async fn operator_port(&self, network: &str, address: &str) -> Port {
        let address = ip(address);
        let fits = |s: &&openstack::network::Subnet| s.network_id == network && s.cidr.contains(&address);
        let subnet = self.world.cloud.lock().unwrap().subnets.values().find(fits).unwrap().id.clone();
        let new = NewPort {
            network_id: network.to_owned(),
            name: "theirs".to_owned(),
            fixed_ips: vec![WantedIp { subnet_id: subnet, ip_address: Some(address) }],
            ..NewPort::default()
        };
        let port = self.process.create_port(&new).await.unwrap();
        self.world.calls();
        port
    }

    pub(super) async fn operator_pool(&self, name: &str, prefix: &str, length: u8) {
        let new = NewSubnetPool {
            name: name.to_owned(),
            description: None,
            prefixes: vec![prefix.parse().unwrap()],
            default_prefixlen: length,
            shared: None,
        };
        self.process.create_subnetpool(&new).await.unwrap();
        self.world.calls();
    }

    pub(super) fn change_port(&self, id: &str, change: impl FnOnce(&mut Port)) {
        change(self.world.cloud.lock().unwrap().ports.get_mut(id).unwrap());
    }

    pub(super) fn port_at(&self, address: IpNet) -> Option<Port> {
        let cloud = self.world.cloud.lock().unwrap();
        let port = cloud.ports.values().find(|p| p.fixed_ips.iter().any(|f| f.ip_address == address.addr()));
        port.cloned()
    }
}
