//! Removal of what was judged, each after one more look at the journal.

use super::known::Known;
use super::report::{Orphan, OrphanAction, OrphanKind};
use crate::Result;
use crate::error::{CloudContext, LinkContext, SwitchContext};
use crate::names;
use crate::service::Inner;

impl Inner {
    /// Removes what is to be removed and notes what became of it.
    pub(super) async fn remove_orphans(&self, orphans: &mut [Orphan]) {
        for orphan in orphans.iter_mut().filter(|o| o.action == OrphanAction::WouldRemove) {
            match self.remove_orphan(orphan.kind, &orphan.id).await {
                Ok(true) => {
                    tracing::info!(kind = ?orphan.kind, id = orphan.id, why = orphan.why, "removed an orphan");
                    orphan.action = OrphanAction::Removed;
                }
                Ok(false) => {
                    orphan.action = OrphanAction::Left;
                    orphan.why = "came into use meanwhile".to_owned();
                }
                Err(error) => {
                    tracing::warn!(kind = ?orphan.kind, id = orphan.id, %error, "cannot remove an orphan");
                    orphan.action = OrphanAction::Failed;
                    orphan.failure = Some(error.to_string());
                }
            }
        }
    }

    /// `false` if it came into use in between.
    async fn remove_orphan(&self, kind: OrphanKind, id: &str) -> Result<bool> {
        // Whoever takes an existing port or network into use does so under these locks.
        let _turn = match kind {
            OrphanKind::Port => Some(self.locks.lock("adoption", id).await),
            OrphanKind::Network | OrphanKind::Subnet => {
                Some(self.locks.lock("tags", "of existing networks").await)
            }
            _ => None,
        };
        if Known::of(self).id(id) {
            return Ok(false);
        }
        match kind {
            OrphanKind::Link => self.remove_link(id).await,
            OrphanKind::SwitchPort => self.remove_switch_port(id).await,
            OrphanKind::Port => self.remove_port(id).await,
            OrphanKind::Reservation => self.remove_reservation(id).await,
            OrphanKind::SecurityGroup => {
                let gone = self.neutron.delete_security_group(id).await;
                gone.doing("delete security group", id).map(|()| true)
            }
            OrphanKind::Subnet => {
                self.neutron.delete_subnet(id).await.doing("delete subnet", id).map(|()| true)
            }
            OrphanKind::Network => {
                self.neutron.delete_network(id).await.doing("delete network", id).map(|()| true)
            }
            OrphanKind::SubnetPool => {
                self.neutron.delete_subnetpool(id).await.doing("delete subnet pool", id).map(|()| true)
            }
            // Never to be removed here.
            OrphanKind::Endpoint => Ok(false),
        }
    }

    /// A port may have been taken over since it was listed.
    async fn remove_port(&self, id: &str) -> Result<bool> {
        let port = match self.neutron.get_port(id).await {
            Err(e) if e.is_not_found() => return Ok(true),
            other => other.doing("get port", id)?,
        };
        let known = Known::of(self);
        let ours = self.is_for_containers_here(&port.device_owner, port.host_id.as_deref())
            && !known.record(&port.device_id)
            && self.marks.ours(&port.description).is_some_and(|mark| !known.mark(&self.marks, mark));
        let link = self.link_of(id);
        if !ours || self.host.links.link_exists(&link).await.on_link("look up", &link)? {
            return Ok(false);
        }
        let subport = port.device_owner == names::SUBPORT_OWNER;
        if let Some(trunk) = self.guest.trunk().await?.filter(|_| subport) {
            self.guest.trunks.detach(&trunk, id).await?;
        }
        self.neutron.delete_port(id).await.doing("delete port", id).map(|()| true)
    }

    async fn remove_link(&self, name: &str) -> Result<bool> {
        let links = self.host.links.marked_links(names::MARK).await.on_link("list", "every")?;
        let Some(link) = links.iter().find(|l| l.name == name) else { return Ok(true) };
        let in_use = links.iter().any(|l| l.in_use && l.mark == link.mark);
        if in_use || self.marks.port_of_link(&link.mark).is_none() {
            return Ok(false);
        }
        let removed = match (&link.peer, link.sub, &link.parent) {
            (_, Some(kind), Some(parent)) => {
                self.host.links.delete_sub_link(name, parent, kind, &link.mark).await
            }
            // It stands on a link that is not here.
            (_, Some(_), None) => return Ok(false),
            (Some(peer), ..) => self.host.links.delete_veth(name, peer, &link.mark).await,
            (None, ..) => self.host.links.delete_bridge(name, &link.mark).await,
        };
        removed.on_link("remove", name).map(|()| true)
    }

    async fn remove_switch_port(&self, name: &str) -> Result<bool> {
        let ports = self.host.switch.ports().await.on_switch("list ports of", "every bridge")?;
        let Some(port) = ports.into_iter().find(|p| p.name == name) else { return Ok(true) };
        let Some(id) = port.external_ids.get(crate::host::IFACE_ID) else { return Ok(false) };
        if Known::of(self).id(id) {
            return Ok(false);
        }
        self.host.switch.delete_port(name, id).await.on_switch("remove port", name).map(|()| true)
    }
}
