//! IP protocols as security group rules name them.

/// Names of the Networking API and their numbers.
const NAMES: [(&str, u8); 22] = [
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

/// ICMP of IPv4.
pub(super) const ICMP: u8 = 1;
/// ICMP of IPv6.
pub(super) const ICMPV6: u8 = 58;

/// The number of a protocol given by name or number, in a rule for this family. `icmp` in a rule for IPv6 means
/// its ICMP, as in Neutron.
pub(super) fn number(text: &str, ipv6: bool) -> Option<u8> {
    let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    match found.or_else(|| text.parse().ok())? {
        ICMP if ipv6 => Some(ICMPV6),
        number => Some(number),
    }
}

/// Whether the protocol has ports at the place where TCP has them.
pub(super) fn has_ports(number: u8) -> bool {
    matches!(number, 6 | 17 | 33 | 132 | 136)
}
