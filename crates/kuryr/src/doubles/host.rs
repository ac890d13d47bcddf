//! The host's links.

use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;

use super::cloud::{Cloud, Link};
use super::process::Process;
use crate::host::{
    Host, HostError, HostLinks, MarkedLink, ParentLink, SubLink, SubLinkError, SubLinkKind, VethPair,
};

impl Process {
    /// All seams of the host, filled by this process.
    pub(crate) fn host(self: &Arc<Self>) -> Host {
        Host { links: self.clone(), switch: self.clone(), functions: self.clone(), hooks: self.clone() }
    }

    pub(super) async fn on_host<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Cloud) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let mut refused = None;
        let outcome = self
            .call(&format!("host {name}"), |cloud| match work(cloud) {
                Ok(done) => Ok(Some(done)),
                Err(error) => {
                    refused = Some(error);
                    Ok(None)
                }
            })
            .await;
        match (outcome, refused) {
            (_, Some(error)) => Err(error),
            (Ok(Some(done)), None) => Ok(done),
            (Ok(None), None) => Err(HostError("nothing".to_owned())),
            (Err(error), None) => Err(HostError(error.to_string())),
        }
    }
}

fn absent(name: &str) -> HostError {
    HostError(format!("no link {name}"))
}

fn foreign(name: &str) -> HostError {
    HostError(format!("link {name} is something else"))
}

#[async_trait]
impl HostLinks for Process {
    async fn ensure_veth(&self, pair: &VethPair) -> Result<(), HostError> {
        self.on_host("ensure_veth", |c| {
            assert!(pair.host.len() <= 15 && pair.peer.len() <= 15);
            let peer = Some(pair.peer.clone());
            if c.links.get(&pair.host).is_some_and(|l| l.peer != peer || l.other_mark(&pair.mark)) {
                return Err(foreign(&pair.host));
            }
            let near = c.links.entry(pair.host.clone()).or_default();
            near.peer = peer;
            near.mtu = pair.mtu;
            near.up = true;
            near.mark = Some(pair.mark.clone());
            let far = c.links.entry(pair.peer.clone()).or_default();
            far.peer = Some(pair.host.clone());
            far.mac = pair.mac;
            far.mtu = pair.mtu;
            Ok(())
        })
        .await
    }

    async fn delete_veth(&self, host: &str, peer: &str, mark: &str) -> Result<(), HostError> {
        self.on_host("delete_veth", |c| {
            let ours = |l: &Link| l.peer.as_deref() == Some(peer) && !l.other_mark(mark);
            if c.links.get(host).is_some_and(ours) {
                c.links.remove(host);
                c.links.remove(peer);
            }
            Ok(())
        })
        .await
    }

    async fn ensure_sub_link(&self, link: &SubLink) -> Result<(), SubLinkError> {
        let outcome = self.on_host("ensure_sub_link", |c| {
            assert!(link.name.len() <= 15);
            let parent = c.links.get(&link.parent).ok_or_else(|| absent(&link.parent))?;
            let ipvlan = matches!(link.kind, SubLinkKind::Ipvlan { .. });
            let macvlan = matches!(link.kind, SubLinkKind::Macvlan { .. });
            let mac = if macvlan { link.mac } else { link.mac.or(parent.mac) };
            if link.mtu > parent.mtu || ipvlan && link.mac.is_some() {
                return Err(HostError(format!("link {} cannot stand on {}", link.name, link.parent)));
            }
            let sub = Some((link.parent.clone(), link.kind));
            let vlan = matches!(link.kind, SubLinkKind::Vlan { .. });
            match c.links.get(&link.name) {
                Some(there) if there.sub != sub || there.other_mark(&link.mark) => {
                    return Err(foreign(&link.name));
                }
                None if vlan && c.links.values().chain(c.contained.values()).any(|l| l.sub == sub) => {
                    return Ok(Err(SubLinkError::VlanTaken(format!("{sub:?} is taken"))));
                }
                _ => {}
            }
            let made = c.links.entry(link.name.clone()).or_default();
            *made = Link {
                sub,
                mac: mac.or(made.mac),
                mtu: link.mtu,
                mark: Some(link.mark.clone()),
                ..Link::default()
            };
            Ok(Ok(()))
        });
        outcome.await?
    }

    async fn delete_sub_link(
        &self,
        name: &str,
        parent: &str,
        kind: SubLinkKind,
        mark: &str,
    ) -> Result<(), HostError> {
        self.on_host("delete_sub_link", |c| {
            let wanted = |(on, is): &(String, SubLinkKind)| on == parent && kind.name() == is.name();
            let ours = |l: &Link| l.sub.as_ref().is_some_and(wanted) && !l.other_mark(mark);
            if c.links.get(name).is_some_and(ours) {
                c.links.remove(name);
            }
            Ok(())
        })
        .await
    }

    async fn parent_link(&self, name: &str) -> Result<Option<ParentLink>, HostError> {
        self.on_host("parent_link", |c| {
            let parent = |l: &Link| {
                let mac = l.mac.ok_or_else(|| HostError(format!("link {name} is no Ethernet link")))?;
                Ok(ParentLink { mac, mtu: l.mtu, up: l.up, addresses: l.addresses.clone() })
            };
            c.links.get(name).map(parent).transpose()
        })
        .await
    }

    async fn ensure_bridge(&self, name: &str, mtu: u32, mark: Option<&str>) -> Result<(), HostError> {
        self.on_host("ensure_bridge", |c| {
            let used = c.links.values().any(|l| l.master.as_deref() == Some(name));
            let bridge = c.links.entry(name.to_owned()).or_insert(Link { bridge: true, ..Link::default() });
            let theirs = |mark| bridge.other_mark(mark) || bridge.mark.is_none() && used;
            if !bridge.bridge || mark.is_some_and(theirs) {
                return Err(foreign(name));
            }
            if mark.is_none() && bridge.up {
                return Ok(());
            }
            bridge.mtu = mtu;
            bridge.up = true;
            bridge.mark = mark.map(str::to_owned);
            Ok(())
        })
        .await
    }

    async fn delete_bridge(&self, name: &str, mark: &str) -> Result<(), HostError> {
        self.on_host("delete_bridge", |c| {
            let used = c.links.values().any(|l| l.master.as_deref() == Some(name));
            match c.links.get(name).filter(|l| l.bridge && !l.other_mark(mark)) {
                Some(bridge) if used && bridge.mark.is_some() => return Err(foreign(name)),
                Some(_) if !used => c.links.remove(name),
                _ => None,
            };
            Ok(())
        })
        .await
    }

    async fn set_master(&self, link: &str, bridge: Option<&str>) -> Result<(), HostError> {
        self.on_host("set_master", |c| {
            if let Some(bridge) = bridge.filter(|b| !c.links.contains_key(*b)) {
                return Err(absent(bridge));
            }
            c.links.get_mut(link).ok_or_else(|| absent(link))?.master = bridge.map(str::to_owned);
            Ok(())
        })
        .await
    }

    async fn set_up(&self, link: &str, up: bool) -> Result<(), HostError> {
        self.on_host("set_up", |c| {
            c.links.get_mut(link).ok_or_else(|| absent(link))?.up = up;
            Ok(())
        })
        .await
    }

    async fn set_tx_checksum_offload(&self, link: &str, on: bool) -> Result<(), HostError> {
        self.on_host("set_tx_checksum_offload", |c| {
            c.links.get_mut(link).ok_or_else(|| absent(link))?.no_tx_checksums = !on;
            Ok(())
        })
        .await
    }

    async fn link_exists(&self, name: &str) -> Result<bool, HostError> {
        self.on_host("link_exists", |c| Ok(c.links.contains_key(name))).await
    }

    async fn marked_links(&self, start: &str) -> Result<Vec<MarkedLink>, HostError> {
        self.on_host("marked_links", |c| {
            let marked = c.links.iter().filter_map(|(name, link)| {
                let mark = link.mark.clone().filter(|mark| mark.starts_with(start))?;
                let peer = link.peer.clone().filter(|peer| c.links.contains_key(peer));
                let in_use = link.peer.is_some() && peer.is_none();
                let (parent, sub) = link.sub.clone().unzip();
                Some(MarkedLink { name: name.clone(), mark, peer, sub, parent, in_use })
            });
            Ok(marked.collect())
        })
        .await
    }

    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>, HostError> {
        self.on_host("onlink_routes", |c| Ok(c.routes.clone())).await
    }
}
