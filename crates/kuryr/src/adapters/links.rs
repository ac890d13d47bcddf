//! Links, by [`host_net::Links`].

use async_trait::async_trait;
use host_net::{Error, LinkInfo, Links, SubLinkSpec, VethSpec};
use ipnet::IpNet;
use openstack::MacAddr;

use crate::host::{
    HostError, HostLinks, MarkedLink, ParentLink, SubLink, SubLinkError, SubLinkKind, VethPair,
};

type Result<T> = std::result::Result<T, HostError>;

pub(super) fn refused(error: Error) -> HostError {
    HostError(error.to_string())
}

/// Whether the mark at a link, if it has one, is `mark`. A crash comes before the mark, and links of earlier releases
/// have none.
fn may_be_ours(alias: Option<&str>, mark: &str) -> bool {
    alias.is_none_or(|alias| alias == mark)
}

fn is_bridge(link: &LinkInfo) -> bool {
    link.kind.as_deref() == Some("bridge")
}

/// Name of a link in the bridge.
async fn member(links: &Links, bridge: &LinkInfo) -> Result<Option<String>> {
    let all = links.links().await.map_err(refused)?;
    Ok(all.into_iter().find(|link| link.master == Some(bridge.index)).map(|link| link.name))
}

async fn mark(links: &Links, name: &str, mark: &str) -> Result<()> {
    let link = links.link(name).await.map_err(refused)?;
    match link.and_then(|link| link.alias) {
        Some(alias) if alias == mark => Ok(()),
        Some(alias) => {
            Err(HostError(format!("link {name} exists and is marked `{alias}`; remove or rename it")))
        }
        None => links.set_alias(name, mark).await.map_err(refused),
    }
}

#[async_trait]
impl HostLinks for Links {
    async fn ensure_veth(&self, pair: &VethPair) -> Result<()> {
        let there = self.link(&pair.host).await.map_err(refused)?.and_then(|link| link.alias);
        if let Some(alias) = there.filter(|alias| *alias != pair.mark) {
            return Err(HostError(format!("link {} exists and is marked `{alias}`; remove it", pair.host)));
        }
        let spec = VethSpec {
            host: pair.host.clone(),
            peer: pair.peer.clone(),
            mac: pair.mac.map(|mac| mac.0),
            mtu: Some(pair.mtu),
        };
        Self::ensure_veth(self, &spec).await.map_err(refused)?;
        mark(self, &pair.host, &pair.mark).await
    }

    async fn delete_veth(&self, host: &str, peer: &str, mark: &str) -> Result<()> {
        let Some(link) = self.link(host).await.map_err(refused)? else { return Ok(()) };
        let other_end_is_ours = link.peer_elsewhere || {
            let there = self.link(peer).await.map_err(refused)?;
            there.is_some_and(|there| Some(there.index) == link.peer)
        };
        let is_veth = link.kind.as_deref() == Some("veth");
        if !is_veth || !other_end_is_ours || !may_be_ours(link.alias.as_deref(), mark) {
            tracing::warn!(link = host, "not a link of ours, left alone");
            return Ok(());
        }
        self.delete(&link).await.map_err(refused)
    }

    async fn ensure_sub_link(&self, link: &SubLink) -> std::result::Result<(), SubLinkError> {
        let there = self.link(&link.name).await.map_err(refused)?.and_then(|there| there.alias);
        if let Some(alias) = there.filter(|alias| *alias != link.mark) {
            let text = format!("link {} exists and is marked `{alias}`; remove it", link.name);
            return Err(HostError(text).into());
        }
        let spec = SubLinkSpec {
            name: link.name.clone(),
            parent: link.parent.clone(),
            kind: link.kind,
            mac: link.mac.map(|mac| mac.0),
            mtu: Some(link.mtu),
            alias: Some(link.mark.clone()),
        };
        Self::ensure_sub_link(self, &spec).await.map_err(|error| match error.is_vlan_taken() {
            true => SubLinkError::VlanTaken(error.to_string()),
            false => refused(error).into(),
        })
    }

    async fn delete_sub_link(&self, name: &str, parent: &str, kind: SubLinkKind, mark: &str) -> Result<()> {
        let Some(link) = self.link(name).await.map_err(refused)? else { return Ok(()) };
        let below = self.link(parent).await.map_err(refused)?;
        let on_parent = !link.peer_elsewhere && below.is_some_and(|below| Some(below.index) == link.peer);
        let is_kind = link.sub.is_some_and(|there| kind.name() == there.name());
        if !on_parent || !is_kind || !may_be_ours(link.alias.as_deref(), mark) {
            tracing::warn!(link = name, "not a link of ours, left alone");
            return Ok(());
        }
        self.delete(&link).await.map_err(refused)
    }

    async fn parent_link(&self, name: &str) -> Result<Option<ParentLink>> {
        let Some(link) = self.link(name).await.map_err(refused)? else { return Ok(None) };
        let addresses = match self.addresses(name).await {
            Err(error) if error.is_absent() => return Ok(None),
            other => other.map_err(refused)?,
        };
        let Some(mac) = link.mac.filter(|_| !link.loopback) else {
            return Err(HostError(format!(
                "link {name} is no Ethernet link; name the interface of the virtual machine"
            )));
        };
        let addresses = addresses.iter().map(IpNet::addr).collect();
        Ok(Some(ParentLink { mac: MacAddr(mac), mtu: link.mtu, up: link.up, addresses }))
    }

    async fn ensure_bridge(&self, name: &str, mtu: u32, own: Option<&str>) -> Result<()> {
        let there = self.link(name).await.map_err(refused)?.filter(is_bridge);
        match (own, there) {
            (None, Some(bridge)) if bridge.up => return Ok(()),
            (Some(own), Some(bridge)) => match &bridge.alias {
                Some(alias) if alias == own => {}
                Some(alias) => {
                    return Err(HostError(format!(
                        "bridge {name} exists and is marked `{alias}`; remove it"
                    )));
                }
                None => {
                    if let Some(member) = member(self, &bridge).await? {
                        return Err(HostError(format!(
                            "bridge {name} exists, is not marked as ours and has link {member}; remove it"
                        )));
                    }
                }
            },
            _ => {}
        }
        Self::ensure_bridge(self, name, Some(mtu)).await.map_err(refused)?;
        match own {
            Some(own) => mark(self, name, own).await,
            None => Ok(()),
        }
    }

    async fn delete_bridge(&self, name: &str, mark: &str) -> Result<()> {
        let Some(link) = self.link(name).await.map_err(refused)? else { return Ok(()) };
        if !is_bridge(&link) || !may_be_ours(link.alias.as_deref(), mark) {
            tracing::warn!(link = name, "not a bridge of ours, left alone");
            return Ok(());
        }
        match member(self, &link).await? {
            None => self.delete(&link).await.map_err(refused),
            Some(member) if link.alias.is_none() => {
                tracing::warn!(link = name, member, "a bridge without our mark that is in use, left alone");
                Ok(())
            }
            Some(member) => Err(HostError(format!(
                "somebody's link {member} is in bridge {name}; take it out with `ip link set {member} nomaster`"
            ))),
        }
    }

    async fn set_master(&self, link: &str, bridge: Option<&str>) -> Result<()> {
        Self::set_master(self, link, bridge).await.map_err(refused)
    }

    async fn set_up(&self, link: &str, up: bool) -> Result<()> {
        Self::set_up(self, link, up).await.map_err(refused)
    }

    async fn set_tx_checksum_offload(&self, link: &str, on: bool) -> Result<()> {
        Self::set_tx_checksum_offload(self, link, on).await.map_err(refused)
    }

    async fn link_exists(&self, name: &str) -> Result<bool> {
        Ok(self.link(name).await.map_err(refused)?.is_some())
    }

    async fn marked_links(&self, start: &str) -> Result<Vec<MarkedLink>> {
        let links = self.links().await.map_err(refused)?;
        let name_of =
            |index: Option<u32>| links.iter().find(|l| Some(l.index) == index).map(|l| l.name.clone());
        Ok(links
            .iter()
            .filter_map(|link| {
                let mark = link.alias.clone().filter(|alias| alias.starts_with(start))?;
                let veth = link.kind.as_deref() == Some("veth");
                // An index of another namespace says nothing here.
                let other = if link.peer_elsewhere { None } else { name_of(link.peer) };
                Some(MarkedLink {
                    name: link.name.clone(),
                    mark,
                    peer: other.clone().filter(|_| veth),
                    sub: link.sub,
                    parent: other.filter(|_| link.sub.is_some()),
                    in_use: link.peer_elsewhere && link.sub.is_none(),
                })
            })
            .collect())
    }

    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>> {
        let routes = Self::onlink_routes(self).await.map_err(refused)?;
        Ok(routes.into_iter().map(|route| (route.prefix, route.device)).collect())
    }
}
