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
