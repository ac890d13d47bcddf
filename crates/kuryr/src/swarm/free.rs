//! The end of what managers made or tied to a swarm network.

use openstack::network::{Network, Subnet, Taggable};

use super::networks::is_made_for_pool;
use super::pools::subnet_row;
use super::{MANAGED, RANGE, Role, SUBNET, SUBNET_OF, holders, is_made, is_reservation};
use crate::error::CloudContext;
use crate::names;
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, SubnetRow, now};
use crate::{Result, takeover};

impl Inner {
    /// The journal's record of the end of a swarm network, which may take as long as its last container.
    pub(super) fn row_to_free(&self, swarm: &str, network: &Network, subnet: &Subnet) -> Result<NetworkRow> {
        let mut row = managed(network, subnet, super::fresh_mark(&self.marks));
        row.name = swarm.to_owned();
        row.phase = Phase::Deleting;
        let same = |n: &NetworkRow| {
            n.role == Role::Manager && n.subnets.iter().any(|s| s.id.as_ref() == Some(&subnet.id))
        };
        if let Some(known) = self.networks.find(same) {
            row.id = known.id;
        }
        self.networks.put(&row.id, &row)?;
        Ok(row)
    }

    /// A record of a subnet that some manager made and nobody has tied to a network.
    pub(super) async fn row_of(&self, subnet: &Subnet) -> Result<NetworkRow> {
        let network = self.neutron.get_network(&subnet.network_id).await;
        let network = network.doing("get network", &subnet.network_id)?;
        Ok(managed(&network, subnet, super::fresh_mark(&self.marks)))
    }

    /// Removes what the record says and Neutron confirms. Fails as long as somebody's port is on it.
    pub(crate) async fn dismantle_managed(&self, row: &NetworkRow) -> Result<()> {
        let subnet = row.subnets.first();
        let Some(network) = row.neutron_id.clone() else {
            // Its creation was begun.
            for found in self.marked_networks(row).await.doing("find network", &row.name)? {
                self.neutron.delete_network(&found.id).await.doing("delete network", &found.id)?;
            }
            return Ok(());
        };
        if let Some(id) = subnet.and_then(|s| s.id.as_ref()) {
            self.untie(row, &network, id).await?;
            self.drop_reservations(&network, id).await?;
        }
        if !row.adopted {
            // Its subnet goes with it.
            return self.neutron.delete_network(&network).await.doing("delete network", &network);
        }
        let Some(subnet) = subnet.filter(|s| s.ours) else { return Ok(()) };
        let made = match &subnet.id {
            Some(id) => vec![id.clone()],
            None => {
                let found = self.marked_subnets(&network, subnet, &row.mark).await;
                found.doing("find subnet", &subnet.name)?.into_iter().map(|s| s.id).collect()
            }
        };
        for id in made {
            self.neutron.delete_subnet(&id).await.doing("delete subnet", &id)?;
        }
        Ok(())
    }

    /// Takes off what nodes and managers find it by: nobody is to come to it any more.
    async fn untie(&self, row: &NetworkRow, network: &str, subnet: &str) -> Result<()> {
        let found = match self.neutron.get_subnet(subnet).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other.doing("get subnet", subnet)?,
        };
        let ours = |tag: &&String| *tag == SUBNET || tag.starts_with(SUBNET_OF);
        let tags: Vec<String> = found.tags.iter().filter(ours).cloned().collect();
        self.remove_tags(Taggable::Subnet, subnet, &tags).await?;
        let network = match self.neutron.get_network(network).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other.doing("get network", network)?,
        };
        let mut ours =
            if names::is_docker_id(&row.name) { names::network_tags(&row.name, true) } else { Vec::new() };
        if !row.adopted {
            ours.extend(network.tags.iter().filter(|tag| tag.starts_with(RANGE)).cloned());
        }
        ours.retain(|tag| network.tags.contains(tag));
        self.remove_tags(Taggable::Network, &network.id, &ours).await
    }

    /// Swarm gives a network up only without tasks, so what its managers still hold on it is nobody's.
    async fn drop_reservations(&self, network: &str, subnet: &str) -> Result<()> {
        let found = self.neutron.list_ports(&[("network_id", network)]).await;
        let on = |p: &openstack::network::Port| p.fixed_ips.iter().any(|ip| ip.subnet_id == subnet);
        for port in found.doing("list ports of network", network)? {
            if port.network_id == network && on(&port) && is_reservation(&port) && !holders::nodes(&port.tags)
            {
                self.release_port(port, holders::MANAGER).await?;
            } else if is_reservation(&port) && on(&port) && holders::manager(&port.tags) {
                self.remove_tags(Taggable::Port, &port.id, &[holders::MANAGER.to_owned()]).await?;
            }
        }
        Ok(())
    }
}

/// A record of what is there.
fn managed(network: &Network, subnet: &Subnet, mark: String) -> NetworkRow {
    let facts = SubnetRow {
        id: Some(subnet.id.clone()),
        name: subnet.name.clone(),
        ours: is_made(&subnet.description),
        ..subnet_row(Some(subnet.cidr.trunc()), None)
    };
    NetworkRow {
        id: format!("{MANAGED}{}", uuid::Uuid::new_v4()),
        name: network.name.clone(),
        neutron_id: Some(network.id.clone()),
        adopted: !is_made_for_pool(network),
        subnets: vec![facts],
        taken: false,
        role: Role::Manager,
        created: now(),
        ..takeover::taken_row(&network.id, mark)
    }
}
