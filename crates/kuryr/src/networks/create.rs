//! Creation of a Docker network: everything is checked, then written down, then made.

use std::collections::BTreeSet;

use ipnet::IpNet;
use tokio::sync::OwnedMutexGuard;

use super::subnet_pools::refuse_outside;
use crate::api::{IpamData, NetworkRequest};
use crate::names;
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::state::{MadePool, NetworkRow, Phase, PoolRow, SubnetRow, now};
use crate::swarm::Role;
use crate::{Error, Result};

/// Docker names a pool to a network within this time, in milliseconds, even when each answer takes its longest.
const PAIRING: u64 = 2 * 60 * 1000;

/// A range of the network with the pool Docker got it from, if that was ours.
pub(super) struct Range {
    pub(super) data: IpamData,
    pub(super) v6: bool,
    pub(super) pool: Option<PoolRow>,
}

impl Range {
    /// The gateway the user named, as opposed to one we proposed.
    pub(super) fn asked_gateway(&self) -> Option<std::net::IpAddr> {
        self.pool.as_ref().and_then(|p| p.gateway_asked)
    }

    /// The gateway Docker names; not the stand-in for none.
    fn gateway(&self) -> Option<std::net::IpAddr> {
        self.data.gateway.map(|g| g.addr()).filter(|g| !g.is_unspecified())
    }

    fn subnet(&self) -> SubnetRow {
        let cidr = self.data.pool.trunc();
        let mut aux: BTreeSet<_> = self.data.aux.iter().map(IpNet::addr).collect();
        aux.extend(self.pool.iter().flat_map(|p| p.aux.iter().copied()));
        SubnetRow {
            name: names::subnet_name(cidr),
            cidr: Some(cidr),
            v6: self.v6,
            id: None,
            ours: true,
            from_pool: None,
            gateway: self.gateway(),
            routes: Vec::new(),
            aux,
            pool: self.pool.as_ref().map(|p| p.id.clone()),
            address_mode: None,
            reserved: Vec::new(),
        }
    }
}

impl Inner {
    pub(crate) async fn create_network(&self, request: NetworkRequest) -> Result<()> {
        if self.settings.global_space.is_some() {
            return self.create_node_network(request).await;
        }
        names::check_docker_id("network", &request.id)?;
        let _turn = self.locks.lock("network", &request.id).await;
        if let Some(row) = self.networks.get(&request.id) {
            if row.phase == Phase::Ready {
                return Ok(());
            }
            self.dismantle_network(row).await?;
        }
        let mut options = Options::read(&request.options)?;
        self.guest.check_network(&options.port)?;
        let request = self.with_ranges(request, &mut options).await?;
        let (ranges, _turns) = self.hold_ranges(&request, &options).await?;
        for pool in ranges.iter().filter_map(|r| r.pool.as_ref()) {
            options = options.with_ipam(&Options::read(&pool.options)?)?;
        }
        let mut row = NetworkRow {
            id: request.id.clone(),
            phase: Phase::Creating,
            late_until: None,
            mark: self.marks.fresh(),
            name: names::network_name(&request.id),
            neutron_id: None,
            adopted: false,
            shared: options.shared.filter(|shared| *shared),
            internal: request.internal,
            mtu: 0,
            made_pools: Vec::new(),
            subnets: ranges.iter().map(Range::subnet).collect(),
            taken: false,
            strip: Vec::new(),
            attributes: self.resolve_afresh(&options.port).await?,
            project: None,
            role: Role::Local,
            created: now(),
        };
        let made = match self.named_network(&options, &ranges).await? {
            Some(existing) => self.adopt_network(&mut row, &existing, &options, &ranges).await,
            None => self.own_network(&mut row, &options, &ranges).await,
        };
        let made = match made {
            Ok(()) => self.bind(&mut row, &ranges),
            failed => failed,
        };
        if let Err(error) = made {
            self.abandon_network(row, &error).await;
            return Err(error);
        }
        Ok(())
    }

    /// The ranges with their pools locked: another network of the same range may be after the same pool.
    async fn hold_ranges(
        &self,
        request: &NetworkRequest,
        options: &Options,
    ) -> Result<(Vec<Range>, Vec<OwnedMutexGuard<()>>)> {
        loop {
            let ranges = self.ranges(request, options)?;
            let keys: BTreeSet<&String> =
                ranges.iter().filter_map(|r| r.pool.as_ref()).map(|p| &p.id).collect();
            let mut turns = Vec::new();
            for key in &keys {
                turns.push(self.locks.lock("pool", key).await);
            }
            let free = |key: &&String| {
                self.pools.get(key).is_some_and(|p| {
                    p.released.is_none() && p.network.is_none_or(|network| network == request.id)
                })
            };
            if keys.iter().all(free) {
                return Ok((ranges, turns));
            }
        }
    }

    /// Pairs the ranges with the pools we handed out: the request does not say which, so the oldest free one of
    /// equal range goes, those asked for with the same options, gateway and auxiliary addresses first and those a
    /// crash may have left behind last.
    fn ranges(&self, request: &NetworkRequest, options: &Options) -> Result<Vec<Range>> {
        let refuse = |resource: String, reason: &str| {
            Err(Error::Invalid { what: "network range", resource, reason: reason.to_owned() })
        };
        let mut ranges: Vec<Range> = Vec::new();
        let items = request.ipv4.iter().map(|d| (d, false)).chain(request.ipv6.iter().map(|d| (d, true)));
        for (data, v6) in items {
            let cidr = data.pool;
            if cidr.prefix_len() == 0 {
                return refuse(cidr.to_string(), "no range; use --ipam-driver kuryr and --subnet");
            }
            if cidr.trunc() != cidr || matches!(cidr, IpNet::V6(_)) != v6 {
                return refuse(cidr.to_string(), "not a network range of its family; correct --subnet");
            }
            if let Some(other) =
                ranges.iter().map(|r| r.data.pool).find(|r| r.contains(&cidr) || cidr.contains(r))
            {
                return refuse(cidr.to_string(), &format!("overlaps {other} of the same network"));
            }
            let gateway = data.gateway.filter(|g| !g.addr().is_unspecified());
            if let Some(outside) = gateway.iter().chain(&data.aux).find(|a| !cidr.contains(&a.addr())) {
                return refuse(cidr.to_string(), &format!("{} is outside", outside.addr()));
            }
            let mut free = self.pools.all(|p| {
                p.pool == cidr
                    && !request.foreign_ipam
                    && p.v6 == v6
                    && !p.taken
                    && p.released.is_none()
                    && p.network.as_ref().is_none_or(|n| *n == request.id)
            });
            let aux: BTreeSet<_> = data.aux.iter().map(IpNet::addr).collect();
            free.sort_by_key(|p| {
                let others = Options::read(&p.options).map_or(true, |ipam| ipam.differ(options));
                let asked = p.gateway_asked.or(p.gateway.map(|g| g.addr()));
                let lost = self.left_behind.contains(&p.id) || p.created < now().saturating_sub(PAIRING);
                (others, asked != gateway.map(|g| g.addr()), p.aux != aux, lost, p.created)
            });
            ranges.push(Range { data: data.clone(), v6, pool: free.into_iter().next() });
        }
        if ranges.is_empty() {
            return refuse(request.id.clone(), "neither an IPv4 nor an IPv6 range; pass --subnet");
        }
        Ok(ranges)
    }

    /// The existing network the user means: named itself, or through one of its subnets.
    async fn named_network(&self, options: &Options, ranges: &[Range]) -> Result<Option<Existing>> {
        if options.network.is_some() {
            return Ok(options.network.clone());
        }
        if let Some(subnet) = ranges.iter().find_map(|r| r.pool.as_ref()?.existing.as_ref()) {
            return Ok(Some(Existing::Id(subnet.network_id.clone())));
        }
        for range in ranges {
            if let Some(wanted) = options.subnet(range.v6) {
                let subnet = self.existing_subnet(wanted, options, range.v6, Some(range.data.pool)).await?;
                return Ok(Some(Existing::Id(subnet.network_id)));
            }
        }
        Ok(self.guest.only_network().await?.map(Existing::Id))
    }

    /// Takes over what automatic pools prepared and makes the rest.
    async fn own_network(&self, row: &mut NetworkRow, options: &Options, ranges: &[Range]) -> Result<()> {
        for (subnet, range) in row.subnets.iter_mut().zip(ranges) {
            let automatic = range.pool.as_ref().is_some_and(|p| p.pending.is_some());
            if let Some(wanted) = options.pool(range.v6)
                && !automatic
            {
                let pool = self.pool_for(wanted, range.v6, options).await?;
                refuse_outside(&pool, range.data.pool)?;
                subnet.from_pool = Some(pool.id);
            } else if !automatic {
                let cidr = range.data.pool;
                let family = |p: &&mut MadePool| matches!(p.cidr, IpNet::V6(_)) == range.v6;
                if let Some(pool) = row.made_pools.iter_mut().find(family) {
                    pool.more.push(cidr);
                } else {
                    let name = names::subnetpool_name(&self.settings.subnetpool_name_prefix, cidr);
                    row.made_pools.push(MadePool { name, cidr, more: Vec::new(), id: None });
                }
            }
        }
        let pending = ranges.iter().enumerate().filter_map(|(at, range)| {
            let key = range.pool.as_ref()?.pending.as_deref()?;
            Some((at, self.networks.get(key)?))
        });
        let mut pending: Vec<(usize, NetworkRow)> = pending.collect();
        if !pending.is_empty() {
            // The first prepared network becomes the Docker network; a second family's gives its range to it.
            let (at, base) = pending.remove(0);
            let key = base.id;
            row.mark = base.mark;
            row.name = base.name;
            row.neutron_id = base.neutron_id;
            row.mtu = base.mtu;
            if let (Some(slot), Some(mut subnet)) = (row.subnets.get_mut(at), base.subnets.into_iter().next())
            {
                subnet.aux = std::mem::take(&mut slot.aux);
                *slot = subnet;
            }
            for (at, other) in &pending {
                if let (Some(slot), Some(subnet)) = (row.subnets.get_mut(*at), other.subnets.first()) {
                    slot.from_pool = subnet.from_pool.clone();
                }
            }
            self.networks.put(&row.id, row)?;
            self.networks.remove(&key)?;
            for (_, other) in pending {
                self.dismantle_network(other).await?;
            }
        } else {
            self.networks.put(&row.id, row)?;
        }
        self.make_subnetpools(row).await?;
        self.make_network(row).await?;
        self.tag_own_network(row).await?;
        self.make_subnets(row, None).await
    }

    /// Ties the pools to the network; from here on it exists for Docker.
    fn bind(&self, row: &mut NetworkRow, ranges: &[Range]) -> Result<()> {
        for mut pool in ranges.iter().filter_map(|r| r.pool.clone()) {
            pool.network = Some(row.id.clone());
            pool.pending = None;
            pool.released = None;
            self.pools.put(&pool.id, &pool)?;
        }
        row.phase = Phase::Ready;
        self.networks.put(&row.id, row)?;
        self.pool_is_low();
        Ok(())
    }
}
