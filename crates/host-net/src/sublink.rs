//! Links on top of another one: 802.1Q VLANs, macvlan, ipvlan. For containers in a virtual machine, whose ports reach it
//! through an interface of its own.

mod kind;
mod refusal;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rustix::io::Errno;

pub use self::kind::{IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind};
use crate::link::{LinkInfo, about};
use crate::name::checked;
use crate::socket::Subject;
use crate::{Error, Links, Result};

/// What a failure is told by when it is the creation's.
const CREATING: &str = "creating";
const PUTTING: &str = "putting a link on it";

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
        match self.make(spec, &parent).await {
            Err(error) => Err(self.refusal(spec, error).await),
            done => done,
        }
    }

    async fn make(&self, spec: &SubLinkSpec, parent: &LinkInfo) -> Result<()> {
        let link = match self.link(&spec.name).await? {
            Some(link) => link,
            None => self.create_sub_link(spec, parent).await?,
        };
        self.expect_sub_link(&link, spec, parent).await?;
        self.bring_to(spec, &link).await
    }

    async fn parent_of(&self, spec: &SubLinkSpec) -> Result<LinkInfo> {
        self.existing(Subject::new(PUTTING, &spec.parent)).await
    }

    async fn create_sub_link(&self, spec: &SubLinkSpec, parent: &LinkInfo) -> Result<LinkInfo> {
        self.expect_equal_modes(spec, parent).await?;
        let on = Subject::new(CREATING, &spec.name);
        let request = RouteNetlinkMessage::NewLink(wanted(spec, parent));
        match self.change(on, request, NLM_F_CREATE | NLM_F_EXCL).await {
            Ok(()) => self.existing(Subject::new("looking at it", &spec.name)).await,
            // Somebody was quicker, or has the VLAN under another name.
            Err(error) if error.is(Errno::EXIST) => self.link(&spec.name).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Whether the link is the wanted one.
    async fn expect_sub_link(&self, link: &LinkInfo, spec: &SubLinkSpec, parent: &LinkInfo) -> Result<()> {
        if link.sub == Some(spec.kind) && link.peer == Some(parent.index) && !link.peer_elsewhere {
            return Ok(());
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
        Err(Error::Foreign { link: link.name.clone(), found, wanted })
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
        if let Some(alias) = spec.alias.as_ref().filter(|alias| link.alias.as_ref() != Some(*alias)) {
            self.set_alias(&spec.name, alias).await?;
        }
        if let SubLinkKind::Vlan { .. } = spec.kind {
            let mut message = about(link.index);
            message.attributes.push(LinkAttribute::LinkInfo(spec.kind.as_info()));
            let on = Subject::new("configuring", &spec.name);
            self.change(on, RouteNetlinkMessage::NewLink(message), 0).await?;
        }
        if let Some(mtu) = spec.mtu {
            self.bring_to_mtu(link, mtu).await?;
        }
        // Behind the MTU: with less than 1280 bytes there is no IPv6 to turn off.
        self.forbid_own_ipv6(link).await?;
        match spec.mac {
            Some(mac) if link.mac != spec.mac => self.set_mac(&spec.name, mac).await,
            _ => Ok(()),
        }
    }
}

/// Without the alias, which the kernel takes at a link that exists only.
fn wanted(spec: &SubLinkSpec, parent: &LinkInfo) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(spec.name.clone()), LinkAttribute::Link(parent.index)];
    message.attributes.extend(spec.mtu.map(LinkAttribute::Mtu));
    message.attributes.extend(spec.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
    message.attributes.push(LinkAttribute::LinkInfo(spec.kind.as_info()));
    message
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::Emitable;

    use super::*;

    fn request(kind: SubLinkKind, mac: Option<[u8; 6]>, mtu: Option<u32>) -> String {
        let mut parent = LinkMessage::default();
        parent.header.index = 3;
        let spec = SubLinkSpec {
            name: "tap0".into(),
            parent: "eth0".into(),
            kind,
            mac,
            mtu,
            alias: Some("ours".into()),
        };
        let message = wanted(&spec, &LinkInfo::from_message(&parent));
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `struct ifinfomsg` without anything, hence down; then attributes of length, type, value of
    /// `linux/if_link.h`.
    fn expected(attributes: &str) -> String {
        format!("{}{attributes}", "00".repeat(16)).replace(char::is_whitespace, "")
    }

    const NAME: &str = "0900 0300 7461703000 000000";
    const PARENT: &str = "0800 0500 03000000";

    #[test]
    fn a_vlan_is_asked_for_with_its_number_protocol_and_a_state_of_its_own() {
        let mac = [0xfa, 0x16, 0x3e, 0, 0, 7];
        // IFLA_MTU 1450, IFLA_ADDRESS; IFLA_LINKINFO of kind "vlan" with IFLA_VLAN_ID 7, IFLA_VLAN_PROTOCOL
        // 802.1Q, IFLA_VLAN_FLAGS VLAN_FLAG_LOOSE_BINDING of the mask of that alone.
        let attributes = format!(
            "{NAME} {PARENT} 0800 0400 aa050000  0a00 0100 fa163e000007 0000 \
             3000 1200  0900 0100 766c616e00 000000 \
                        2000 0200  0600 0100 0700 0000  0600 0500 8100 0000  0c00 0200 04000000 04000000"
        );
        let asked = request(SubLinkKind::Vlan { id: 7 }, Some(mac), Some(1450));
        assert_eq!(asked, expected(&attributes));
    }

    #[test]
    fn a_macvlan_is_asked_for_with_its_mode() {
        for (mode, number) in [
            (MacvlanMode::Private, "01000000"),
            (MacvlanMode::Vepa, "02000000"),
            (MacvlanMode::Bridge, "04000000"),
            (MacvlanMode::Passthru, "08000000"),
        ] {
            let attributes = format!(
                "{NAME} {PARENT} 1c00 1200  0c00 0100 6d6163766c616e00  0c00 0200  0800 0100 {number}"
            );
            assert_eq!(request(SubLinkKind::Macvlan { mode }, None, None), expected(&attributes));
        }
    }

    #[test]
    fn an_ipvlan_is_asked_for_with_its_mode_and_flag() {
        for (mode, number) in [(IpvlanMode::L2, "0000"), (IpvlanMode::L3, "0100"), (IpvlanMode::L3s, "0200")]
        {
            for (flag, bits) in
                [(IpvlanFlag::Bridge, "0000"), (IpvlanFlag::Private, "0100"), (IpvlanFlag::Vepa, "0200")]
            {
                let attributes = format!(
                    "{NAME} {PARENT} 2400 1200  0b00 0100 6970766c616e00 00 \
                     1400 0200  0600 0100 {number} 0000  0600 0200 {bits} 0000"
                );
                assert_eq!(request(SubLinkKind::Ipvlan { mode, flag }, None, None), expected(&attributes));
            }
        }
    }
}
