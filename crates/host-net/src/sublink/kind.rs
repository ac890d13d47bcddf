//! Kinds of links on top of another one, and how netlink says them.

use std::fmt;

use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVlan, IpVlanFlags, IpVlanMode, LinkInfo as InfoNla,
    MacVlanMode, VlanFlags, VlanProtocol,
};
use serde::{Deserialize, Serialize};

/// What a link on top of another one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubLinkKind {
    /// What passes the parent with an 802.1Q tag.
    Vlan {
        /// The tag, 1 to 4094.
        id: u16,
    },
    /// An Ethernet address of its own on the parent.
    Macvlan {
        /// Whom it reaches.
        mode: MacvlanMode,
    },
    /// The parent's Ethernet address, told apart by IP addresses.
    Ipvlan {
        /// Who routes. The kernel has one for all ipvlan links of a parent; the last one made decides.
        mode: IpvlanMode,
        /// Whom it reaches, one for all as well.
        flag: IpvlanFlag,
    },
}

/// Whom a macvlan link reaches beside what is beyond the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacvlanMode {
    /// Other ones in this mode on the parent.
    Bridge,
    /// Nobody.
    Private,
    /// Others by way of a switch outside that sends frames back.
    Vepa,
    /// It has the parent and its address for itself alone.
    Passthru,
}

/// Who routes for an ipvlan link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpvlanMode {
    /// It does, and sees broadcasts.
    L2,
    /// The parent's namespace.
    L3,
    /// The same, past its firewall and connection tracking.
    L3s,
}

/// Whom an ipvlan link reaches beside what is beyond the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpvlanFlag {
    /// Other ones on the parent.
    Bridge,
    /// Nobody.
    Private,
    /// Others by way of a switch outside that sends frames back.
    Vepa,
}

impl SubLinkKind {
    /// The kernel's name for links of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlan { .. } => "vlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
        }
    }

    /// The kernel's module for the kind.
    pub(super) fn module(self) -> &'static str {
        match self {
            Self::Vlan { .. } => "8021q",
            other => other.name(),
        }
    }

    /// As a request says it.
    ///
    /// A VLAN's state is not bound to its parent's: the kernel would raise it with the parent wherever it is, and in a
    /// container it would lose its routes when the parent is down for a moment. What the parent has of a carrier it
    /// shows in either case, as macvlan and ipvlan links do.
    pub(super) fn as_info(self) -> Vec<InfoNla> {
        let (kind, data) = match self {
            Self::Vlan { id } => (
                InfoKind::Vlan,
                InfoData::Vlan(vec![
                    InfoVlan::Id(id),
                    InfoVlan::Protocol(VlanProtocol::Ieee8021Q),
                    InfoVlan::Flags((VlanFlags::LooseBinding, VlanFlags::LooseBinding)),
                ]),
            ),
            Self::Macvlan { mode } => {
                (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(mode.as_kernel())]))
            }
            Self::Ipvlan { mode, flag } => (
                InfoKind::IpVlan,
                InfoData::IpVlan(vec![
                    InfoIpVlan::Mode(mode.as_kernel()),
                    InfoIpVlan::Flags(flag.as_kernel()),
                ]),
            ),
        };
        vec![InfoNla::Kind(kind), InfoNla::Data(data)]
    }

    /// From an answer; `None`: a link of another kind, or in a mode that is not made here.
    pub(crate) fn from_info(nlas: &[InfoNla]) -> Option<Self> {
        nlas.iter().find_map(|nla| match nla {
            InfoNla::Data(InfoData::Vlan(data)) => vlan(data),
            InfoNla::Data(InfoData::MacVlan(data)) => macvlan(data),
            InfoNla::Data(InfoData::IpVlan(data)) => ipvlan(data),
            _ => None,
        })
    }
}

fn vlan(data: &[InfoVlan]) -> Option<SubLinkKind> {
    // 802.1ad, of carriers, has the same numbers.
    let other = |nla: &InfoVlan| matches!(nla, InfoVlan::Protocol(p) if *p != VlanProtocol::Ieee8021Q);
    if data.iter().any(other) {
        return None;
    }
    data.iter().find_map(|nla| match nla {
        InfoVlan::Id(id) => Some(SubLinkKind::Vlan { id: *id }),
        _ => None,
    })
}

fn macvlan(data: &[InfoMacVlan]) -> Option<SubLinkKind> {
    let mode = data.iter().find_map(|nla| match nla {
        InfoMacVlan::Mode(MacVlanMode::Bridge) => Some(MacvlanMode::Bridge),
        InfoMacVlan::Mode(MacVlanMode::Private) => Some(MacvlanMode::Private),
        InfoMacVlan::Mode(MacVlanMode::Vepa) => Some(MacvlanMode::Vepa),
        InfoMacVlan::Mode(MacVlanMode::Passthrough) => Some(MacvlanMode::Passthru),
        _ => None,
    })?;
    Some(SubLinkKind::Macvlan { mode })
}

fn ipvlan(data: &[InfoIpVlan]) -> Option<SubLinkKind> {
    // Kernels before 4.15 know no flags and behave as with none.
    let (mut mode, mut flags) = (None, IpVlanFlags::empty());
    for nla in data {
        match nla {
            InfoIpVlan::Mode(IpVlanMode::L2) => mode = Some(IpvlanMode::L2),
            InfoIpVlan::Mode(IpVlanMode::L3) => mode = Some(IpvlanMode::L3),
            InfoIpVlan::Mode(IpVlanMode::L3S) => mode = Some(IpvlanMode::L3s),
            InfoIpVlan::Flags(found) => flags = *found,
            _ => {}
        }
    }
    let all = [IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa];
    let flag = all.into_iter().find(|flag| flag.as_kernel() == flags)?;
    Some(SubLinkKind::Ipvlan { mode: mode?, flag })
}

impl MacvlanMode {
    fn as_kernel(self) -> MacVlanMode {
        match self {
            Self::Bridge => MacVlanMode::Bridge,
            Self::Private => MacVlanMode::Private,
            Self::Vepa => MacVlanMode::Vepa,
            Self::Passthru => MacVlanMode::Passthrough,
        }
    }
}

impl IpvlanMode {
    fn as_kernel(self) -> IpVlanMode {
        match self {
            Self::L2 => IpVlanMode::L2,
            Self::L3 => IpVlanMode::L3,
            Self::L3s => IpVlanMode::L3S,
        }
    }
}

impl IpvlanFlag {
    fn as_kernel(self) -> IpVlanFlags {
        match self {
            Self::Bridge => IpVlanFlags::empty(),
            Self::Private => IpVlanFlags::Private,
            Self::Vepa => IpVlanFlags::Vepa,
        }
    }
}

impl fmt::Display for SubLinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan { id } => write!(f, "VLAN {id}"),
            Self::Macvlan { mode } => write!(f, "a macvlan in mode {}", mode.as_kernel()),
            Self::Ipvlan { mode, flag } => {
                let flag = match flag {
                    IpvlanFlag::Bridge => "bridge",
                    IpvlanFlag::Private => "private",
                    IpvlanFlag::Vepa => "vepa",
                };
                write!(f, "an ipvlan in mode {} {flag}", mode.as_kernel())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::LinkMessage;
    use rtnetlink::packet_core::Parseable;

    use super::*;
    use crate::LinkInfo;

    /// `struct ifinfomsg` and the attributes name, MTU, alias, address, LINKINFO, LINK_NETNSID and LINK of an answer, as
    /// `rtmon` recorded them.
    fn recorded(hex: &str) -> LinkInfo {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        LinkInfo::from_message(&LinkMessage::parse(&bytes).unwrap())
    }

    #[test]
    fn a_recorded_vlan_is_read() {
        let link = recorded(
            "00000100 04000000 02100000 00000000 \
             0900 0300 7461703000 000000  0800 0400 a2050000  0e00 1400 6b757279723a613a6200 0000 \
             0a00 0100 fa163e000007 0000 \
             3000 1200  0900 0100 766c616e00 000000 \
                        2000 0200  0600 0500 8100 0000  0600 0100 0700 0000  0c00 0200 05000000 ffffffff \
             0800 0500 03000000",
        );
        assert_eq!((link.sub, link.kind.as_deref()), (Some(SubLinkKind::Vlan { id: 7 }), Some("vlan")));
        assert_eq!((link.index, link.peer, link.peer_elsewhere), (4, Some(3), false));
        assert_eq!((link.mac, link.mtu, link.up), (Some([0xfa, 0x16, 0x3e, 0, 0, 7]), 1442, false));
        assert_eq!((link.name.as_str(), link.alias.as_deref()), ("tap0", Some("kuryr:a:b")));
    }

    #[test]
    fn a_recorded_vlan_of_carriers_is_none_of_ours() {
        let link = recorded(
            "00000100 06000000 02100000 00000000 \
             0900 0300 7461703200 000000 \
             3000 1200  0900 0100 766c616e00 000000 \
                        2000 0200  0600 0500 88a8 0000  0600 0100 0700 0000  0c00 0200 01000000 ffffffff \
             0800 0500 02000000",
        );
        assert_eq!((link.sub, link.kind.as_deref()), (None, Some("vlan")));
    }

    #[test]
    fn a_recorded_macvlan_is_read() {
        let link = recorded(
            "00000100 04000000 02100000 00000000 \
             0900 0300 7461703300 000000 \
             3c00 1200  0c00 0100 6d6163766c616e00 \
                        2c00 0200  0800 0100 02000000  0600 0200 0000 0000  0800 0600 00000000 \
                                   0800 0700 e8030000  0800 0800 e8030000 \
             0800 0500 03000000",
        );
        assert_eq!(link.sub, Some(SubLinkKind::Macvlan { mode: MacvlanMode::Vepa }));
    }

    #[test]
    fn a_recorded_ipvlan_in_a_container_is_read() {
        let link = recorded(
            "00000100 05000000 02100000 00000000 \
             0900 0300 7461703100 000000 \
             2400 1200  0b00 0100 6970766c616e00 00 \
                        1400 0200  0600 0100 0200 0000  0600 0200 0100 0000 \
             0800 2500 00000000  0800 0500 03000000",
        );
        assert_eq!(link.sub, Some(SubLinkKind::Ipvlan { mode: IpvlanMode::L3s, flag: IpvlanFlag::Private }));
        assert_eq!((link.peer, link.peer_elsewhere), (Some(3), true));
    }

    #[test]
    fn modes_and_flags_that_are_not_made_here_are_none() {
        let mode = |mode| InfoNla::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]));
        assert_eq!(SubLinkKind::from_info(&[mode(MacVlanMode::Source)]), None);
        let both = IpVlanFlags::Private | IpVlanFlags::Vepa;
        let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(both)];
        assert_eq!(SubLinkKind::from_info(&[InfoNla::Data(InfoData::IpVlan(data))]), None);
        assert_eq!(SubLinkKind::from_info(&[InfoNla::Kind(InfoKind::Veth)]), None);
    }

    #[test]
    fn what_is_asked_for_is_what_is_read() {
        let macvlan = |mode| SubLinkKind::Macvlan { mode };
        let mut all = vec![SubLinkKind::Vlan { id: 1 }, SubLinkKind::Vlan { id: 4094 }];
        all.extend([MacvlanMode::Bridge, MacvlanMode::Private].map(macvlan));
        all.extend([MacvlanMode::Vepa, MacvlanMode::Passthru].map(macvlan));
        for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s] {
            let ipvlan = |flag| SubLinkKind::Ipvlan { mode, flag };
            all.extend([IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa].map(ipvlan));
        }
        for kind in &all {
            assert_eq!(SubLinkKind::from_info(&kind.as_info()), Some(*kind));
        }
    }
}
