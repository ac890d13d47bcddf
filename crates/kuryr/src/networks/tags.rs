//! Tags: ours are added and removed one by one and those of others never touched, because several hosts may use one
//! network at the same time.

use openstack::network::Taggable;

use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::NetworkRow;
use crate::{Result, names};

/// Extension that adds several tags in one request.
const ADDS_SEVERAL: &str = "tag-creation";

impl Inner {
    /// Whether Neutron keeps tags. An unreachable Neutron counts as one that does: a tag it refuses is an error
    /// somebody sees, one left out is not.
    pub(crate) async fn keeps_tags(&self, kind: Taggable) -> bool {
        let old = if kind == Taggable::Network { "tag" } else { "tag-ext" };
        match self.known_extensions().await {
            Ok(all) => all.contains("standard-attr-tag") || all.contains(old),
            Err(_) => true,
        }
    }

    /// Tags of a network made for Docker. Nobody else can have tagged it yet, so one request sets them all.
    pub(super) async fn tag_own_network(&self, row: &NetworkRow) -> Result<()> {
        let Some(id) = &row.neutron_id else { return Ok(()) };
        if !self.keeps_tags(Taggable::Network).await {
            return Ok(());
        }
        let mut tags = names::network_tags(&row.id, false);
        // To know the pool by, should the journal be lost.
        let pools = row.subnets.iter().filter_map(|s| Some(names::pool_tag(s.pool.as_ref()?, s.v6)));
        tags.extend(pools);
        let set = match self.neutron.set_tags(Taggable::Network, id, &tags).await {
            Err(error) if error.effect_unknown() => self.neutron.set_tags(Taggable::Network, id, &tags).await,
            other => other,
        };
        set.doing("tag network", id)
    }

    /// Adds tags to what others may be tagging too: one request, or one for each tag where Neutron cannot take
    /// several. Repeated once when an answer is lost, as the repetition changes nothing.
    pub(crate) async fn add_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        if !self.keeps_tags(kind).await {
            return Ok(());
        }
        if self.has_extension(ADDS_SEVERAL).await {
            let added = match self.neutron.add_tags(kind, id, tags).await {
                Err(error) if error.effect_unknown() => self.neutron.add_tags(kind, id, tags).await,
                other => other,
            };
            return added.doing("tag", id);
        }
        for tag in tags {
            let added = match self.neutron.add_tag(kind, id, tag).await {
                Err(error) if error.effect_unknown() => self.neutron.add_tag(kind, id, tag).await,
                other => other,
            };
            added.doing("tag", id)?;
        }
        Ok(())
    }

    /// Removes tags; what has them no more, or is no more, is as wanted.
    pub(crate) async fn remove_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        if !self.keeps_tags(kind).await {
            return Ok(());
        }
        for tag in tags {
            match self.neutron.remove_tag(kind, id, tag).await {
                Err(error) if error.is_not_found() => {}
                other => other.doing("untag", id)?,
            }
        }
        Ok(())
    }
}
