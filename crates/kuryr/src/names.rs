//! Names and tags other tools know our objects by, and the shape of ids.

use ipnet::IpNet;

use crate::{Error, Result};

/// Tag of a port we made.
pub(crate) const PORT_OURS: &str = "compute:kuryr";
/// Tag of a port that existed before, while we use it.
pub(crate) const PORT_EXISTING: &str = "kuryr.port.existing";
/// `device_owner` of a port we use.
pub(crate) const DEVICE_OWNER: &str = "compute:kuryr";

/// `device_owner` that Neutron gives a port in a trunk.
pub(crate) const SUBPORT_OWNER: &str = "trunk:subport";

/// Before the first half of a Docker network's id, in a tag.
pub(crate) const TAG_LOWER: &str = "kuryr.net.uuid.lh:";

/// Tags of a Neutron network by the Docker network that uses it, in two halves as old Neutron cut tags.
pub(crate) fn network_tags(id: &str, adopted: bool) -> Vec<String> {
    let mut tags = vec![format!("{TAG_LOWER}{}", cut(id, 0, 32))];
    if id.len() > 32 {
        tags.push(format!("kuryr.net.uuid.uh:{}", cut(id, 32, 64)));
    }
    if adopted {
        tags.push(format!("kuryr.net.existing:{}", cut(id, 0, 12)));
    }
    tags
}

/// Tag of a network made for Docker: a pool of its subnet of that family, by the key in the id Docker knows.
pub(crate) fn pool_tag(key: &str, v6: bool) -> String {
    format!("kuryr.pool.{}:{key}", if v6 { "v6" } else { "v4" })
}

pub(crate) fn network_name(id: &str) -> String {
    format!("kuryr-net-{}", cut(id, 0, 8))
}

pub(crate) fn subnet_name(cidr: IpNet) -> String {
    format!("kuryr-subnet-{cidr}")
}

pub(crate) fn subnetpool_name(prefix: &str, cidr: IpNet) -> String {
    format!("{prefix}-{cidr}")
}

pub(crate) fn port_name(device_id: &str) -> String {
    format!("{device_id}-port")
}

/// A container's name as the name of its port: one line of at most 255 characters.
pub(crate) fn labelled(container: &str) -> String {
    container.chars().filter(|c| !c.is_control()).take(255).collect()
}

/// The host's side of a port's link: at most 14 characters, as the kernel allows 15.
pub(crate) fn host_link(port_id: &str) -> String {
    cut(&format!("tap{port_id}"), 0, 14).to_owned()
}

/// The side that moves into the container.
pub(crate) fn container_link(port_id: &str) -> String {
    cut(&format!("t_c{port_id}"), 0, 14).to_owned()
}

/// A link between bridge and switch of a hybrid plug; `prefix` is `qbr`, `qvb` or `qvo`.
pub(crate) fn hybrid_link(prefix: &str, port_id: &str) -> String {
    cut(&format!("{prefix}{port_id}"), 0, 14).to_owned()
}

/// Start of the text at links of ours.
pub(crate) const MARK: &str = "kuryr:";

/// Text at the links of a port.
pub(crate) fn mark(port_id: &str) -> String {
    format!("{MARK}{port_id}")
}

/// Whether the kernel takes it as a link's name: at most 15 bytes.
pub(crate) fn is_link_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':'))
}

/// Whether it may name a script: what Neutron answers becomes part of a path.
pub(crate) fn is_vif_type(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether it is a PCI address: `domain:bus:device.function` in hexadecimal.
pub(crate) fn is_pci_slot(text: &str) -> bool {
    let hex = |part: &str, length: std::ops::RangeInclusive<usize>| {
        length.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let parts: Vec<&str> = text.split([':', '.']).collect();
    match parts.as_slice() {
        [domain, bus, device, function] => {
            hex(domain, 4..=8)
                && hex(bus, 2..=2)
                && hex(device, 2..=2)
                && hex(function, 1..=1)
                && *text == format!("{domain}:{bus}:{device}.{function}")
        }
        _ => false,
    }
}

pub(crate) fn bridge(network_id: &str) -> String {
    format!("brq{}", cut(network_id, 0, 11))
}

fn cut(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to.min(text.len())).unwrap_or_default()
}

/// A Docker id: 64 hexadecimal digits, or 25 lower-case letters and digits from Swarm.
pub(crate) fn is_docker_id(id: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (id.len() == 64 && id.bytes().all(hex))
        || (id.len() == 25 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()))
}

/// Refuses what is no Docker id before it becomes a journal key or a tag.
pub(crate) fn check_docker_id(what: &'static str, id: &str) -> Result<()> {
    if is_docker_id(id) {
        return Ok(());
    }
    let resource: String = id.chars().take(80).collect();
    let reason = "not an id: 64 hexadecimal digits or 25 lower-case letters and digits are".to_owned();
    Err(Error::Invalid { what, resource, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_cut_in_halves_and_short_ids_have_one() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            network_tags(&id, true),
            [
                "kuryr.net.uuid.lh:0123456789abcdef0123456789abcdef",
                "kuryr.net.uuid.uh:0123456789abcdef0123456789abcdef",
                "kuryr.net.existing:0123456789ab"
            ]
        );
        assert_eq!(network_tags("abcdefghijklmnopqrstuvwxy", false).len(), 1);
        assert_eq!(host_link("12345678-9abc-def0-1111-222222222222"), "tap12345678-9a");
        assert_eq!(container_link("12345678-9abc-def0-1111-222222222222"), "t_c12345678-9a");
        assert_eq!(bridge("12345678-9abc-def0-1111-222222222222"), "brq12345678-9a");
    }

    #[test]
    fn only_docker_ids_become_keys() {
        assert!(check_docker_id("network", &"a".repeat(64)).is_ok());
        assert!(check_docker_id("network", &"z".repeat(25)).is_ok());
        for bad in ["", "../x", &"A".repeat(64), &"g".repeat(64), &"é".repeat(32)] {
            assert!(check_docker_id("network", bad).is_err(), "{bad}");
        }
    }
}
