//! Pools of the Python driver: Docker knows them by the UUID of a subnet pool, and the subnet carries that as a tag.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{Subnet, Taggable};

use super::networks::{subnet_row, taken_row};
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PoolRow, PortRow, SubnetRow, now};
use crate::{Error, Result};

/// Journal key of the stand-in for the Docker network of a pool, until Docker says which it is.
pub(super) fn provisional(pool: &str) -> String {
    format!("taken-{pool}")
}

pub(super) fn pool_row(key: &str, cidr: IpNet, gateway: Option<IpAddr>) -> PoolRow {
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
    }
}

impl Inner {
    /// A pool Docker asks an address of and we have no record of. The request does not say for which Docker network,
    /// so the subnet alone is taken until an endpoint tells. The caller holds the pool's lock.
    ///
    /// # Errors
    /// Several subnets carry its tag; Neutron fails.
    pub(crate) async fn take_pool(&self, public: &str, key: &str) -> Result<Option<PoolRow>> {
        if public != key || !self.keeps_tags(Taggable::Subnet).await {
            return Ok(None);
        }
        let found = self.neutron.list_subnets(&[("tags", key)]).await;
        let mut found = found.doing("find the subnet of pool", key)?;
        found.retain(|s| s.tags.iter().any(|tag| tag == key));
        let choices = found.iter().map(|s| s.id.clone()).collect::<Vec<_>>().join(", ");
        let mut found = found.into_iter();
        let subnet = match (found.next(), found.next()) {
            (None, _) => return Ok(None),
            (Some(one), None) => one,
            _ => return Err(Error::Ambiguous { what: "subnet of pool", resource: key.to_owned(), choices }),
        };
        let network = self.neutron.get_network(&subnet.network_id).await;
        let network = network.doing("get network", &subnet.network_id)?;
        let mut pool = pool_row(key, subnet.cidr.trunc(), subnet.gateway_ip);
        let stand_in = stand_in(key, &subnet, network.mtu, self.marks.fresh());
        self.networks.put(&stand_in.id, &stand_in)?;
        pool.network = Some(stand_in.id);
        self.pools.put(key, &pool)?;
        tracing::info!(pool = key, subnet = subnet.id, "recognised by its tag");
        Ok(Some(pool))
    }

    /// Forgets a pool that nothing but its stand-in uses; `false` if there is more to it.
    pub(crate) fn forget_stand_in(&self, pool: &PoolRow) -> Result<bool> {
        let key = provisional(&pool.id);
        if !pool.taken
            || pool.network.as_ref() != Some(&key)
            || self.ports.find(|p| p.network == key).is_some()
        {
            return Ok(false);
        }
        self.networks.remove(&key)?;
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

/// Holds the subnet; nothing is ever removed with it.
fn stand_in(key: &str, subnet: &Subnet, mtu: u32, mark: String) -> NetworkRow {
    NetworkRow {
        name: subnet.name.clone(),
        neutron_id: Some(subnet.network_id.clone()),
        mtu,
        subnets: vec![SubnetRow { pool: Some(key.to_owned()), ..subnet_row(subnet, false) }],
        ..taken_row(&provisional(key), mark)
    }
}
