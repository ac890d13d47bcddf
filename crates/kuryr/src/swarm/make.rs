//! A Neutron network for a range, made by exactly one of the managers that try at the same moment.
//!
//! Neutron has no name that only one network may have. It does say to exactly one caller that he has removed a tag. So
//! a new network carries a token. Its maker gives it a subnet only after he has removed that token himself; and whoever
//! meets a rival's network removes its token, and the network with it, or learns that he came too late. Each makes his
//! own network before he looks for rivals, so of two at least one meets the other: two never get a subnet.

use std::time::Duration;

use openstack::network::{Network, Subnet, Taggable};
use tokio::time::{Instant, sleep};

use super::range_tag;
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{NetworkRow, SubnetRow};
use crate::{Error, Result};

/// Tag of a network whose maker has not been decided upon.
const TOKEN: &str = "kuryr.token";
/// How long the higher of two waits for the lower.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one waits for somebody who has won, and then for his subnet.
const AT_MOST: Duration = Duration::from_secs(4);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Attempts, each with a network of its own.
const ROUNDS: usize = 4;

/// How a contest ended.
enum Outcome {
    /// This manager makes the subnet.
    Won,
    /// Somebody else has made it.
    Lost(Box<Subnet>),
    /// Somebody else has removed our network.
    Again,
}

impl Inner {
    /// The subnet with exactly that range on a network that some manager made for it.
    pub(super) async fn made_subnet(&self, row: &SubnetRow) -> Result<Option<Subnet>> {
        let Some(range) = row.cidr else { return Ok(None) };
        for network in self.made_for(&range_tag(range)).await? {
            if let Some(subnet) = self.its_subnet(&network, row).await? {
                return Ok(Some(subnet));
            }
        }
        Ok(None)
    }

    async fn made_for(&self, tag: &str) -> Result<Vec<Network>> {
        let project = self.own_project().await?;
        let mut filters = vec![("tags", tag)];
        filters.extend(project.iter().map(|id| ("project_id", id.as_str())));
        let mut found = self.neutron.list_networks(&filters).await.doing("find networks made for", tag)?;
        found.retain(|n| super::is_made(&n.description) && n.tags.iter().any(|has| has == tag));
        Ok(found)
    }

    /// Whose swarm this is: an administrator sees those of other projects, too.
    pub(super) async fn own_project(&self) -> Result<Option<String>> {
        self.neutron.own_project().await.doing("find the project of", "the credentials")
    }

    async fn its_subnet(&self, network: &Network, row: &SubnetRow) -> Result<Option<Subnet>> {
        if network.subnets.is_empty() {
            return Ok(None);
        }
        let filter = [("network_id", network.id.as_str())];
        let found = self.neutron.list_subnets(&filter).await.doing("list subnets of network", &network.id)?;
        Ok(found.into_iter().find(|s| s.network_id == network.id && Some(s.cidr.trunc()) == row.cidr))
    }

    /// Makes network and subnet, or finds those of a manager who was quicker. The row is in the journal.
    pub(super) async fn make_once(&self, row: &mut NetworkRow) -> Result<Subnet> {
        let Some(wanted) = row.subnets.first().cloned() else { return Err(unsettled(&row.name)) };
        let Some(range) = wanted.cidr else { return Err(unsettled(&row.name)) };
        for _ in 0..ROUNDS {
            self.make_network(row).await?;
            let Some(id) = row.neutron_id.clone() else { break };
            // Nobody else writes the tags of a network that has a token.
            let tags = [range_tag(range), TOKEN.to_owned()];
            let tagged = match self.neutron.set_tags(Taggable::Network, &id, &tags).await {
                Err(error) if error.effect_unknown() => {
                    self.neutron.set_tags(Taggable::Network, &id, &tags).await
                }
                other => other,
            };
            tagged.doing("tag network", &id)?;
            match self.contest(&id, range_tag(range), &wanted).await? {
                Outcome::Won => {
                    self.make_subnets(row, None).await?;
                    let made = row.subnets.first().and_then(|s| s.id.clone()).unwrap_or_default();
                    return self.neutron.get_subnet(&made).await.doing("get subnet", &made);
                }
                Outcome::Lost(subnet) => {
                    self.neutron.delete_network(&id).await.doing("delete network", &id)?;
                    return Ok(*subnet);
                }
                Outcome::Again => {
                    self.neutron.delete_network(&id).await.doing("delete network", &id)?;
                    row.neutron_id = None;
                    row.mark = super::fresh_mark(&self.marks);
                    self.networks.put(&row.id, row)?;
                }
            }
        }
        Err(unsettled(&row.name))
    }

    async fn contest(&self, own: &str, tag: String, wanted: &SubnetRow) -> Result<Outcome> {
        let begun = Instant::now();
        loop {
            let all = self.made_for(&tag).await?;
            if !all.iter().any(|n| n.id == own) {
                return Ok(Outcome::Again);
            }
            let mut waiting = None;
            for rival in all.iter().filter(|n| n.id != own) {
                if let Some(subnet) = self.its_subnet(rival, wanted).await? {
                    return Ok(Outcome::Lost(Box::new(subnet)));
                }
                let undecided = rival.tags.iter().any(|has| has == TOKEN);
                let lower = rival.id.as_str() < own;
                let eliminated =
                    undecided && (!lower || begun.elapsed() > PATIENCE) && self.take_token(&rival.id).await?;
                if eliminated {
                    self.neutron.delete_network(&rival.id).await.doing("delete network", &rival.id)?;
                } else {
                    waiting = Some(rival.id.clone());
                }
            }
            match waiting {
                None if self.take_token(own).await? => return Ok(Outcome::Won),
                None => return Ok(Outcome::Again),
                Some(rival) if begun.elapsed() > AT_MOST => return Err(unsettled(&rival)),
                Some(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Whether it was this call that removed the token. A lost answer counts as a no: then the network goes.
    async fn take_token(&self, network: &str) -> Result<bool> {
        match self.neutron.take_tag(Taggable::Network, network, TOKEN).await {
            Err(error) if error.effect_unknown() => Ok(false),
            other => other.doing("untag network", network),
        }
    }
}

fn unsettled(network: &str) -> Error {
    let reason =
        "another manager is making it, or died while it did; try again, and if that does not help delete it \
                  with `openstack network delete`"
            .to_owned();
    Error::Conflict { what: "network", resource: network.to_owned(), reason }
}
