//! IP protocols as security group rules name them.

use crate::model::security_group::protocol_number;

/// ICMP of IPv4.
pub(super) const ICMP: u8 = 1;
/// ICMP of IPv6.
pub(super) const ICMPV6: u8 = 58;

/// The number of a protocol given by name or number, in a rule for this family. `icmp` in a rule for IPv6 means
/// its ICMP, as in Neutron.
pub(super) fn number(text: &str, ipv6: bool) -> Option<u8> {
    match protocol_number(text)? {
        ICMP if ipv6 => Some(ICMPV6),
        number => Some(number),
    }
}

/// Whether the protocol has ports at the place where TCP has them.
pub(super) fn has_ports(number: u8) -> bool {
    matches!(number, 6 | 17 | 33 | 132 | 136)
}
