//! What the operator decides about containers inside a virtual machine.

use crate::host::{IpvlanFlag, IpvlanMode, MacvlanMode};

/// How containers inside this virtual machine are connected; keys of `[binding]` in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestSettings {
    /// The machine's interface that carries its containers' traffic (`link_iface`).
    pub link: String,
    /// By which links (`default_driver` and the modes).
    pub mode: GuestMode,
    /// UUID of the machine's port, where its MAC address does not tell (`parent_port`).
    pub port: Option<String>,
    /// Allow whole subnets instead of single addresses on the machine's port (`address_pairs`).
    pub pairs_by_subnet: bool,
    /// Subports kept ready (`subport_pool_min`, `subport_pool_max`).
    pub spares: Spares,
}

/// By which links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestMode {
    /// 802.1Q, each container's port a subport of the machine's trunk.
    Vlan,
    /// macvlan, each container's address an allowed pair of the machine's port.
    Macvlan(MacvlanMode),
    /// ipvlan, each container's address an allowed pair of the machine's port, with the machine's MAC.
    Ipvlan(IpvlanMode, IpvlanFlag),
}

impl GuestMode {
    pub(crate) fn needs_trunk(self) -> bool {
        self == Self::Vlan
    }

    /// All its links have the MAC of the machine's interface.
    #[must_use]
    pub fn shares_mac(self) -> bool {
        matches!(self, Self::Ipvlan(..) | Self::Macvlan(MacvlanMode::Passthru))
    }

    /// Its name in `kuryr.conf`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlan => "vlan",
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(..) => "ipvlan",
        }
    }
}

/// Marks of a pool of ports that are in the trunk before a container needs them, per Docker network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spares {
    /// Below it the pool is filled.
    pub min: usize,
    /// It is filled to it, and ports of stopped containers are kept up to it; 0: no pool.
    pub max: usize,
}
