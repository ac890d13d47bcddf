//! Removal of a network: of exactly what its record says was made, whether or not the making was finished.

use openstack::network::Taggable;

use crate::error::CloudContext;
use crate::names;
use crate::pools::PENDING;
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, SubnetRow, is_late, late_until, now};
use crate::swarm::Role;
use crate::{Error, Result};

impl Inner {
    pub(crate) async fn delete_network(&self, id: &str) -> Result<()> {
        if !names::is_docker_id(id) {
            return Ok(());
        }
        let _turn = self.locks.lock("network", id).await;
        self.take_network_to_remove(id).await?;
        let Some(row) = self.doomed(id).await? else { return Ok(()) };
        // Docker gives them up with the network, even where it has not said so.
        for mut pool in self.pools.all(|p| p.network.as_deref() == Some(id) && p.released.is_none()) {
            pool.released = Some(now());
            self.pools.put(&pool.id, &pool)?;
        }
        self.empty_network(row).await
    }

    /// The network's record, with its end noted before the first call, so that it is finished after a crash.
    async fn doomed(&self, id: &str) -> Result<Option<NetworkRow>> {
        let Some(known) = self.networks.get(id) else { return Ok(None) };
        let _turn = self.locks.lock("subnets", known.neutron_id.as_deref().unwrap_or_default()).await;
        let Some(mut row) = self.networks.get(id) else { return Ok(None) };
        if row.phase != Phase::Deleting {
            row.phase = Phase::Deleting;
            self.networks.put(id, &row)?;
        }
        Ok(Some(row))
    }

    /// Removes a network with whatever was lost on it: Docker removes one only without endpoints.
    pub(crate) async fn empty_network(&self, row: NetworkRow) -> Result<()> {
        for endpoint in self.endpoints.all(|e| e.network == row.id) {
            self.delete_endpoint(&endpoint.id).await?;
        }
        self.empty_pool(&row.id).await?;
        for port in self.ports.all(|p| p.network == row.id) {
            self.dismantle_port(port).await?;
        }
        self.dismantle_network(row).await
    }

    /// Undoes a failed creation; what cannot be undone now stays in the journal and is tried again.
    pub(crate) async fn abandon_network(&self, mut row: NetworkRow, cause: &Error) {
        let known = self.networks.get(&row.id).is_some();
        if !known && row.neutron_id.is_none() {
            return;
        }
        // Calls go one after the other and each success is noted, so a first call without effect left nothing.
        let nothing_made = row.neutron_id.is_none() && row.made_pools.iter().all(|p| p.id.is_none());
        if nothing_made && cause.changed_nothing() {
            match self.networks.remove(&row.id) {
                Ok(()) => return,
                Err(error) => tracing::warn!(network = row.id, %error, "cannot forget a network never made"),
            }
        }
        row.phase = Phase::Deleting;
        row.late_until = late_until(cause);
        if let Err(error) = self.networks.put(&row.id, &row) {
            tracing::error!(network = row.id, %error, "cannot note that the network is to be removed");
        }
        let id = row.id.clone();
        if let Err(error) = self.dismantle_network(row).await {
            tracing::warn!(network = id, %error, "cannot undo the creation now, trying again later");
        }
    }

    /// Removes what the record says and then the record. Pools Docker still holds are free for another try.
    pub(crate) async fn dismantle_network(&self, row: NetworkRow) -> Result<()> {
        let row = self.read_again(row).await?;
        match row.role {
            Role::Manager => self.dismantle_managed(&row).await?,
            // What others need, too.
            Role::Node => {}
            Role::Local if row.adopted => self.give_back_network(&row).await?,
            Role::Local => self.remove_own_network(&row).await?,
        }
        for mut pool in self.pools.all(|p| p.network.as_ref() == Some(&row.id)) {
            if pool.released.is_some() {
                self.pools.remove(&pool.id)?;
            } else {
                pool.network = None;
                self.pools.put(&pool.id, &pool)?;
            }
        }
        if is_late(row.late_until) {
            // Under a name of its own, so that the user's repetition does not overwrite it.
            let key = format!("{PENDING}{}", row.mark);
            if key != row.id {
                let late = NetworkRow { id: key.clone(), phase: Phase::Deleting, ..row.clone() };
                self.networks.put(&key, &late)?;
                self.networks.remove(&row.id)?;
            }
            return Ok(());
        }
        Ok(self.networks.remove(&row.id)?)
    }

    async fn remove_own_network(&self, row: &NetworkRow) -> Result<()> {
        let networks = match &row.neutron_id {
            Some(id) => vec![id.clone()],
            None => {
                let found = self.marked_networks(row).await.doing("find network", &row.name)?;
                found.into_iter().map(|n| n.id).collect()
            }
        };
        for id in networks {
            // Its subnets go with it.
            self.neutron.delete_network(&id).await.doing("delete network", id)?;
        }
        self.remove_subnetpools(row).await
    }

    async fn remove_subnetpools(&self, row: &NetworkRow) -> Result<()> {
        for pool in &row.made_pools {
            let pools = match &pool.id {
                Some(id) => vec![id.clone()],
                None => {
                    let found = self.marked_subnetpools(pool, &row.mark).await;
                    found.doing("find subnet pool", &pool.name)?.into_iter().map(|p| p.id).collect()
                }
            };
            for id in pools {
                self.neutron.delete_subnetpool(&id).await.doing("delete subnet pool", id)?;
            }
        }
        Ok(())
    }

    async fn give_back_network(&self, row: &NetworkRow) -> Result<()> {
        let Some(id) = &row.neutron_id else { return Ok(()) };
        self.release_aux(row).await?;
        self.remove_own_subnets(&row.id, id).await?;
        self.remove_subnetpools(row).await?;
        for strip in &row.strip {
            let kind = if strip.of_pool { Taggable::SubnetPool } else { Taggable::Subnet };
            self.remove_tags(kind, &strip.id, std::slice::from_ref(&strip.tag)).await?;
        }
        self.remove_left_subnets(row).await?;
        self.remove_tags(Taggable::Network, id, &names::network_tags(&row.id, true)).await
    }

    /// Removes the subnets made for one Docker network on an adopted one, except those another Docker network of
    /// this host has come to use: they become that one's to remove.
    async fn remove_own_subnets(&self, docker: &str, network: &str) -> Result<()> {
        let _turn = self.locks.lock("subnets", network).await;
        // As it is now: another network may just have left us a subnet.
        let Some(mut row) = self.networks.get(docker) else { return Ok(()) };
        for at in 0..row.subnets.len() {
            let Some(subnet) = row.subnets.get(at).filter(|s| s.ours).cloned() else { continue };
            if let Some(heir) = self.heir(&row, &subnet) {
                self.networks.put(&heir.id, &heir)?;
                if let Some(slot) = row.subnets.get_mut(at) {
                    slot.ours = false;
                }
                self.networks.put(docker, &row)?;
                continue;
            }
            let subnets = match &subnet.id {
                Some(id) => vec![id.clone()],
                None => {
                    let found = self.marked_subnets(network, &subnet, &row.mark).await;
                    found.doing("find subnet", &subnet.name)?.into_iter().map(|s| s.id).collect()
                }
            };
            for id in subnets {
                if self.leave_subnet(docker, &id).await? {
                    self.neutron.delete_subnet(&id).await.doing("delete subnet", id)?;
                }
            }
        }
        Ok(())
    }

    /// The record of another Docker network in use on that subnet, which then counts as made by it.
    fn heir(&self, row: &NetworkRow, subnet: &SubnetRow) -> Option<NetworkRow> {
        let id = subnet.id.as_ref()?;
        let uses = |s: &SubnetRow| s.id.as_ref() == Some(id);
        let mut heir = self.networks.find(|other| {
            other.id != row.id
                && !other.taken
                && other.phase != Phase::Deleting
                && other.subnets.iter().any(uses)
        })?;
        heir.subnets.iter_mut().filter(|s| s.id.as_ref() == Some(id)).for_each(|s| s.ours = true);
        Some(heir)
    }
}
