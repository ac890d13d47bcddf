//! What the journal keeps: one record per pool, network, port, endpoint and security group of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use openstack::MacAddr;
use openstack::network::{AddressPair, FixedIp, HostRoute, Port, Subnet};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::attributes::Attributes;
use crate::host::{IpvlanFlag, IpvlanMode, MacvlanMode};
use crate::swarm::Role;

/// How far an object is. A record that is not `Ready` after a restart is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Something may have been made.
    Creating,
    /// In use.
    Ready,
    /// Something may still be there; tried again until it is gone.
    Deleting,
}

impl Phase {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
        }
        .to_owned()
    }
}

/// A pool handed to Docker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PoolRow {
    /// The UUID in the id Docker knows.
    pub(crate) id: String,
    pub(crate) space: String,
    pub(crate) pool: IpNet,
    pub(crate) v6: bool,
    pub(crate) options: BTreeMap<String, String>,
    /// Docker let us choose the range.
    pub(crate) automatic: bool,
    /// Key of the network made with an automatic range, until a Docker network takes it over.
    pub(crate) pending: Option<String>,
    /// The subnet the user named.
    pub(crate) existing: Option<Subnet>,
    /// The gateway we proposed.
    pub(crate) gateway: Option<IpNet>,
    /// The gateway the user asked for.
    pub(crate) gateway_asked: Option<IpAddr>,
    /// Addresses that are for nobody.
    pub(crate) aux: BTreeSet<IpAddr>,
    /// Docker network that uses it.
    pub(crate) network: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created: u64,
    /// When Docker released it while its network still existed; milliseconds since 1970.
    pub(crate) released: Option<u64>,
    /// Recognised by tags, without having been asked for it.
    #[serde(default)]
    pub(crate) taken: bool,
    /// Of the Python driver: Docker knows it by the bare UUID of a subnet pool.
    #[serde(default)]
    pub(crate) bare: bool,
    /// Of a swarm network on a node; its id is that of the subnet.
    #[serde(default)]
    pub(crate) swarm: bool,
}

/// A Docker network, or a network made for an automatic pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkRow {
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// A request of its making was not answered: look again until then; milliseconds since 1970.
    #[serde(default)]
    pub(crate) late_until: Option<u64>,
    /// Stands in the description of everything made for it, to find it again.
    pub(crate) mark: String,
    pub(crate) name: String,
    pub(crate) neutron_id: Option<String>,
    /// The Neutron network existed before.
    pub(crate) adopted: bool,
    pub(crate) shared: Option<bool>,
    pub(crate) internal: bool,
    pub(crate) mtu: u32,
    pub(crate) made_pools: Vec<MadePool>,
    pub(crate) subnets: Vec<SubnetRow>,
    /// Made or adopted by somebody else under this Docker network's id, and recognised by that.
    #[serde(default)]
    pub(crate) taken: bool,
    /// Tags to remove with it, of others than the network.
    #[serde(default)]
    pub(crate) strip: Vec<Strip>,
    /// What the user wants of the ports on it.
    #[serde(default)]
    pub(crate) attributes: Attributes,
    /// Project of an adopted network.
    #[serde(default)]
    pub(crate) project: Option<String>,
    /// Whose record this is, where Swarm has a part.
    #[serde(default)]
    pub(crate) role: Role,
    /// Milliseconds since 1970; 0 in earlier records.
    #[serde(default)]
    pub(crate) created: u64,
}

/// A subnet pool of ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MadePool {
    pub(crate) name: String,
    pub(crate) cidr: IpNet,
    /// Further ranges of the family: Neutron wants all subnets of a family on one network from one pool.
    #[serde(default)]
    pub(crate) more: Vec<IpNet>,
    pub(crate) id: Option<String>,
}

impl MadePool {
    /// All its ranges.
    pub(crate) fn prefixes(&self) -> Vec<IpNet> {
        [self.cidr].into_iter().chain(self.more.iter().copied()).collect()
    }
}

/// A subnet of a network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubnetRow {
    pub(crate) name: String,
    /// `None` only while an automatic range is being allocated.
    pub(crate) cidr: Option<IpNet>,
    pub(crate) v6: bool,
    pub(crate) id: Option<String>,
    /// Made by us.
    pub(crate) ours: bool,
    /// Somebody else's subnet pool to take the range from.
    pub(crate) from_pool: Option<String>,
    /// Wanted before creation, Neutron's afterwards.
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) routes: Vec<HostRoute>,
    /// Addresses not to give out.
    pub(crate) aux: BTreeSet<IpAddr>,
    /// The pool Docker knows, if it is ours.
    pub(crate) pool: Option<String>,
    /// `ipv6_address_mode` of an adopted subnet.
    #[serde(default)]
    pub(crate) address_mode: Option<String>,
    /// Ports that keep auxiliary addresses of an adopted subnet free.
    #[serde(default)]
    pub(crate) reserved: Vec<Reserved>,
}

/// A port that only holds an address, so that Neutron gives it to nobody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) address: IpAddr,
    /// Its `device_id`, ours alone.
    pub(crate) device: String,
    pub(crate) port: Option<String>,
}

/// A tag that goes with a network's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Strip {
    /// Of a subnet pool, else of a subnet.
    pub(crate) of_pool: bool,
    pub(crate) id: String,
    pub(crate) tag: String,
}

impl SubnetRow {
    /// Neutron derives the address of a port from its MAC and takes no wishes.
    pub(crate) fn derives_addresses(&self) -> bool {
        matches!(self.address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"))
    }
}

/// A port that holds an address for Docker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PortRow {
    /// Our UUID; also the port's first `device_id`.
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// A request of its making was not answered: look again until then; milliseconds since 1970.
    #[serde(default)]
    pub(crate) late_until: Option<u64>,
    /// Docker pool; `None` for an address of a foreign IPAM driver.
    pub(crate) pool: Option<String>,
    /// Docker network.
    pub(crate) network: String,
    pub(crate) subnet_id: String,
    /// The address Docker was told.
    pub(crate) address: Option<IpNet>,
    /// The port as Neutron last answered; with `merged_into`, one that is being deleted.
    pub(crate) port: Option<Port>,
    /// Set before an existing port is changed.
    pub(crate) originals: Option<Originals>,
    /// The address stands on the port of that record.
    pub(crate) merged_into: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// Every `device_id` we may have written to the port.
    pub(crate) devices: BTreeSet<String>,
    /// Security groups of ours on the port.
    pub(crate) groups: BTreeSet<String>,
    /// The trunk it is for, or is in: Neutron lets nobody have such a port by its `device_id`, and deletes none that is
    /// in a trunk.
    #[serde(default)]
    pub(crate) trunk: Option<String>,
    /// It may be in that trunk already.
    #[serde(default)]
    pub(crate) attached: bool,
    /// Kept ready in the trunk for a container that is still to come.
    #[serde(default)]
    pub(crate) spare: bool,
    /// A container has had it changed: it is not as a new one would be.
    #[serde(default)]
    pub(crate) worn: bool,
    /// The container's name, where Docker says it.
    #[serde(default)]
    pub(crate) label: Option<String>,
    /// The endpoint's id is still to be written to the port; nothing depends on it.
    #[serde(default)]
    pub(crate) unrecorded: bool,
    /// The MAC that was asked for.
    #[serde(default)]
    pub(crate) mac: Option<MacAddr>,
    /// It is a reservation of a swarm network, which others may hold, too.
    #[serde(default)]
    pub(crate) swarm: bool,
    /// When other endpoints were refused this address: Docker releases it once for each; milliseconds since 1970.
    #[serde(default)]
    pub(crate) refused: Vec<u64>,
    /// Milliseconds since 1970.
    pub(crate) created: u64,
}

impl PortRow {
    /// A record of a port that is there already and in use.
    pub(crate) fn of(port: Port) -> Self {
        let first = port.fixed_ips.first().cloned();
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            phase: Phase::Ready,
            late_until: None,
            pool: None,
            network: String::new(),
            subnet_id: first.as_ref().map(|ip| ip.subnet_id.clone()).unwrap_or_default(),
            address: first.map(|ip| IpNet::from(ip.ip_address)),
            devices: BTreeSet::from([port.device_id.clone()]),
            port: Some(port),
            originals: None,
            merged_into: None,
            endpoint: None,
            groups: BTreeSet::new(),
            trunk: None,
            attached: false,
            spare: false,
            worn: false,
            label: None,
            unrecorded: false,
            mac: None,
            swarm: false,
            refused: Vec::new(),
            created: now(),
        }
    }
}

/// Fields of an adopted port as they were found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Originals {
    pub(crate) port_id: String,
    pub(crate) name: String,
    pub(crate) device_id: String,
    pub(crate) device_owner: String,
    pub(crate) host_id: Option<String>,
    pub(crate) admin_state_up: bool,
    pub(crate) mac_address: MacAddr,
    pub(crate) security_groups: Vec<String>,
    pub(crate) fixed_ips: Vec<FixedIp>,
    pub(crate) tags: Vec<String>,
    /// `None` in records of a version that changed none of them.
    #[serde(default)]
    pub(crate) extras: Option<OriginalExtras>,
    /// Tags to remove besides our own: those the Python driver put there.
    #[serde(default)]
    pub(crate) strip: Vec<String>,
}

/// Attributes of extensions as they were found; `None` where Neutron lacks the extension.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OriginalExtras {
    pub(crate) vnic_type: Option<String>,
    pub(crate) profile: serde_json::Map<String, serde_json::Value>,
    pub(crate) port_security: Option<bool>,
    pub(crate) qos_policy: Option<String>,
    pub(crate) pairs: Vec<AddressPair>,
    pub(crate) dns_name: Option<String>,
}

impl Originals {
    pub(crate) fn of(port: &Port) -> Self {
        Self {
            port_id: port.id.clone(),
            name: port.name.clone(),
            device_id: port.device_id.clone(),
            device_owner: port.device_owner.clone(),
            host_id: port.host_id.clone(),
            admin_state_up: port.admin_state_up,
            mac_address: port.mac_address,
            security_groups: port.security_groups.clone(),
            fixed_ips: port.fixed_ips.clone(),
            tags: port.tags.clone(),
            strip: Vec::new(),
            extras: Some(OriginalExtras {
                vnic_type: port.vnic_type.clone(),
                profile: port.profile.clone(),
                port_security: port.port_security_enabled,
                qos_policy: port.qos_policy_id.clone(),
                pairs: port.allowed_address_pairs.clone(),
                dns_name: port.dns_name.clone(),
            }),
        }
    }
}

/// An endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    pub(crate) phase: Phase,
    pub(crate) network: String,
    /// The record of the port it is plugged by.
    pub(crate) port: String,
    /// Subnets of its addresses.
    pub(crate) subnets: Vec<String>,
    pub(crate) plug: Option<Plug>,
    pub(crate) joined: bool,
    /// What Docker was answered.
    pub(crate) answered_mac: Option<MacAddr>,
    /// What Docker was answered where it chose no address itself.
    #[serde(default)]
    pub(crate) answered: Vec<IpNet>,
}

/// How an endpoint is plugged on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plug {
    pub(crate) port_id: String,
    pub(crate) host: String,
    pub(crate) container: String,
    /// The bridge `host` is a port of.
    pub(crate) bridge: Option<String>,
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
    /// Records of the first release have none: they plugged veth pairs only.
    #[serde(default)]
    pub(crate) driver: Driver,
    /// What stands at its links; earlier records have only the port there.
    #[serde(default)]
    pub(crate) mark: Option<String>,
}

/// What plugged it, with all that unplugging needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Driver {
    /// A veth pair, in a Linux bridge if `bridge` names one.
    #[default]
    Veth,
    /// A veth pair in an Open vSwitch bridge.
    Ovs {
        /// Docker's endpoint.
        endpoint: String,
    },
    /// The same with a Linux bridge in between.
    OvsHybrid {
        /// Docker's endpoint.
        endpoint: String,
    },
    /// A site's script.
    Hook(HookCall),
    /// A virtual function of a network card, whose link is both `host` and `container`.
    Sriov {
        /// Its PCI address.
        slot: String,
        /// 0: none.
        vlan: u16,
    },
    /// Inside a virtual machine: a VLAN of its interface, the port a subport. The link is both `host` and `container`.
    Vlan(TrunkPlace),
    /// Inside a virtual machine: a macvlan link on its interface.
    Macvlan {
        /// How the containers of one machine reach each other.
        mode: MacvlanMode,
        /// Whose interface and port.
        place: SharedPort,
    },
    /// Inside a virtual machine: an ipvlan link on its interface.
    Ipvlan {
        /// Whether it switches or routes.
        mode: IpvlanMode,
        /// How the containers of one machine reach each other.
        flag: IpvlanFlag,
        /// Whose interface and port.
        place: SharedPort,
    },
}

/// Where a subport is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrunkPlace {
    /// The virtual machine's interface.
    pub(crate) link: String,
    pub(crate) trunk: String,
}

/// Through which port a container sends whose own port is bound nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedPort {
    /// The virtual machine's interface.
    pub(crate) link: String,
    /// The virtual machine's port.
    pub(crate) port: String,
    /// What the container needs to be allowed there.
    pub(crate) pairs: Vec<AddressPair>,
    /// Those of them that are not somebody else's.
    pub(crate) ours: Vec<AddressPair>,
}

/// What a script is told, so that it can be told the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookCall {
    pub(crate) vif_type: String,
    pub(crate) endpoint: String,
    pub(crate) network: String,
    pub(crate) project: String,
    /// `vif_details` as text.
    pub(crate) details: String,
}

impl Plug {
    /// The text at its links that says whose they are.
    pub(crate) fn mark(&self) -> String {
        self.mark.clone().unwrap_or_else(|| crate::names::mark(&self.port_id))
    }

    /// The trunk its port is in.
    pub(crate) fn trunk(&self) -> Option<&str> {
        match &self.driver {
            Driver::Vlan(place) => Some(&place.trunk),
            _ => None,
        }
    }

    /// The virtual machine's port and the pairs of ours there.
    pub(crate) fn pairs(&self) -> Option<(&str, &[AddressPair])> {
        match &self.driver {
            Driver::Macvlan { place, .. } | Driver::Ipvlan { place, .. } => Some((&place.port, &place.ours)),
            _ => None,
        }
    }

    /// The same with other pairs of ours.
    pub(crate) fn with_pairs(&self, ours: Vec<AddressPair>) -> Self {
        let mut plug = self.clone();
        if let Driver::Macvlan { place, .. } | Driver::Ipvlan { place, .. } = &mut plug.driver {
            place.ours = ours;
        }
        plug
    }

    /// Its one link stands on the virtual machine's interface, and is nowhere else while a container has it.
    pub(crate) fn is_sub_link(&self) -> bool {
        matches!(self.driver, Driver::Vlan(_) | Driver::Macvlan { .. } | Driver::Ipvlan { .. })
    }

    /// Docker may give its link a MAC: not where the card, or the virtual machine's interface, has the say.
    pub(crate) fn takes_mac(&self) -> bool {
        let passthru = matches!(self.driver, Driver::Macvlan { mode: MacvlanMode::Passthru, .. });
        !passthru && !matches!(self.driver, Driver::Sriov { .. } | Driver::Ipvlan { .. })
    }

    /// Its link routes: there is no gateway on it, everything goes to the virtual machine.
    pub(crate) fn routes(&self) -> bool {
        matches!(self.driver, Driver::Ipvlan { mode: IpvlanMode::L3 | IpvlanMode::L3s, .. })
    }

    /// PCI address of the virtual function it hands over, if it does.
    pub(crate) fn slot(&self) -> Option<&str> {
        match &self.driver {
            Driver::Sriov { slot, .. } => Some(slot),
            _ => None,
        }
    }
}

/// A security group for a set of exposed ports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// A request of its making was not answered: look again until then; milliseconds since 1970.
    #[serde(default)]
    pub(crate) late_until: Option<u64>,
    pub(crate) mark: String,
    pub(crate) name: String,
    pub(crate) neutron_id: Option<String>,
    /// Where it is, if not in the credentials' own project.
    #[serde(default)]
    pub(crate) project: Option<String>,
}

/// How long a request without an answer may still take effect, in milliseconds.
const LATE: u64 = 5 * 60 * 1000;

/// Until when to look again for what a failed request may still make.
pub(crate) fn late_until(error: &Error) -> Option<u64> {
    error.may_come_late().then(|| now() + LATE)
}

/// Whether it is too early to forget the record.
pub(crate) fn is_late(until: Option<u64>) -> bool {
    until.is_some_and(|until| until > now())
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
