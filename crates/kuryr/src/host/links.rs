//! Network links.

use std::net::IpAddr;

use async_trait::async_trait;
pub use host_net::{IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind};
use ipnet::IpNet;
use openstack::MacAddr;

use super::HostError;

/// A wanted pair of virtual Ethernet links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethPair {
    /// The end that stays.
    pub host: String,
    /// The other end.
    pub peer: String,
    /// Ethernet address of `peer`; `None`: the kernel's choice.
    pub mac: Option<MacAddr>,
    /// Bytes, both ends.
    pub mtu: u32,
    /// Text at `host` (`ip link` shows it as alias) that says whose it is.
    pub mark: String,
}

/// A wanted link on top of the virtual machine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubLink {
    /// Its name.
    pub name: String,
    /// The link it stands on.
    pub parent: String,
    /// What it is.
    pub kind: SubLinkKind,
    /// Ethernet address; `None`: the kernel's choice, and for ipvlan, which has the parent's.
    pub mac: Option<MacAddr>,
    /// Bytes, at most the parent's.
    pub mtu: u32,
    /// Text at it (`ip link` shows it as alias) that says whose it is.
    pub mark: String,
}

/// A link that carries others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentLink {
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Its addresses, link-local ones included.
    pub addresses: Vec<IpAddr>,
}

/// A refused link on top of another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubLinkError {
    /// Another link on the parent has the VLAN, maybe one in a container; another number would do.
    #[error("{0}")]
    VlanTaken(String),
    /// Anything else.
    #[error(transparent)]
    Refused(#[from] HostError),
}

impl From<SubLinkError> for HostError {
    fn from(error: SubLinkError) -> Self {
        Self(error.to_string())
    }
}

/// A link with a mark of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedLink {
    /// Its name.
    pub name: String,
    /// The mark.
    pub mark: String,
    /// Of a veth: the name of its other end, if that is in this namespace.
    pub peer: Option<String>,
    /// What it is on another link, if it stands on one.
    pub sub: Option<SubLinkKind>,
    /// The link it stands on, if that is in this namespace.
    pub parent: Option<String>,
    /// Its other end is in another namespace, as that of a container's link is. A link on another one has none: in a
    /// container it is not seen at all, and here it is not in use.
    pub in_use: bool,
}

/// Links of the namespace Docker looks for them in.
#[async_trait]
pub trait HostLinks: Send + Sync {
    /// Makes the pair, or brings the one that is there to what is wanted.
    async fn ensure_veth(&self, pair: &VethPair) -> Result<(), HostError>;
    /// Removes the pair. An absent one is removed; a link of that name that is no veth, has another mark, or whose
    /// other end is here under another name is not ours and stays.
    async fn delete_veth(&self, host: &str, peer: &str, mark: &str) -> Result<(), HostError>;
    /// Makes the link, down and without addresses, or brings the one that is there to what is wanted. A link of that
    /// name that is something else, or has another mark, is an error.
    async fn ensure_sub_link(&self, link: &SubLink) -> Result<(), SubLinkError>;
    /// Removes it. An absent one is removed; one with another mark, on another parent or of another kind is not ours and
    /// stays. Modes and VLANs do not count: those of ipvlan change with every link on the parent, and which VLAN it was
    /// to have need not be known.
    async fn delete_sub_link(
        &self,
        name: &str,
        parent: &str,
        kind: SubLinkKind,
        mark: &str,
    ) -> Result<(), HostError>;
    /// The link of that name as a parent of others; `None`: there is none. One that is not Ethernet is an error.
    async fn parent_link(&self, name: &str) -> Result<Option<ParentLink>, HostError>;
    /// A bridge, made if absent, up; `mtu` in bytes. With a mark it is for us alone, and one without mark that has links
    /// is somebody's; without a mark it is shared, and one that is up already stays as its owner set it.
    async fn ensure_bridge(&self, name: &str, mtu: u32, mark: Option<&str>) -> Result<(), HostError>;
    /// Removes a bridge. An absent one is removed; one with another mark, one without mark that has links, or no bridge
    /// at all, stays. One of ours that still has links is an error.
    async fn delete_bridge(&self, name: &str, mark: &str) -> Result<(), HostError>;
    /// Puts a link under a bridge, or takes it out.
    async fn set_master(&self, link: &str, bridge: Option<&str>) -> Result<(), HostError>;
    /// Brings a link up or down.
    async fn set_up(&self, link: &str, up: bool) -> Result<(), HostError>;
    /// Whether the kernel may leave the checksums of what the link sends to hardware.
    async fn set_tx_checksum_offload(&self, link: &str, on: bool) -> Result<(), HostError>;
    /// Whether there is a link of that name.
    async fn link_exists(&self, name: &str) -> Result<bool, HostError>;
    /// All links with a mark that starts so.
    async fn marked_links(&self, start: &str) -> Result<Vec<MarkedLink>, HostError>;
    /// Prefixes this host reaches without a router, with the device.
    async fn onlink_routes(&self) -> Result<Vec<(IpNet, String)>, HostError>;
}
