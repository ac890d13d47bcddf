//! Docker networks by their tags.

use std::collections::BTreeSet;

use openstack::network::{Network, Subnet, Taggable};

use super::evidence::{
    POOL_EXISTING, has_all, has_other_users, is_made_for, is_made_pool, is_made_subnet, own_pools, pools_of,
};
use super::pools::provisional;
use crate::attributes::Attributes;
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{MadePool, NetworkRow, Phase, Strip, SubnetRow, now};
use crate::swarm::Role;
use crate::{Error, Result, names};

/// What goes with a network that is recognised.
#[derive(Debug, Default)]
struct Belongings {
    pools: Vec<MadePool>,
    strip: Vec<Strip>,
}

impl Inner {
    /// Makes a Docker network known whose record we do not have, if Neutron knows it.
    pub(crate) async fn recognise_network(&self, id: &str) -> Result<()> {
        if self.networks.get(id).is_some() || !names::is_docker_id(id) {
            return Ok(());
        }
        let _turn = self.locks.lock("network", id).await;
        if self.networks.get(id).is_some() {
            return Ok(());
        }
        if self.settings.global_space.is_some() {
            return self.recognise_node_network(id).await;
        }
        self.take_network(id).await
    }

    /// As [`Self::recognise_network`], for who holds the network's lock.
    async fn take_network(&self, id: &str) -> Result<()> {
        let Some((row, own_pools)) = self.read_network(id, Phase::Ready).await? else { return Ok(()) };
        tracing::info!(
            network = id,
            neutron = row.neutron_id,
            adopted = row.adopted,
            "recognised by its tags"
        );
        self.networks.put(id, &row)?;
        self.absorb_pools(&row, &own_pools).await
    }

    /// Before the removal of a Docker network that has no record. Docker asks once, so a Neutron that is away is asked
    /// again in the background. The caller holds the network's lock.
    pub(crate) async fn take_network_to_remove(&self, id: &str) -> Result<()> {
        // Of a swarm network a node has nothing in Neutron.
        if self.networks.get(id).is_some() || self.settings.global_space.is_some() {
            return Ok(());
        }
        let taken = self.take_network(id).await;
        if let Err(Error::Cloud { .. }) = &taken {
            let unread = NetworkRow { phase: Phase::Deleting, ..taken_row(id, self.marks.fresh()) };
            self.networks.put(id, &unread)?;
        }
        taken
    }

    /// What there is to remove with a network taken earlier: others may have come to use it since, or left.
    pub(crate) async fn read_again(&self, row: NetworkRow) -> Result<NetworkRow> {
        if !row.taken || !names::is_docker_id(&row.id) {
            return Ok(row);
        }
        let Some((now, _)) = self.read_network(&row.id, row.phase).await? else { return Ok(row) };
        self.networks.put(&now.id, &now)?;
        Ok(now)
    }

    /// What Neutron says about a Docker network, and which of its pools are of ours.
    ///
    /// # Errors
    /// Several networks carry its tags; Neutron fails.
    async fn read_network(&self, id: &str, phase: Phase) -> Result<Option<(NetworkRow, BTreeSet<String>)>> {
        let Some(network) = self.tagged_network(id).await? else { return Ok(None) };
        let filter = [("network_id", network.id.as_str())];
        let mut subnets =
            self.neutron.list_subnets(&filter).await.doing("list subnets of network", &network.id)?;
        subnets.retain(|s| s.network_id == network.id);
        let made = is_made_for(&network, id, &subnets);
        let last = made || !has_other_users(&network, id);
        let belongings =
            if last { self.belongings(&network, &subnets).await? } else { Belongings::default() };
        let own_pools = own_pools(&network, &subnets);
        let row = |s: &Subnet| {
            let row = subnet_row(s, made || (last && is_made_subnet(s)));
            let own = own_pools.iter().find(|(_, of)| of.id == s.id).map(|(key, _)| key.clone());
            SubnetRow { pool: own.or(row.pool), ..row }
        };
        let rows = subnets.iter().map(row).collect();
        let read = NetworkRow {
            phase,
            name: network.name.clone(),
            neutron_id: Some(network.id.clone()),
            adopted: !made,
            shared: Some(network.shared),
            mtu: network.mtu,
            made_pools: belongings.pools,
            subnets: rows,
            strip: belongings.strip,
            project: Some(network.project_id).filter(|project| !made && !project.is_empty()),
            ..taken_row(id, self.marks.fresh())
        };
        Ok(Some((read, own_pools.into_iter().map(|(key, _)| key).collect())))
    }

    /// The Neutron network with a Docker network's tags.
    async fn tagged_network(&self, id: &str) -> Result<Option<Network>> {
        if !self.keeps_tags(Taggable::Network).await {
            return Ok(None);
        }
        let tags = names::network_tags(id, false);
        let filter = tags.join(",");
        let found = self.neutron.list_networks(&[("tags", &filter)]).await;
        let mut found = found.doing("find the network of Docker network", id)?;
        found.retain(|n| has_all(&n.tags, &tags));
        let choices = found.iter().map(|n| n.id.clone()).collect::<Vec<_>>().join(", ");
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            _ => Err(Error::Ambiguous { what: "network tagged for", resource: id.to_owned(), choices }),
        }
    }

    /// Subnet pools made for its ranges, and the tags its users' pools and subnets are to lose. Nothing that subnets of
    /// another network name too.
    async fn belongings(&self, network: &Network, subnets: &[Subnet]) -> Result<Belongings> {
        let mut belongings = Belongings::default();
        let ids: BTreeSet<String> =
            subnets.iter().flat_map(|s| pools_of(s).into_iter().chain(s.subnetpool_id.clone())).collect();
        for id in ids {
            let pool = match self.neutron.get_subnetpool(&id).await {
                Err(e) if e.is_not_found() => continue,
                other => other.doing("get subnet pool", &id)?,
            };
            let existing = pool.tags.iter().any(|tag| tag == POOL_EXISTING);
            let made = is_made_pool(&pool, &self.settings.subnetpool_name_prefix);
            if !existing && !made {
                continue;
            }
            let users = self.neutron.list_subnets(&[("tags", &id)]).await;
            let users = users.doing("list subnets of pool", &id)?;
            if users.iter().any(|s| s.tags.contains(&id) && s.network_id != network.id) {
                continue;
            }
            let tag = |of_pool: bool, of: &str, tag: &str| Strip {
                of_pool,
                id: of.to_owned(),
                tag: tag.to_owned(),
            };
            let tagged = subnets.iter().filter(|s| s.tags.contains(&id) && !is_made_subnet(s));
            belongings.strip.extend(tagged.map(|s| tag(false, &s.id, &id)));
            let mut prefixes = pool.prefixes.iter().copied();
            match prefixes.next() {
                Some(cidr) if made => {
                    let (name, more) = (pool.name.clone(), prefixes.collect());
                    belongings.pools.push(MadePool { name, cidr, more, id: Some(pool.id) });
                }
                _ => belongings.strip.push(tag(true, &id, POOL_EXISTING)),
            }
        }
        Ok(belongings)
    }

    /// Ties the pools Docker knows its subnets by to the network, with the addresses taken of them meanwhile.
    async fn absorb_pools(&self, network: &NetworkRow, own: &BTreeSet<String>) -> Result<()> {
        let placeholder = provisional(network.neutron_id.as_deref().unwrap_or_default());
        for subnet in &network.subnets {
            let (Some(key), Some(cidr)) = (&subnet.pool, subnet.cidr) else { continue };
            let _turn = self.locks.lock("pool", key).await;
            let mut pool = match self.pools.get(key) {
                Some(pool) if pool.network.as_ref() == Some(&placeholder) => pool,
                Some(_) => continue,
                None => super::pools::pool_row(key, cidr, subnet.gateway, !own.contains(key)),
            };
            for mut port in self.ports.all(|p| p.network == placeholder && p.pool.as_ref() == Some(key)) {
                port.network.clone_from(&network.id);
                self.ports.put(&port.id, &port)?;
            }
            pool.network = Some(network.id.clone());
            self.pools.put(key, &pool)?;
            self.leave_stand_in(key, &placeholder).await?;
        }
        Ok(())
    }
}

/// The record of a network of which nothing is known yet, and with which nothing is removed.
pub(crate) fn taken_row(id: &str, mark: String) -> NetworkRow {
    NetworkRow {
        id: id.to_owned(),
        phase: Phase::Ready,
        late_until: None,
        mark,
        name: String::new(),
        neutron_id: None,
        adopted: true,
        shared: None,
        // Docker keeps it to itself, as the Python driver did.
        internal: false,
        mtu: 0,
        made_pools: Vec::new(),
        subnets: Vec::new(),
        taken: true,
        strip: Vec::new(),
        attributes: Attributes::default(),
        project: None,
        role: Role::Local,
        created: now(),
    }
}

pub(crate) fn subnet_row(subnet: &Subnet, ours: bool) -> SubnetRow {
    let pools = pools_of(subnet);
    SubnetRow {
        name: subnet.name.clone(),
        cidr: Some(subnet.cidr.trunc()),
        v6: matches!(subnet.cidr, ipnet::IpNet::V6(_)),
        id: Some(subnet.id.clone()),
        ours,
        from_pool: None,
        gateway: subnet.gateway_ip,
        routes: subnet.host_routes.clone(),
        aux: BTreeSet::new(),
        // One of several names nobody in particular.
        pool: pools.first().filter(|_| pools.len() == 1).cloned(),
        address_mode: subnet.ipv6_address_mode.clone(),
        reserved: Vec::new(),
    }
}
