//! Pools of the Python driver: Docker knows them by the UUID of a subnet pool, and the subnet carries that as a tag.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{Network, Subnet, Taggable};

use super::evidence::own_pools;
use super::networks::{subnet_row, taken_row};
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PoolRow, PortRow, SubnetRow, now};
use crate::{Error, Result, names};

/// Start of the journal key of the stand-in for the Docker network of a pool, until Docker says which it is. There is one
/// for each Neutron network, so that both families of a container find together.
const STAND_IN: &str = "taken-";

pub(super) fn provisional(neutron_id: &str) -> String {
    format!("{STAND_IN}{neutron_id}")
}

pub(super) fn pool_row(key: &str, cidr: IpNet, gateway: Option<IpAddr>, bare: bool) -> PoolRow {
    PoolRow {
        id: key.to_owned(),
        space: String::new(),
        pool: cidr,
        v6: matches!(cidr, IpNet::V6(_)),
        options: BTreeMap::new(),
        automatic: false,
        pending: None,
        existing: None,
        gateway: gateway.and_then(|g| IpNet::new(g, cidr.prefix_len()).ok()),
        gateway_asked: None,
        aux: BTreeSet::new(),
        network: None,
        created: now(),
        released: None,
        taken: true,
        bare,
        swarm: false,
    }
}

impl Inner {
    /// A pool Docker asks an address of and we have no record of. The request does not say for which Docker network,
    /// so the subnet alone is taken until an endpoint tells. The caller holds the pool's lock.
    ///
    /// # Errors
    /// Several subnets or networks carry its tag; Neutron fails.
    pub(crate) async fn take_pool(&self, public: &str, key: &str) -> Result<Option<PoolRow>> {
        let bare = public == key;
        if !self.keeps_tags(Taggable::Subnet).await {
            return Ok(None);
        }
        let found = if bare { self.tagged_subnet(key).await? } else { self.subnet_of_own_pool(key).await? };
        let Some((network, subnet)) = found else { return Ok(None) };
        let mut pool = pool_row(key, subnet.cidr.trunc(), subnet.gateway_ip, bare);
        pool.network = Some(self.stand_in(key, &network, &subnet).await?);
        self.pools.put(key, &pool)?;
        tracing::info!(pool = key, subnet = subnet.id, "recognised by its tag");
        Ok(Some(pool))
    }

    /// The subnet the Python driver tagged with a pool's id.
    async fn tagged_subnet(&self, key: &str) -> Result<Option<(Network, Subnet)>> {
        let found = self.neutron.list_subnets(&[("tags", key)]).await;
        let mut found = found.doing("find the subnet of pool", key)?;
        found.retain(|s| s.tags.iter().any(|tag| tag == key));
        let Some(subnet) = one("subnet of pool", key, found, |s| &s.id)? else { return Ok(None) };
        let network = self.neutron.get_network(&subnet.network_id).await;
        Ok(Some((network.doing("get network", &subnet.network_id)?, subnet)))
    }

    /// The subnet of a network of ours that says by its tags which pool it belongs to.
    async fn subnet_of_own_pool(&self, key: &str) -> Result<Option<(Network, Subnet)>> {
        for v6 in [false, true] {
            let tag = names::pool_tag(key, v6);
            let found = self.neutron.list_networks(&[("tags", &tag)]).await;
            let mut found = found.doing("find the network of pool", key)?;
            found.retain(|n| n.tags.contains(&tag));
            let Some(network) = one("network of pool", key, found, |n| &n.id)? else { continue };
            let filter = [("network_id", network.id.as_str())];
            let subnets =
                self.neutron.list_subnets(&filter).await.doing("list subnets of network", &network.id)?;
            let subnet = own_pools(&network, &subnets).into_iter().find(|(pool, _)| pool == key);
            return Ok(subnet.map(|(_, subnet)| (network, subnet)));
        }
        Ok(None)
    }

    /// Puts a pool's subnet under the stand-in of its network; its journal key.
    async fn stand_in(&self, pool: &str, network: &Network, subnet: &Subnet) -> Result<String> {
        let key = provisional(&network.id);
        let _turn = self.locks.lock("stand-in", &key).await;
        let mut row = self.networks.get(&key).unwrap_or_else(|| NetworkRow {
            name: network.name.clone(),
            neutron_id: Some(network.id.clone()),
            mtu: network.mtu,
            ..taken_row(&key, self.marks.fresh())
        });
        row.subnets.retain(|s| s.pool.as_deref() != Some(pool));
        row.subnets.push(SubnetRow { pool: Some(pool.to_owned()), ..subnet_row(subnet, false) });
        self.networks.put(&key, &row)?;
        Ok(key)
    }

    /// Takes a pool's subnet from its stand-in, which goes with the last.
    pub(super) async fn leave_stand_in(&self, pool: &str, key: &str) -> Result<()> {
        let _turn = self.locks.lock("stand-in", key).await;
        let Some(mut row) = self.networks.get(key) else { return Ok(()) };
        row.subnets.retain(|s| s.pool.as_deref() != Some(pool));
        if row.subnets.is_empty() {
            return Ok(self.networks.remove(key)?);
        }
        Ok(self.networks.put(key, &row)?)
    }

    /// Forgets a pool that nothing but its stand-in uses; `false` if there is more to it.
    pub(crate) async fn forget_stand_in(&self, pool: &PoolRow) -> Result<bool> {
        let Some(key) = pool.network.as_ref().filter(|key| pool.taken && key.starts_with(STAND_IN)) else {
            return Ok(false);
        };
        if self.ports.find(|p| p.pool.as_ref() == Some(&pool.id)).is_some() {
            return Ok(false);
        }
        self.leave_stand_in(&pool.id, key).await?;
        self.pools.remove(&pool.id)?;
        Ok(true)
    }

    /// Gives addresses taken of a pool to the Docker network that turns out to use them: two may share the pool.
    pub(crate) fn claim_addresses(&self, network: &str, addresses: &[IpNet]) -> Result<()> {
        let Some(row) = self.networks.get(network).filter(|row| row.taken) else { return Ok(()) };
        let on = |id: &String| row.subnets.iter().any(|s| s.id.as_ref() == Some(id));
        let free = |p: &PortRow| {
            p.endpoint.is_none()
                && p.phase == Phase::Ready
                && p.network != row.id
                && p.pool.as_ref().and_then(|key| self.pools.get(key)).is_some_and(|pool| pool.taken)
                && on(&p.subnet_id)
                && p.address.is_some_and(|held| addresses.iter().any(|a| a.addr() == held.addr()))
        };
        for mut port in self.ports.all(free) {
            port.network = row.id.clone();
            self.ports.put(&port.id, &port)?;
        }
        Ok(())
    }
}

/// The one that was found, if any.
fn one<T>(what: &'static str, key: &str, found: Vec<T>, id: impl Fn(&T) -> &String) -> Result<Option<T>> {
    let choices = found.iter().map(|found| id(found).clone()).collect::<Vec<_>>().join(", ");
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (one, None) => Ok(one),
        _ => Err(Error::Ambiguous { what, resource: key.to_owned(), choices }),
    }
}
