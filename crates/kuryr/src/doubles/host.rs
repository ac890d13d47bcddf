//! The host's links.

use async_trait::async_trait;
use ipnet::IpNet;
use openstack::MacAddr;

use super::cloud::{Cloud, Link};
use super::process::Process;
use crate::{HostLinks, LinkError};

impl Process {
    async fn link<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Cloud) -> std::result::Result<T, LinkError>,
    ) -> std::result::Result<T, LinkError> {
        let mut refused = None;
        let outcome = self
            .call(&format!("link {name}"), |cloud| match work(cloud) {
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
            (Ok(None), None) => Err(LinkError("nothing".to_owned())),
            (Err(error), None) => Err(LinkError(error.to_string())),
        }
    }
}

fn absent(name: &str) -> LinkError {
    LinkError(format!("no link {name}"))
}

#[async_trait]
impl HostLinks for Process {
    async fn ensure_veth(&self, host: &str, peer: &str, mac: MacAddr, mtu: u32) -> Result<(), LinkError> {
        self.link("ensure_veth", |c| {
            assert!(host.len() <= 15 && peer.len() <= 15);
            let near = c.links.entry(host.to_owned()).or_default();
            near.peer = Some(peer.to_owned());
            near.mtu = mtu;
            let far = Link { peer: Some(host.to_owned()), mac: Some(mac), mtu, up: false, master: None };
            c.links.insert(peer.to_owned(), far);
            Ok(())
        })
        .await
    }

    async fn ensure_bridge(&self, name: &str, mtu: u32) -> Result<(), LinkError> {
        self.link("ensure_bridge", |c| {
            c.links.entry(name.to_owned()).or_insert(Link { mtu, ..Link::default() });
            Ok(())
        })
        .await
    }

    async fn set_master(&self, link: &str, bridge: Option<&str>) -> Result<(), LinkError> {
        self.link("set_master", |c| {
            if let Some(bridge) = bridge.filter(|b| !c.links.contains_key(*b)) {
                return Err(absent(bridge));
            }
            c.links.get_mut(link).ok_or_else(|| absent(link))?.master = bridge.map(str::to_owned);
            Ok(())
        })
        .await
    }

    async fn set_up(&self, link: &str, up: bool) -> Result<(), LinkError> {
        self.link("set_up", |c| {
            c.links.get_mut(link).ok_or_else(|| absent(link))?.up = up;
            Ok(())
        })
        .await
    }

    async fn delete_link(&self, name: &str) -> Result<(), LinkError> {
        self.link("delete", |c| {
            if let Some(peer) = c.links.remove(name).and_then(|l| l.peer) {
                c.links.remove(&peer);
            }
            Ok(())
        })
        .await
    }

    async fn link_exists(&self, name: &str) -> Result<bool, LinkError> {
        self.link("exists", |c| Ok(c.links.contains_key(name))).await
    }

    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>, LinkError> {
        self.link("routes", |c| Ok(c.routes.clone())).await
    }
}
