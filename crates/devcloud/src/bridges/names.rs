//! Names Neutron's bridge agent gives to devices.

/// Characters of an id that fit into a device name.
const PREFIX: usize = 11;

/// The bridge of a network.
pub(super) fn bridge(network: &str) -> String {
    format!("brq{}", prefix(network))
}

/// The host end of a port.
pub(super) fn tap(port: &str) -> String {
    format!("tap{}", prefix(port))
}

/// What a port's device tells of the port's id; `None`: not named like a port's device.
pub(super) fn port_of(device: &str) -> Option<&str> {
    device.strip_prefix("tap").filter(|rest| rest.len() == PREFIX)
}

/// The first characters of an id.
pub(super) fn prefix(id: &str) -> &str {
    id.get(..PREFIX).unwrap_or(id)
}

/// Whether an id is made of what a UUID is made of, so that it can neither break out of a rule nor name somebody
/// else's device.
pub(super) fn is_id(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// A stable, locally administered Ethernet address for a network's bridge. Without one a bridge borrows the lowest
/// of its ports' addresses, and the gateway would change its address with each container.
pub(super) fn bridge_mac(network: &str) -> [u8; 6] {
    // FNV-1a; spread, not secrecy.
    let hash = network.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
}

/// An Ethernet address as text.
pub(super) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Reads an Ethernet address.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_carry_the_first_eleven_characters() {
        let id = "01234567-89ab-4cde-8f01-23456789abcd";
        assert_eq!(tap(id), "tap01234567-89");
        assert_eq!(bridge(id), "brq01234567-89");
        assert_eq!(port_of("tap01234567-89"), Some("01234567-89"));
        assert_eq!(port_of("tap0"), None);
        assert!(is_id(id));
        assert!(!is_id("01234567-89ab-4cde-8f01-23456789ab\" "));
    }

    #[test]
    fn addresses_are_read_strictly() {
        assert_eq!(parse_mac("fa:16:3e:00:01:02"), Some([0xfa, 0x16, 0x3e, 0, 1, 2]));
        for bad in ["", "fa:16:3e:00:01", "fa:16:3e:00:01:02:03", "fa:16:3e:00:01:g2", "+a:16:3e:00:01:+2:"] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
        assert_eq!(bridge_mac("a")[0], 2);
        assert_ne!(bridge_mac("a"), bridge_mac("b"));
    }
}
