//! Security groups and their rules.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::standard::Standard;

/// A security group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Connections are tracked.
    pub stateful: bool,
    /// Visible to other projects.
    pub shared: bool,
}

/// A rule of a security group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityGroupRule {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Its group.
    pub security_group_id: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// Name or number; `None`: any.
    pub protocol: Option<String>,
    /// First port or ICMP type.
    pub port_range_min: Option<u16>,
    /// Last port or ICMP code.
    pub port_range_max: Option<u16>,
    /// Peers by address.
    pub remote_ip_prefix: Option<IpNet>,
    /// Peers by group.
    pub remote_group_id: Option<String>,
    /// Always none: address groups are not modelled.
    pub remote_address_group_id: Option<String>,
}

impl SecurityGroupRule {
    /// A rule for everything of one family and direction.
    pub(crate) fn any(group: &SecurityGroup, direction: &str, ethertype: &str, remote: Option<&str>) -> Self {
        Self {
            standard: Standard::new(&group.standard.project_id, String::new(), String::new()).made_at_once(),
            security_group_id: group.standard.id.clone(),
            direction: direction.into(),
            ethertype: ethertype.into(),
            protocol: None,
            port_range_min: None,
            port_range_max: None,
            remote_ip_prefix: None,
            remote_group_id: remote.map(str::to_owned),
            remote_address_group_id: None,
        }
    }

    /// Whether two rules let the same packets pass.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let key = |r: &Self| {
            (
                r.security_group_id.clone(),
                r.direction.clone(),
                r.ethertype.clone(),
                r.protocol.as_deref().map(protocol_number_or_name),
                (r.port_range_min, r.port_range_max),
                r.remote_ip_prefix.filter(|p| p.prefix_len() > 0).map(|p| p.trunc()),
                r.remote_group_id.clone(),
            )
        };
        key(self) == key(other)
    }
}

/// Protocols Neutron knows by name, with their numbers.
pub(crate) const PROTOCOLS: [(&str, u8); 22] = [
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
];

/// One spelling per protocol, so that `6` and `tcp` are the same.
fn protocol_number_or_name(text: &str) -> String {
    protocol_number(text).map_or_else(|| text.to_owned(), |n| n.to_string())
}

/// A protocol's number, if it is one.
pub(crate) fn protocol_number(text: &str) -> Option<u8> {
    text.parse().ok().or_else(|| PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, n)| *n))
}
