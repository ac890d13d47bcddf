//! The state of the cloud and of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{
    FixedIp, Network, NewSecurityGroupRule, Port, QosPolicy, SecurityGroup, Subnet, SubnetPool, Trunk,
    TrunkDetails, WantedIp,
};
use openstack::{ApiError, Error, MacAddr, Result};

use super::devices::{Function, Script};
use crate::host::{SubLinkKind, SwitchPort};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cloud {
    pub(crate) extensions: BTreeSet<String>,
    pub(crate) networks: BTreeMap<String, Network>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) pools: BTreeMap<String, SubnetPool>,
    pub(crate) ports: BTreeMap<String, Port>,
    pub(crate) trunks: BTreeMap<String, Trunk>,
    /// Most allowed address pairs of a port; 0: no limit.
    pub(crate) most_pairs: usize,
    pub(crate) groups: BTreeMap<String, SecurityGroup>,
    pub(crate) qos_policies: BTreeMap<String, QosPolicy>,
    pub(crate) rules: Vec<NewSecurityGroupRule>,
    pub(crate) links: BTreeMap<String, Link>,
    /// Links in containers.
    pub(crate) contained: BTreeMap<String, Link>,
    pub(crate) routes: Vec<(IpNet, String)>,
    /// Bridges of the virtual switch, with their datapath.
    pub(crate) switch_bridges: BTreeMap<String, String>,
    pub(crate) switch_ports: BTreeMap<String, SwitchPort>,
    /// By PCI address.
    pub(crate) functions: BTreeMap<String, Function>,
    /// By vif type.
    pub(crate) scripts: BTreeMap<String, Script>,
    /// What a binding to the agent's host becomes.
    pub(crate) vif_type: String,
    /// And its details.
    pub(crate) vif_details: serde_json::Map<String, serde_json::Value>,
    pub(crate) quota_ports: Option<usize>,
    /// When all ports were made.
    pub(crate) created_at: Option<std::time::SystemTime>,
    /// Agents do not report ports up.
    pub(crate) agents_dead: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Link {
    pub(crate) peer: Option<String>,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    pub(crate) master: Option<String>,
    pub(crate) bridge: bool,
    /// The link it stands on, and as what.
    pub(crate) sub: Option<(String, SubLinkKind)>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) mark: Option<String>,
    pub(crate) no_tx_checksums: bool,
}

impl Link {
    /// Carries a mark, and not this one.
    pub(crate) fn other_mark(&self, mark: &str) -> bool {
        self.mark.as_deref().is_some_and(|has| has != mark)
    }
}

pub(crate) const AGENT: &str = "node-1";

pub(crate) fn fault<T>(status: u16, kind: &str, message: impl Into<String>) -> Result<T> {
    Err(Error::Api(Box::new(ApiError {
        service: "network",
        operation: "call".to_owned(),
        status,
        kind: kind.to_owned(),
        message: message.into(),
        request_id: String::new(),
    })))
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Cloud {
    /// Everything that must be equal again; counters of change do not.
    pub(crate) fn snapshot(&self) -> Self {
        let mut copy = self.clone();
        for trunk in copy.trunks.values_mut() {
            trunk.revision_number = 0;
        }
        for port in copy.ports.values_mut() {
            port.revision_number = 0;
            port.tags.sort();
        }
        for network in copy.networks.values_mut() {
            network.tags.sort();
            network.subnets.sort();
        }
        // The next user of a virtual function sets the address anew.
        copy.functions.values_mut().for_each(|f| f.settings.mac = None);
        copy.scripts.values_mut().for_each(|s| s.unbound.clear());
        // Agents remove bridges, not drivers.
        copy.links.retain(|name, _| !name.starts_with("brq"));
        copy
    }

    /// A container starts with the link.
    pub(crate) fn move_into_container(&mut self, link: &str) {
        let moved = self.links.remove(link).expect("a link that is here");
        self.contained.insert(link.to_owned(), moved);
    }

    /// A container ends, and its links are back.
    pub(crate) fn move_back(&mut self, link: &str) {
        let moved = self.contained.remove(link).expect("a link in a container");
        self.links.insert(link.to_owned(), Link { up: false, ..moved });
    }

    pub(crate) fn allocate(&self, subnet: &Subnet) -> Result<IpAddr> {
        let used = |ip: &IpAddr| self.holder(&subnet.id, *ip).is_some();
        for pool in &subnet.allocation_pools {
            let mut ip = pool.start;
            loop {
                if !used(&ip) {
                    return Ok(ip);
                }
                if ip == pool.end {
                    break;
                }
                ip = next(ip);
            }
        }
        fault(409, "IpAddressGenerationFailure", "no more addresses")
    }

    pub(crate) fn holder(&self, subnet: &str, ip: IpAddr) -> Option<&Port> {
        self.ports.values().find(|p| p.fixed_ips.iter().any(|f| f.subnet_id == subnet && f.ip_address == ip))
    }

    pub(crate) fn place(
        &self,
        wanted: &[WantedIp],
        port: Option<&str>,
        mac: MacAddr,
    ) -> Result<Vec<FixedIp>> {
        let mut placed: Vec<FixedIp> = Vec::new();
        for want in wanted {
            let Some(subnet) = self.subnets.get(&want.subnet_id) else {
                return fault(404, "SubnetNotFound", &want.subnet_id);
            };
            let derived = is_derived(subnet).then(|| eui64(subnet.cidr, mac));
            let ip = match want.ip_address {
                Some(ip) if derived.is_some_and(|derived| derived != ip) => {
                    return fault(400, "AllocationOnAutoAddressSubnet", ip.to_string());
                }
                None if derived.is_some() => derived.unwrap(),
                Some(ip) if !subnet.cidr.contains(&ip) => {
                    return fault(400, "InvalidIpForSubnet", ip.to_string());
                }
                Some(ip) => match self.holder(&subnet.id, ip) {
                    Some(other) if Some(other.id.as_str()) != port => {
                        return fault(409, "IpAddressAlreadyAllocated", ip.to_string());
                    }
                    _ => ip,
                },
                None => self.allocate(subnet)?,
            };
            placed.push(FixedIp { subnet_id: subnet.id.clone(), ip_address: ip });
        }
        Ok(placed)
    }

    pub(crate) fn new_mac(&self) -> MacAddr {
        let id = uuid::Uuid::new_v4();
        let [a, b, c, ..] = *id.as_bytes();
        MacAddr([0xfa, 0x16, 0x3e, a, b, c])
    }

    pub(crate) fn bind(&self, port: &mut Port) {
        port.vif_type = Some(match port.host_id.as_deref().unwrap_or_default() {
            "" => "unbound".to_owned(),
            AGENT => self.vif_type.clone(),
            _ => "binding_failed".to_owned(),
        });
        let bound = port.host_id.as_deref() == Some(AGENT);
        port.vif_details = if bound { self.vif_details.clone() } else { serde_json::Map::new() };
    }

    pub(crate) fn seen(&self, port: &Port) -> Port {
        let mut port = port.clone();
        let up = self.links.get(&crate::names::host_link(&port.id)).is_some_and(|l| l.up);
        let subport = self.trunk_with(&port.id).is_some();
        port.status = if (up || subport) && !self.agents_dead { "ACTIVE" } else { "DOWN" }.to_owned();
        let carried = self.trunks.values().find(|trunk| trunk.port_id == port.id);
        port.trunk_details = carried
            .filter(|_| self.extensions.contains("trunk-details"))
            .map(|t| TrunkDetails { trunk_id: t.id.clone(), sub_ports: t.sub_ports.clone() });
        port
    }
}

/// Whether the subnet's addresses follow from MACs.
pub(crate) fn is_derived(subnet: &Subnet) -> bool {
    matches!(subnet.ipv6_address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"))
}

/// The modified EUI-64 address of RFC 4291.
pub(crate) fn eui64(cidr: IpNet, mac: MacAddr) -> IpAddr {
    let IpNet::V6(net) = cidr else { panic!("{cidr}") };
    let [a, b, c, d, e, f] = mac.0;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    IpAddr::V6((u128::from(net.network()) | u128::from(host)).into())
}

pub(crate) fn next(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(a) => IpAddr::V4((u32::from(a) + 1).into()),
        IpAddr::V6(a) => IpAddr::V6((u128::from(a) + 1).into()),
    }
}
