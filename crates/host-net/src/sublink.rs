//! Links on top of another one: 802.1Q VLANs, macvlan, ipvlan. For containers in a virtual machine, whose ports reach it
//! through an interface of its own.

mod kind;
mod refusal;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};

pub use self::kind::{IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind};
use crate::link::{LinkInfo, about};
use crate::name::checked;
use crate::socket::Subject;
use crate::{Error, Links, Result};

/// A wanted link on top of another one, both in the namespace of the [`Links`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubLinkSpec {
    /// Its name.
    pub name: String,
    /// The link it stands on.
    pub parent: String,
    /// What it is.
    pub kind: SubLinkKind,
    /// Its Ethernet address; `None`: the kernel's choice. The parent's is the only one for ipvlan, where none may be
    /// given, and for macvlan in mode passthru.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes, at most the parent's; `None`: the parent's.
    pub mtu: Option<u32>,
    /// Text at it that tells whose it is, at most 255 bytes.
    pub alias: Option<String>,
}

impl Links {
    /// Makes it, down, without an address and without IPv6 autoconfiguration; one that is there with this name, parent
    /// and kind is brought to what is wanted.
    ///
    /// All ipvlan links of a parent share their mode and flag. One in this namespace that differs is an error; one in a
    /// container's cannot be seen and takes the new mode over.
    ///
    /// # Errors
    /// [`Error::Foreign`] when the name belongs to something else, another VLAN or mode included; [`Error::Absent`]
    /// for the parent; [`Error::VlanTaken`]; [`Error::SubLink`] for what the parent cannot carry, a link of the other
    /// kind or beside one in mode passthru among others; [`Error::NoSuchKind`] on a kernel without the module.
    pub async fn ensure_sub_link(&self, spec: &SubLinkSpec) -> Result<()> {
        checked(&spec.name)?;
        checked(&spec.parent)?;
        spec.check()?;
        let parent = self.parent_of(spec).await?;
        spec.check_on(&parent)?;
        let link = match self.link(&spec.name).await? {
            Some(link) => self.expect_sub_link(link, spec, &parent).await?,
            None => self.create_sub_link(spec, &parent).await?,
        };
        match self.bring_to(spec, &link).await {
            Err(error) => Err(self.refusal(spec, error).await),
            done => done,
        }
    }

    async fn parent_of(&self, spec: &SubLinkSpec) -> Result<LinkInfo> {
        self.existing(Subject::new("putting a link on it", &spec.parent)).await
    }

    async fn create_sub_link(&self, spec: &SubLinkSpec, parent: &LinkInfo) -> Result<LinkInfo> {
        self.expect_equal_modes(spec, parent).await?;
        let on = Subject::new("creating", &spec.name);
        let request = RouteNetlinkMessage::NewLink(wanted(spec, parent));
        if let Err(error) = self.change(on, request, NLM_F_CREATE | NLM_F_EXCL).await {
            return match self.refusal(spec, error).await {
                // Somebody was quicker.
                Error::Kernel { errno, .. } if errno == rustix::io::Errno::EXIST.raw_os_error() => {
                    self.expect_sub_link(self.existing(on).await?, spec, parent).await
                }
                error => Err(error),
            };
        }
        self.expect_sub_link(self.existing(on).await?, spec, parent).await
    }

    /// The link, when it is the wanted one.
    async fn expect_sub_link(
        &self,
        link: LinkInfo,
        spec: &SubLinkSpec,
        parent: &LinkInfo,
    ) -> Result<LinkInfo> {
        if link.sub == Some(spec.kind) && link.peer == Some(parent.index) && !link.peer_elsewhere {
            return Ok(link);
        }
        let mut found = link.described();
        if link.sub.is_some() {
            let below = match link.peer {
                Some(index) if !link.peer_elsewhere => self.link_at(index).await?,
                _ => None,
            };
            let below = below.map_or("a link of another network namespace".into(), |below| below.name);
            found = format!("{found} on {below}");
        }
        let wanted = format!("{} on {}", spec.kind, spec.parent);
        Err(Error::Foreign { link: link.name, found, wanted })
    }

    /// Refuses to change the mode of ipvlan links that are there, as far as they can be seen.
    async fn expect_equal_modes(&self, spec: &SubLinkSpec, parent: &LinkInfo) -> Result<()> {
        if !matches!(spec.kind, SubLinkKind::Ipvlan { .. }) {
            return Ok(());
        }
        let differs = |link: &LinkInfo| {
            let on_it = link.peer == Some(parent.index) && !link.peer_elsewhere;
            on_it && link.kind.as_deref() == Some(spec.kind.name()) && link.sub != Some(spec.kind)
        };
        match self.links().await?.iter().find(|link| differs(link)) {
            Some(other) => Err(spec.refused(format!(
                "link {} on it is {} and the kernel has one mode for all of them; use that, or remove it",
                other.name,
                other.described()
            ))),
            None => Ok(()),
        }
    }

    async fn bring_to(&self, spec: &SubLinkSpec, link: &LinkInfo) -> Result<()> {
        if link.up {
            self.set_up(&spec.name, false).await?;
        }
        self.forbid_own_ipv6(link).await?;
        if let SubLinkKind::Vlan { .. } = spec.kind {
            let mut message = about(link.index);
            message.attributes.push(LinkAttribute::LinkInfo(spec.kind.as_info()));
            let on = Subject::new("configuring", &spec.name);
            self.change(on, RouteNetlinkMessage::NewLink(message), 0).await?;
        }
        if let Some(mtu) = spec.mtu {
            self.bring_to_mtu(link, mtu).await?;
        }
        if let Some(mac) = spec.mac.filter(|mac| link.mac != Some(*mac)) {
            self.set_mac(&spec.name, mac).await?;
        }
        match &spec.alias {
            Some(alias) if link.alias.as_ref() != Some(alias) => self.set_alias(&spec.name, alias).await,
            _ => Ok(()),
        }
    }
}

fn wanted(spec: &SubLinkSpec, parent: &LinkInfo) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(spec.name.clone()), LinkAttribute::Link(parent.index)];
    message.attributes.extend(spec.mtu.map(LinkAttribute::Mtu));
    message.attributes.extend(spec.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
    message.attributes.extend(spec.alias.clone().map(LinkAttribute::IfAlias));
    message.attributes.push(LinkAttribute::LinkInfo(spec.kind.as_info()));
    message
}
