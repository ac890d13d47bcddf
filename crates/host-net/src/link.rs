//! Links of any kind: look, raise, enslave, delete.

use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoKind, LinkAttribute, LinkFlags, LinkInfo as InfoNla,
    LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use crate::name::checked;
use crate::socket::Subject;
use crate::{Error, Links, Result, SubLinkKind};

/// What the kernel says about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// Number, unique in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Up with a working other end.
    pub carrier: bool,
    /// Index of the bridge (or bond) it is enslaved to.
    pub master: Option<u32>,
    /// `veth`, `bridge`, ...; `None`: hardware and loopback.
    pub kind: Option<String>,
    /// What it is on its parent, if [`Links::ensure_sub_link`] could have made it.
    pub sub: Option<SubLinkKind>,
    /// Index of the other end (veth) or the parent, in its own namespace.
    pub peer: Option<u32>,
    /// The other end or the parent is in another network namespace.
    pub peer_elsewhere: bool,
    /// The loopback device.
    pub loopback: bool,
    /// Free text of the administrator or of the program that made the link.
    pub alias: Option<String>,
}

impl LinkInfo {
    pub(crate) fn from_message(message: &LinkMessage) -> Self {
        let flags = message.header.flags;
        let mut info = Self {
            index: message.header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
            master: None,
            kind: None,
            sub: None,
            peer: None,
            peer_elsewhere: false,
            loopback: flags.contains(LinkFlags::Loopback),
            alias: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => info.name.clone_from(name),
                LinkAttribute::Address(mac) => info.mac = mac.as_slice().try_into().ok(),
                LinkAttribute::Mtu(mtu) => info.mtu = *mtu,
                LinkAttribute::Controller(index) => info.master = Some(*index).filter(|index| *index != 0),
                LinkAttribute::Link(index) => info.peer = Some(*index).filter(|index| *index != 0),
                LinkAttribute::IfAlias(alias) => {
                    info.alias = Some(alias.clone()).filter(|alias| !alias.is_empty())
                }
                LinkAttribute::LinkNetNsId(_) => info.peer_elsewhere = true,
                LinkAttribute::LinkInfo(nlas) => {
                    info.kind = nlas.iter().find_map(|nla| match nla {
                        InfoNla::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                    info.sub = SubLinkKind::from_info(nlas);
                }
                _ => {}
            }
        }
        info
    }

    /// The kind in words, for errors.
    pub(crate) fn described(&self) -> String {
        match &self.kind {
            _ if let Some(sub) = self.sub => sub.to_string(),
            Some(kind) => format!("a {kind}"),
            None if self.loopback => "the loopback device".into(),
            None => "a hardware device".into(),
        }
    }

    pub(crate) fn expect(self, kind: &InfoKind) -> Result<Self> {
        if self.kind.as_deref() == Some(kind.to_string().as_str()) {
            return Ok(self);
        }
        Err(Error::Foreign { link: self.name.clone(), found: self.described(), wanted: format!("a {kind}") })
    }
}

/// A message about the link with this index.
pub(crate) fn about(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

impl Links {
    /// The link of this name.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Kernel`], [`Error::NoAnswer`]; an absent link is none.
    pub async fn link(&self, name: &str) -> Result<Option<LinkInfo>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(checked(name)?.to_owned()));
        self.one(Subject::new("look-up", name), message).await
    }

    pub(crate) async fn link_at(&self, index: u32) -> Result<Option<LinkInfo>> {
        self.one(Subject::new("look-up", &index.to_string()), about(index)).await
    }

    /// All links of the namespace.
    ///
    /// # Errors
    /// [`Error::Kernel`], [`Error::NoAnswer`].
    pub async fn links(&self) -> Result<Vec<LinkInfo>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let replies = self.dump(Subject::new("list", "(all)"), request).await?;
        Ok(replies.iter().filter_map(as_link).collect())
    }

    /// Raises or lowers a link.
    ///
    /// # Errors
    /// [`Error::Absent`]; lowering an absent link is an error too, it may be a typing mistake.
    pub async fn set_up(&self, name: &str, up: bool) -> Result<()> {
        let on = Subject::new(if up { "raising" } else { "lowering" }, name);
        let link = self.existing(on).await?;
        if link.up == up {
            return Ok(());
        }
        let mut message = about(link.index);
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        self.set(on, message).await
    }

    /// Puts a link into a bridge, or with `None` takes it out of the one it is in.
    ///
    /// # Errors
    /// [`Error::Absent`] for either, [`Error::Foreign`] when the master is not a bridge.
    pub async fn set_master(&self, name: &str, master: Option<&str>) -> Result<()> {
        let on = Subject::new("enslaving", name);
        let link = self.existing(on).await?;
        let wanted = match master {
            Some(master) => {
                let bridge = self.existing(Subject::new("enslaving to it", master)).await?;
                Some(bridge.expect(&InfoKind::Bridge)?.index)
            }
            None => None,
        };
        if link.master == wanted {
            return Ok(());
        }
        let mut message = about(link.index);
        message.attributes.push(LinkAttribute::Controller(wanted.unwrap_or(0)));
        match (self.set(on, message).await, master) {
            // The kernel only says that the argument is invalid when the bridge vanished since.
            (Err(error), Some(master)) if error.is(Errno::INVAL) => {
                self.existing(Subject::new("enslaving to it", master)).await?;
                Err(error)
            }
            (outcome, _) => outcome,
        }
    }

    /// Gives a link an Ethernet address.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Kernel`] (a multicast address, say).
    pub async fn set_mac(&self, name: &str, mac: [u8; 6]) -> Result<()> {
        let on = Subject::new("setting the address", name);
        let link = self.existing(on).await?;
        let mut message = about(link.index);
        message.attributes.push(LinkAttribute::Address(mac.to_vec()));
        self.set(on, message).await
    }

    /// Gives a link its MTU, in bytes.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Kernel`] for what the link cannot do.
    pub async fn set_mtu(&self, name: &str, mtu: u32) -> Result<()> {
        let link = self.existing(Subject::new("setting the MTU", name)).await?;
        self.bring_to_mtu(&link, mtu).await
    }

    /// Writes a text at a link that tells whose it is, at most 255 bytes.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Kernel`].
    pub async fn set_alias(&self, name: &str, alias: &str) -> Result<()> {
        let on = Subject::new("marking", name);
        let mut message = about(self.existing(on).await?.index);
        message.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
        self.set(on, message).await
    }

    /// Deletes a link of any kind, with its other end if it has one; an absent one is deleted.
    ///
    /// # Errors
    /// [`Error::Kernel`], for hardware among others.
    pub async fn delete_link(&self, name: &str) -> Result<()> {
        match self.link(name).await? {
            Some(link) => self.delete(&link).await,
            None => Ok(()),
        }
    }

    /// Deletes the very link that was looked at, by its number: another one that took its name since stays. A gone
    /// one is deleted.
    ///
    /// # Errors
    /// As [`Self::delete_link`].
    pub async fn delete(&self, link: &LinkInfo) -> Result<()> {
        let on = Subject::new("deleting", &link.name);
        match self.change(on, RouteNetlinkMessage::DelLink(about(link.index)), 0).await {
            Err(error) if error.is_absent() => Ok(()),
            outcome => outcome,
        }
    }

    pub(crate) async fn existing(&self, on: Subject<'_>) -> Result<LinkInfo> {
        self.link(on.link)
            .await?
            .ok_or_else(|| Error::Absent { operation: on.operation, link: on.link.to_owned() })
    }

    pub(crate) async fn set(&self, on: Subject<'_>, message: LinkMessage) -> Result<()> {
        self.change(on, RouteNetlinkMessage::SetLink(message), 0).await
    }

    pub(crate) async fn bring_to_mtu(&self, link: &LinkInfo, mtu: u32) -> Result<()> {
        if link.mtu == mtu {
            return Ok(());
        }
        let mut message = about(link.index);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        self.set(Subject::new("setting the MTU", &link.name), message).await
    }

    /// Keeps the kernel from giving the link an IPv6 address of its own when it comes up.
    pub(crate) async fn forbid_own_ipv6(&self, link: &LinkInfo) -> Result<()> {
        let mut message = about(link.index);
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]));
        match self.set(Subject::new("turning IPv6 autoconfiguration off", &link.name), message).await {
            // No IPv6 in this kernel, hence no address either.
            Err(error) if error.is(Errno::AFNOSUPPORT) => Ok(()),
            outcome => outcome,
        }
    }

    async fn one(&self, on: Subject<'_>, message: LinkMessage) -> Result<Option<LinkInfo>> {
        match self.query(on, RouteNetlinkMessage::GetLink(message)).await {
            Ok(replies) => Ok(replies.iter().find_map(as_link)),
            Err(error) if error.is(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn as_link(message: &RouteNetlinkMessage) -> Option<LinkInfo> {
    match message {
        // The bridge code reports its ports in a family of its own.
        RouteNetlinkMessage::NewLink(link) if link.header.interface_family == AddressFamily::Unspec => {
            Some(LinkInfo::from_message(link))
        }
        _ => None,
    }
}
