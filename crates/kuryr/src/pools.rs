//! Pools: the user's ranges, ranges of existing subnets, ranges Neutron allocates.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

use crate::api::{Pool, PoolRequest};
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::state::{PoolRow, now};
use crate::swarm::Place;
use crate::{Error, Result, swarm};

mod automatic;
mod existing;
mod ranges;

pub(crate) use existing::only;
pub(crate) use ranges::{explicit, first_usable, on};

/// How long, in milliseconds, a pool may wait for its network before others of its range go on.
const UNPAIRED: u64 = 3_000;

/// Start of the journal key of a network made for an automatic pool.
pub(crate) const PENDING: &str = "auto-";

/// The id Docker knows a pool by: role and version, so that later kinds can be told apart.
pub(crate) fn public_id(key: &str) -> String {
    format!("l1:{key}")
}

/// The id Docker knows that pool by.
pub(crate) fn public_id_of(pool: &PoolRow) -> String {
    match (pool.bare, pool.swarm) {
        (true, _) => pool.id.clone(),
        (_, true) => swarm::nodes_id(&pool.id),
        _ => public_id(&pool.id),
    }
}

/// The journal key in a pool id. The Python driver's ids are the bare UUIDs of subnet pools.
pub(crate) fn key_of(public: &str) -> Option<&str> {
    if let Some(subnet) = swarm::of_nodes_id(public) {
        return Some(subnet);
    }
    let key = public.strip_prefix("l1:").unwrap_or(public);
    uuid::Uuid::try_parse(key).is_ok_and(|id| id.hyphenated().to_string() == key).then_some(key)
}

/// What Docker is told as the gateway of an existing subnet that has none: it insists on an answer, keeps it, and
/// does nothing with it, because a container's gateway comes with `Join`.
pub(crate) fn no_gateway(pool: IpNet) -> IpNet {
    match pool {
        IpNet::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpNet::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

impl Inner {
    pub(crate) async fn request_pool(&self, request: PoolRequest) -> Result<Pool> {
        match &self.settings.global_space {
            Some(global) if *global == request.space => return self.request_global_pool(request).await,
            Some(_) => return self.request_node_pool(request).await,
            None => {}
        }
        let options = Options::read(&request.options)?;
        let mut row = PoolRow {
            id: uuid::Uuid::new_v4().to_string(),
            space: request.space.clone(),
            // Replaced below; an automatic range is not known yet.
            pool: IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            v6: request.v6,
            options: request.options.clone(),
            automatic: request.pool.is_none(),
            pending: None,
            existing: None,
            gateway: None,
            gateway_asked: None,
            aux: BTreeSet::new(),
            network: None,
            created: now(),
            released: None,
            taken: false,
            bare: false,
            swarm: false,
        };
        if let Some(pool) = request.pool {
            row.pool = explicit(pool, request.sub_pool)?;
            let _turn = self.alone_with(row.pool).await;
            row.created = now();
            row.v6 = matches!(row.pool, IpNet::V6(_));
            row.gateway = first_usable(row.pool);
            if let Some(wanted) = options.subnet(row.v6) {
                let subnet = self.existing_subnet(wanted, &options, row.v6, Some(row.pool)).await?;
                if subnet.cidr.trunc() != row.pool {
                    let reason = format!(
                        "its range is {}, not {}; drop --subnet or correct it",
                        subnet.cidr, row.pool
                    );
                    return Err(Error::Conflict { what: "subnet", resource: subnet.id, reason });
                }
                row.existing = Some(subnet);
            } else if let Some(wanted) = self.network_meant(&options).await? {
                // Docker keeps the gateway it is told now, so it must be the real one.
                row.existing = self.subnet_with(&wanted, row.pool).await?;
            }
            if let Some(subnet) = &row.existing {
                row.gateway = on(subnet.gateway_ip, subnet.cidr);
            }
            self.pools.put(&row.id, &row)?;
        } else {
            self.automatic(&mut row, &options).await?;
        }
        Ok(Pool { id: public_id(&row.id), pool: row.pool, gateway: row.gateway })
    }

    /// The existing network ranges are on: the user's, or the only one there can be.
    async fn network_meant(&self, options: &Options) -> Result<Option<Existing>> {
        match &options.network {
            Some(named) => Ok(Some(named.clone())),
            None => Ok(self.guest.only_network().await?.map(Existing::Id)),
        }
    }

    /// Waits while another network of the same range is being made. `CreateNetwork` names the range and not the pool:
    /// with two pools of a range to choose from, each of two networks could get the other's, and Docker would ask for
    /// addresses on the wrong one. A pool nobody makes a network for stops counting soon.
    async fn alone_with(&self, range: IpNet) -> OwnedMutexGuard<()> {
        let turn = self.locks.lock("range", &range.to_string()).await;
        let waiting = |p: &PoolRow| {
            p.pool == range
                && p.network.is_none()
                && p.released.is_none()
                && !self.left_behind.contains(&p.id)
                && p.created.saturating_add(UNPAIRED) > now()
        };
        while !self.pools.all(waiting).is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        turn
    }

    pub(crate) async fn release_pool(&self, public: &str) -> Result<()> {
        if let Some(place) = Place::of_managers_id(public) {
            return self.release_global_pool(&place).await;
        }
        let Some(key) = key_of(public) else { return Ok(()) };
        let _turn = self.locks.lock("pool", key).await;
        let Some(mut row) = self.pools.get(key) else { return Ok(()) };
        if self.forget_stand_in(&row).await? {
            return Ok(());
        }
        if let Some(network) = &row.network
            && self.networks.get(network).is_some()
        {
            // Docker releases the pool before the network; the network takes it along.
            row.released = Some(now());
            self.pools.put(key, &row)?;
            return Ok(());
        }
        self.drop_pool(row).await
    }

    /// Removes a pool no network uses, with what was made for it.
    pub(crate) async fn drop_pool(&self, mut row: PoolRow) -> Result<()> {
        if row.released.is_none() {
            // Docker asks once; whatever fails now is finished by the sweeper.
            row.released = Some(now());
            self.pools.put(&row.id, &row)?;
        }
        if let Some(pending) = row.pending.as_deref().and_then(|key| self.networks.get(key)) {
            self.dismantle_network(pending).await?;
        }
        for port in self.ports.all(|p| p.pool.as_ref() == Some(&row.id)) {
            self.dismantle_port(port).await?;
        }
        Ok(self.pools.remove(&row.id)?)
    }
}
