//! The single steps of making a network: each can be found again by its mark when its answer is lost.

use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{
    AllocationPool, Network, NewNetwork, NewSubnet, NewSubnetPool, Subnet, SubnetPool, Taggable,
};

use tokio::sync::OwnedMutexGuard;

use crate::Result;
use crate::error::CloudContext;
use crate::names;
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

    pub(super) async fn marked_subnetpools(
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

    pub(super) async fn marked_networks(&self, row: &NetworkRow) -> openstack::Result<Vec<Network>> {
        let mut found = self.neutron.list_networks(&[("name", &row.name)]).await?;
        found.retain(|n| n.name == row.name && n.description == description(&row.mark));
        Ok(found)
    }

    pub(super) async fn tag_own_network(&self, row: &NetworkRow) -> Result<()> {
        let Some(id) = &row.neutron_id else { return Ok(()) };
        self.replace_tags(id, &names::network_tags(&row.id, false)).await
    }

    /// From reading the tags of an existing network to writing them all: another Docker network may be after the same
    /// one, and a name does not tell which, so there is one turn for all.
    pub(super) async fn tagging(&self) -> OwnedMutexGuard<()> {
        self.locks.lock("tags", "of existing networks").await
    }

    /// Sets all tags of a network; repeated once when the answer was lost, as the repetition changes nothing.
    pub(super) async fn replace_tags(&self, id: &str, tags: &[String]) -> Result<()> {
        let set = match self.neutron.set_tags(Taggable::Network, id, tags).await {
            Err(error) if error.effect_unknown() => self.neutron.set_tags(Taggable::Network, id, tags).await,
            other => other,
        };
        set.doing("tag network", id)
    }

    /// Makes the subnets that are not there yet; `prefixlen` is for ranges Neutron chooses.
    pub(crate) async fn make_subnets(&self, row: &mut NetworkRow, prefixlen: Option<u8>) -> Result<()> {
        let Some(network) = row.neutron_id.clone() else { return Ok(()) };
        for at in 0..row.subnets.len() {
            let Some(subnet) = row.subnets.get(at).filter(|s| s.id.is_none()).cloned() else { continue };
            let own_pool = row
                .made_pools
                .iter()
                .find(|p| subnet.cidr.is_some_and(|cidr| p.prefixes().contains(&cidr)))
                .and_then(|p| p.id.clone());
            let wanted = NewSubnet {
                name: subnet.name.clone(),
                description: Some(description(&row.mark)),
                network_id: network.clone(),
                ip_version: if subnet.v6 { 6 } else { 4 },
                cidr: subnet.cidr,
                subnetpool_id: own_pool.or(subnet.from_pool.clone()),
                prefixlen: if subnet.cidr.is_none() { prefixlen } else { None },
                gateway_ip: subnet.gateway.map(Some),
                enable_dhcp: self.settings.enable_dhcp,
                allocation_pools: subnet.cidr.and_then(|cidr| without(cidr, &subnet)),
            };
            let made = self.neutron.create_subnet(&wanted).await;
            let look =
                async { Ok(self.marked_subnets(&network, &subnet, &row.mark).await?.into_iter().next()) };
            let made = settle(made, look).await.doing("create subnet", &subnet.name)?;
            if let Some(slot) = row.subnets.get_mut(at) {
                adopt_facts(slot, &made);
            }
            self.networks.put(&row.id, row)?;
        }
        Ok(())
    }

    pub(super) async fn marked_subnets(
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
