//! The single steps of making a network: each can be found again by its mark when its answer is lost.

use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{AllocationPool, Network, NewNetwork, NewSubnet, NewSubnetPool, Subnet, SubnetPool};

use crate::Result;
use crate::error::CloudContext;
use crate::service::{Inner, settle};
use crate::state::{MadePool, NetworkRow, SubnetRow};

/// Text of the description of everything made for one network.
pub(super) fn description(mark: &str) -> String {
    format!("made by kuryr, mark {mark}")
}

impl Inner {
    pub(super) async fn make_subnetpools(&self, row: &mut NetworkRow) -> Result<()> {
        for at in 0..row.made_pools.len() {
            let Some(pool) = row.made_pools.get(at).filter(|p| p.id.is_none()).cloned() else { continue };
            let wanted = NewSubnetPool {
                name: pool.name.clone(),
                description: Some(description(&row.mark)),
                prefixes: pool.prefixes(),
                default_prefixlen: pool.cidr.prefix_len(),
                shared: row.shared,
            };
            let made = self.neutron.create_subnetpool(&wanted).await;
            let look = async { Ok(self.marked_subnetpools(&pool, &row.mark).await?.into_iter().next()) };
            let made = settle(made, look).await.doing("create subnet pool", &pool.name)?;
            if let Some(slot) = row.made_pools.get_mut(at) {
                slot.id = Some(made.id);
            }
            self.networks.put(&row.id, row)?;
        }
        Ok(())
    }

    pub(crate) async fn marked_subnetpools(
        &self,
        pool: &MadePool,
        mark: &str,
    ) -> openstack::Result<Vec<SubnetPool>> {
        let mut found = self.neutron.list_subnetpools(&[("name", &pool.name)]).await?;
        found.retain(|p| p.name == pool.name && p.description == description(mark));
        Ok(found)
    }

    pub(crate) async fn make_network(&self, row: &mut NetworkRow) -> Result<()> {
        if row.neutron_id.is_some() {
            return Ok(());
        }
        let wanted = NewNetwork {
            name: row.name.clone(),
            description: Some(description(&row.mark)),
            admin_state_up: true,
            shared: row.shared,
        };
        let made = self.neutron.create_network(&wanted).await;
        let look = async { Ok(self.marked_networks(row).await?.into_iter().next()) };
        let made = settle(made, look).await.doing("create network", &row.name)?;
        row.neutron_id = Some(made.id);
        row.mtu = made.mtu;
        Ok(self.networks.put(&row.id, row)?)
    }

    pub(crate) async fn marked_networks(&self, row: &NetworkRow) -> openstack::Result<Vec<Network>> {
        let mut found = self.neutron.list_networks(&[("name", &row.name)]).await?;
        found.retain(|n| n.name == row.name && n.description == description(&row.mark));
        Ok(found)
    }

    /// Makes the subnets that are not there yet, all in one request that makes all or none; `prefixlen` is for
    /// ranges Neutron chooses.
    pub(crate) async fn make_subnets(&self, row: &mut NetworkRow, prefixlen: Option<u8>) -> Result<()> {
        let Some(network) = row.neutron_id.clone() else { return Ok(()) };
        let missing: Vec<SubnetRow> = row.subnets.iter().filter(|s| s.id.is_none()).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let wanted: Vec<NewSubnet> =
            missing.iter().map(|subnet| self.new_subnet(row, &network, subnet, prefixlen)).collect();
        let names = missing.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        let look = async {
            let mut found = Vec::new();
            for subnet in &missing {
                found.extend(self.marked_subnets(&network, subnet, &row.mark).await?);
            }
            Ok(Some(found).filter(|found| found.len() == missing.len()))
        };
        let made = settle(self.neutron.create_subnets(&wanted).await, look).await;
        let made = made.doing("create subnet", &names)?;
        for slot in row.subnets.iter_mut().filter(|s| s.id.is_none()) {
            let fits = |s: &&Subnet| s.name == slot.name && slot.cidr.is_none_or(|c| c == s.cidr.trunc());
            if let Some(subnet) = made.iter().find(fits) {
                adopt_facts(slot, subnet);
            }
        }
        self.networks.put(&row.id, row)?;
        if row.subnets.iter().any(|s| s.id.is_none()) {
            let reason = "Neutron answered without all subnets; try again".to_owned();
            return Err(crate::Error::Conflict { what: "subnets", resource: names, reason });
        }
        Ok(())
    }

    fn new_subnet(
        &self,
        row: &NetworkRow,
        network: &str,
        subnet: &SubnetRow,
        prefixlen: Option<u8>,
    ) -> NewSubnet {
        let own_pool = row
            .made_pools
            .iter()
            .find(|p| subnet.cidr.is_some_and(|cidr| p.prefixes().contains(&cidr)))
            .and_then(|p| p.id.clone());
        NewSubnet {
            name: subnet.name.clone(),
            description: Some(description(&row.mark)),
            network_id: network.to_owned(),
            ip_version: if subnet.v6 { 6 } else { 4 },
            cidr: subnet.cidr,
            subnetpool_id: own_pool.or(subnet.from_pool.clone()),
            prefixlen: if subnet.cidr.is_none() { prefixlen } else { None },
            gateway_ip: subnet.gateway.map(Some),
            // Where Docker chooses the addresses, the agent's own would be among them.
            enable_dhcp: self.settings.enable_dhcp && (subnet.pool.is_some() || subnet.cidr.is_none()),
            allocation_pools: subnet.cidr.and_then(|cidr| without(cidr, subnet)),
        }
    }

    pub(crate) async fn marked_subnets(
        &self,
        network: &str,
        subnet: &SubnetRow,
        mark: &str,
    ) -> openstack::Result<Vec<Subnet>> {
        let mut found = self.neutron.list_subnets(&[("network_id", network)]).await?;
        found.retain(|s| {
            s.network_id == network && s.name == subnet.name && s.description == description(mark)
        });
        Ok(found)
    }
}

/// Records what Neutron says about a subnet.
pub(super) fn adopt_facts(row: &mut SubnetRow, subnet: &Subnet) {
    row.id = Some(subnet.id.clone());
    row.cidr = Some(subnet.cidr.trunc());
    row.gateway = subnet.gateway_ip;
    row.routes = subnet.host_routes.clone();
    row.address_mode = subnet.ipv6_address_mode.clone();
}

/// The ranges of a subnet that leave out gateway and auxiliary addresses; `None` where Neutron's default will do.
fn without(cidr: IpNet, subnet: &SubnetRow) -> Option<Vec<AllocationPool>> {
    if subnet.aux.is_empty() {
        return None;
    }
    let (first, last) = match cidr {
        // Network and broadcast address are nobody's.
        IpNet::V4(net) => {
            (number(net.network().into()) + 1, number(net.broadcast().into()).saturating_sub(1))
        }
        IpNet::V6(net) => (number(net.network().into()) + 1, number(net.broadcast().into())),
    };
    let default_gateway = Some(first).filter(|_| subnet.gateway.is_none());
    let mut holes: Vec<u128> = subnet.aux.iter().chain(&subnet.gateway).map(|a| number(*a)).collect();
    holes.extend(default_gateway);
    holes.sort_unstable();
    let address = |n: u128| match cidr {
        IpNet::V4(_) => IpAddr::V4(u32::try_from(n).unwrap_or(u32::MAX).into()),
        IpNet::V6(_) => IpAddr::V6(n.into()),
    };
    let mut pools = Vec::new();
    let mut start = first;
    for hole in holes {
        if hole > start {
            pools.push(AllocationPool { start: address(start), end: address((hole - 1).min(last)) });
        }
        start = start.max(hole.saturating_add(1));
    }
    if start <= last {
        pools.push(AllocationPool { start: address(start), end: address(last) });
    }
    Some(pools)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}
