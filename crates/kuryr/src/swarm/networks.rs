//! The two calls about networks that only managers get.

use std::collections::BTreeMap;

use ipnet::IpNet;
use openstack::network::{Network, Subnet, Taggable};

use super::pools::subnet_row;
use super::{Role, SUBNET, is_made, refuse_v6, subnet_tag, users};
use crate::api::AllocationRequest;
use crate::error::CloudContext;
use crate::names;
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::{Error, Result};

/// Options by which nodes learn where a network is.
const NETWORK_ID: &str = "neutron.net.uuid";
const SUBNET_ID: &str = "neutron.subnet.uuid";

impl Inner {
    /// Ties the subnet of the network's one pool to Swarm's id. The answer is all that nodes will see of the options.
    pub(crate) async fn allocate_network(
        &self,
        request: AllocationRequest,
    ) -> Result<BTreeMap<String, String>> {
        names::check_docker_id("network", &request.id)?;
        let options = Options::read(&request.options)?;
        let range = only_range(&request)?;
        let _turn = self.locks.lock("global pool", &range.to_string()).await;
        let subnet = self.subnet_of_pool(range, &options).await?;
        self.check_options(&options, &subnet).await?;
        let other = users(&subnet).find(|user| *user != request.id).map(str::to_owned);
        if let Some(other) = other {
            let reason = format!(
                "swarm network {other} has it; choose another --subnet, or name a subnet of its own with --ipam-opt \
                 {SUBNET_ID}"
            );
            return Err(Error::Conflict { what: "subnet", resource: subnet.id, reason });
        }
        if !users(&subnet).any(|user| user == request.id) {
            self.tie(&request.id, &subnet).await?;
        }
        self.swarm.remember(&subnet);
        // From here on Neutron says all there is to know.
        for row in self
            .networks
            .all(|n| n.role == Role::Manager && n.subnets.iter().any(|s| s.id.as_ref() == Some(&subnet.id)))
        {
            self.networks.remove(&row.id)?;
        }
        let mut answer = request.options;
        answer.insert(NETWORK_ID.to_owned(), subnet.network_id);
        answer.insert(SUBNET_ID.to_owned(), subnet.id);
        Ok(answer)
    }

    /// The subnet as it is now: that of the pool asked for just before, or after a change of the leader that which the
    /// options or the range name.
    async fn subnet_of_pool(&self, range: IpNet, options: &Options) -> Result<Subnet> {
        let advice = "give --ipam-driver as well as --driver, and remove and create the network again";
        let absent = || Error::NotFound { what: "subnet of range", resource: range.to_string(), advice };
        if let Some(known) = self.swarm.of_range(range) {
            match self.neutron.get_subnet(&known.id).await {
                Err(error) if error.is_not_found() => self.swarm.forget(&known.id),
                other => return other.doing("get subnet", &known.id),
            }
        }
        if let Some(wanted) = options.subnet(false) {
            return self.existing_subnet(wanted, options, false, Some(range)).await;
        }
        if let Some(wanted) = &options.network {
            return self.subnet_with(wanted, range).await?.ok_or_else(absent);
        }
        self.made_subnet(&subnet_row(Some(range), None)).await?.ok_or_else(absent)
    }

    /// Refuses options that mean another network or subnet than the pool is on: the pool comes first, and nodes look for
    /// it by the options of the pool.
    async fn check_options(&self, options: &Options, subnet: &Subnet) -> Result<()> {
        let elsewhere = |key: &'static str, wanted: &str| {
            let reason = format!(
                "the range is on network {}, not there; say it with --ipam-opt, too, for addresses are asked for \
                 before -o is known",
                subnet.network_id
            );
            Error::Conflict { what: "option", resource: format!("{key}={wanted}"), reason }
        };
        match &options.network {
            Some(Existing::Id(id)) if *id != subnet.network_id => return Err(elsewhere(NETWORK_ID, id)),
            Some(named @ Existing::Name(name))
                if self.existing_network(named).await?.id != subnet.network_id =>
            {
                return Err(elsewhere("neutron.net.name", name));
            }
            _ => {}
        }
        match options.subnet(false) {
            Some(Existing::Id(id)) if *id != subnet.id => Err(elsewhere(SUBNET_ID, id)),
            Some(Existing::Name(name)) if *name != subnet.name => Err(elsewhere("neutron.subnet.name", name)),
            _ => Ok(()),
        }
    }

    async fn tie(&self, id: &str, subnet: &Subnet) -> Result<()> {
        let network = self.neutron.get_network(&subnet.network_id).await;
        let network = network.doing("get network", &subnet.network_id)?;
        let made = is_made_for_pool(&network);
        let name = names::network_name(id);
        if made && network.name != name {
            self.neutron.rename_network(&network.id, &name).await.doing("rename network", &network.id)?;
        }
        self.add_tags(Taggable::Network, &network.id, &names::network_tags(id, !made)).await?;
        // Last: with this it counts as done.
        self.add_tags(Taggable::Subnet, &subnet.id, &[SUBNET.to_owned(), subnet_tag(id)]).await
    }

    /// Gives up what was tied to Swarm's id: what managers made goes as soon as nothing is on it, the rest is as it was
    /// found.
    pub(crate) async fn free_network(&self, id: &str) -> Result<()> {
        if !names::is_docker_id(id) {
            return Ok(());
        }
        let _turn = self.locks.lock("network", id).await;
        let tags = names::network_tags(id, false).join(",");
        let found = self.neutron.list_networks(&[("tags", &tags)]).await;
        for network in found.doing("find the network of Docker network", id)? {
            let filter = [("network_id", network.id.as_str())];
            let subnets = self.neutron.list_subnets(&filter).await;
            let subnets = subnets.doing("list subnets of network", &network.id)?;
            for subnet in subnets.iter().filter(|s| users(s).any(|user| user == id)) {
                self.swarm.forget(&subnet.id);
                let row = self.row_to_free(id, &network, subnet)?;
                let key = row.id.clone();
                if let Err(error) = self.dismantle_network(row).await {
                    tracing::warn!(network = id, key, %error, "not all of the network is removed yet, trying again later");
                }
            }
        }
        Ok(())
    }
}

/// Whether managers made the network for its one range, and nobody has taken it for more.
pub(super) fn is_made_for_pool(network: &Network) -> bool {
    is_made(&network.description) && network.tags.iter().any(|tag| tag.starts_with(super::RANGE))
}

fn only_range(request: &AllocationRequest) -> Result<IpNet> {
    for range in request.ipv4.iter().chain(&request.ipv6) {
        refuse_v6(*range)?;
    }
    match request.ipv4.as_slice() {
        [range] => Ok(range.trunc()),
        several => {
            let all = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "it has the ranges {all}; give it one --subnet, as Swarm chooses among several by chance"
            );
            Err(Error::Invalid { what: "network", resource: request.id.clone(), reason })
        }
    }
}
