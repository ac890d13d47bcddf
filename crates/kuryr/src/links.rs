//! What the service needs of this host's links, as a seam.

use async_trait::async_trait;
use ipnet::IpNet;
use openstack::MacAddr;

/// A failed change of a link: the kernel's answer in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LinkError(pub String);

/// Links of the namespace Docker looks for them in. Everything is idempotent.
#[async_trait]
pub trait HostLinks: Send + Sync {
    /// A veth pair `host`/`peer`; `mac` is the peer's, `mtu` (bytes) that of both.
    async fn ensure_veth(&self, host: &str, peer: &str, mac: MacAddr, mtu: u32) -> Result<(), LinkError>;
    /// A bridge, made if absent.
    async fn ensure_bridge(&self, name: &str, mtu: u32) -> Result<(), LinkError>;
    /// Puts a link under a bridge, or takes it out.
    async fn set_master(&self, link: &str, bridge: Option<&str>) -> Result<(), LinkError>;
    /// Brings a link up or down.
    async fn set_up(&self, link: &str, up: bool) -> Result<(), LinkError>;
    /// Removes a link; an absent one is success.
    async fn delete_link(&self, name: &str) -> Result<(), LinkError>;
    /// Whether there is a link of that name.
    async fn link_exists(&self, name: &str) -> Result<bool, LinkError>;
    /// Prefixes this host reaches without a router, with the device.
    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>, LinkError>;
}
