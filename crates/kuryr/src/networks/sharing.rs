//! Subnets made by kuryr on somebody's network, once Docker networks of several hosts use them: each user's tags are on
//! the subnet, and the last one to leave removes it. B43, B46.

use std::collections::BTreeSet;

use openstack::network::{Subnet, Taggable};

use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{NetworkRow, Strip};
use crate::{Error, Result, names};

/// Tag of a subnet whose maker has gone.
const LEFT: &str = "kuryr.subnet.left";

fn is_made(subnet: &Subnet) -> bool {
    subnet.description.starts_with("made by kuryr, mark ")
}

/// Whether Docker networks other than that one use the subnet.
fn has_other_users(subnet: &Subnet, docker: &str) -> bool {
    let ours = names::network_tags(docker, false);
    subnet.tags.iter().any(|tag| tag.starts_with(names::TAG_LOWER) && !ours.contains(tag))
}

impl Inner {
    /// Notes that a Docker network is to use a subnet that another one made, if that is so; changes nothing yet.
    ///
    /// # Errors
    /// Neutron keeps no tags to say so.
    pub(super) async fn note_use(&self, row: &mut NetworkRow, subnet: &Subnet) -> Result<()> {
        if !is_made(subnet) {
            return Ok(());
        }
        let here = self.networks.find(|n| n.subnets.iter().any(|s| s.id.as_ref() == Some(&subnet.id)));
        if !self.keeps_tags(Taggable::Subnet).await {
            return match here {
                Some(_) => Ok(()),
                None => {
                    let reason =
                        "another host made it for its Docker network, and this Neutron keeps no tags to \
                                  say that two use it; create it with `openstack subnet create`"
                            .to_owned();
                    Err(Error::Conflict { what: "subnet", resource: subnet.id.clone(), reason })
                }
            };
        }
        let tags = names::network_tags(&row.id, false).into_iter();
        row.strip.extend(tags.map(|tag| Strip { of_pool: false, id: subnet.id.clone(), tag }));
        Ok(())
    }

    /// Puts the tags noted on the subnets.
    ///
    /// # Errors
    /// The maker has removed one meanwhile.
    pub(super) async fn tag_used_subnets(&self, row: &NetworkRow) -> Result<()> {
        for id in used(row) {
            let tags: Vec<String> = row.strip.iter().filter(|s| s.id == id).map(|s| s.tag.clone()).collect();
            self.add_tags(Taggable::Subnet, &id, &tags).await?;
        }
        Ok(())
    }

    /// Whether the maker may remove its subnet; if others use it, it becomes theirs to remove.
    pub(super) async fn leave_subnet(&self, docker: &str, id: &str) -> Result<bool> {
        if !self.keeps_tags(Taggable::Subnet).await || !self.is_used(docker, id).await? {
            return Ok(true);
        }
        match self.add_tags(Taggable::Subnet, id, &[LEFT.to_owned()]).await {
            Err(Error::Cloud { source, .. }) if source.is_not_found() => return Ok(true),
            other => other?,
        }
        // The last user may have looked for the tag just before it was there.
        Ok(!self.is_used(docker, id).await?)
    }

    async fn is_used(&self, docker: &str, id: &str) -> Result<bool> {
        match self.neutron.get_subnet(id).await {
            Err(e) if e.is_not_found() => Ok(false),
            other => Ok(has_other_users(&other.doing("get subnet", id)?, docker)),
        }
    }

    /// Removes the subnets whose maker has gone and whose last user this network was; its own tags are off already.
    pub(super) async fn remove_left_subnets(&self, row: &NetworkRow) -> Result<()> {
        for id in used(row) {
            let subnet = match self.neutron.get_subnet(&id).await {
                Err(e) if e.is_not_found() => continue,
                other => other.doing("get subnet", &id)?,
            };
            let left = subnet.tags.iter().any(|tag| tag == LEFT);
            if left && is_made(&subnet) && !has_other_users(&subnet, &row.id) {
                self.neutron.delete_subnet(&id).await.doing("delete subnet", &id)?;
            }
        }
        Ok(())
    }
}

/// Subnets of others that carry the network's tags.
fn used(row: &NetworkRow) -> BTreeSet<String> {
    let by_tag = |strip: &&Strip| !strip.of_pool && strip.tag.starts_with(names::TAG_LOWER);
    row.strip.iter().filter(by_tag).map(|strip| strip.id.clone()).collect()
}
