//! What the data path must know, computed from the model.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Model;
use super::port::{AddressPair, DHCP_OWNER, Port, normal_mac};
use super::security_group::{SecurityGroupRule, protocol_number};
use crate::datapath::{NetworkView, PortView, RuleView};

/// Everything the data path should have in place.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Views {
    /// By network id.
    pub(crate) networks: BTreeMap<String, NetworkView>,
    /// By port id.
    pub(crate) ports: BTreeMap<String, PortView>,
}

impl Model {
    /// What the data path should have in place now.
    pub(crate) fn views(&self) -> Views {
        let mut members: BTreeMap<&str, Vec<IpNet>> = BTreeMap::new();
        for port in self.ports.values() {
            for group in &port.security_groups {
                members.entry(group).or_default().extend(sources(port));
            }
        }
        for list in members.values_mut() {
            list.sort();
            list.dedup();
        }
        let ports: BTreeMap<String, PortView> = self
            .ports
            .values()
            .filter(|p| matches!(p.vif_type.as_str(), "bridge" | "tap"))
            .filter(|p| p.device_owner != DHCP_OWNER && !self.is_carried(p))
            .map(|p| (p.standard.id.clone(), self.port_view(p, &members)))
            .collect();
        // A network is here only for the ports that are bound here, as with an agent: a gateway address that nobody
        // needs yet would give this machine a route into the network's range, and Docker would refuse the range.
        let used: BTreeSet<&str> = ports.values().map(|port| port.network_id.as_str()).collect();
        let networks =
            used.into_iter().filter_map(|id| Some((id.to_owned(), self.network_view(id)?))).collect();
        Views { networks, ports }
    }

    fn network_view(&self, id: &str) -> Option<NetworkView> {
        let network = self.networks.get(id)?;
        let gateways = self
            .subnets_of(id)
            .into_iter()
            .filter_map(|s| IpNet::new(s.gateway_ip?, s.cidr.prefix_len()).ok())
            .collect();
        Some(NetworkView { id: id.into(), mtu: network.mtu, gateways })
    }

    fn port_view(&self, port: &Port, members: &BTreeMap<&str, Vec<IpNet>>) -> PortView {
        let pairs = port.allowed_address_pairs.iter();
        let rules = port
            .security_groups
            .iter()
            .flat_map(|group| self.rules_of(group))
            .map(|rule| rule_view(rule, members))
            .collect();
        PortView {
            id: port.standard.id.clone(),
            network_id: port.network_id.clone(),
            mac: port.mac_address.clone(),
            addresses: port.fixed_ips.iter().map(|ip| ip.ip_address).collect(),
            pairs: pairs.filter_map(|pair| Some((normal_mac(&pair.mac_address)?, range(pair)?))).collect(),
            vif_type: port.vif_type.clone(),
            admin_state_up: port.admin_state_up,
            port_security: port.port_security_enabled,
            rules,
        }
    }
}

/// Addresses a port sends from, as far as other ports' rules are concerned.
fn sources(port: &Port) -> impl Iterator<Item = IpNet> + '_ {
    let own = port.fixed_ips.iter().map(|ip| IpNet::from(ip.ip_address));
    own.chain(port.allowed_address_pairs.iter().filter_map(range))
}

fn range(pair: &AddressPair) -> Option<IpNet> {
    let text = &pair.ip_address;
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Into::into))
}

fn rule_view(rule: &SecurityGroupRule, members: &BTreeMap<&str, Vec<IpNet>>) -> RuleView {
    let ipv6 = rule.ethertype == "IPv6";
    let peers = match (&rule.remote_group_id, rule.remote_ip_prefix) {
        (Some(group), _) => {
            let all = members.get(group.as_str()).cloned().unwrap_or_default();
            Some(all.into_iter().filter(|net| matches!(net, IpNet::V6(_)) == ipv6).collect())
        }
        (None, Some(prefix)) if prefix.prefix_len() > 0 => Some(vec![prefix.trunc()]),
        _ => None,
    };
    let icmp = matches!(rule.protocol.as_deref().and_then(protocol_number), Some(1 | 58));
    let ports = match (rule.port_range_min, rule.port_range_max) {
        (Some(first), Some(last)) => Some((first, last)),
        // A type without a code means every code.
        (Some(first), None) if icmp => Some((first, u16::MAX)),
        (Some(first), None) => Some((first, first)),
        _ => None,
    };
    RuleView { ingress: rule.direction == "ingress", ipv6, protocol: rule.protocol.clone(), ports, peers }
}
