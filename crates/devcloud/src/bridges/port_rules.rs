//! The chains of one port: what it may pretend to be, what it may send, what may come.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::names;
use super::protocol::{self, ICMP, ICMPV6};
use crate::datapath::{DataPathError, PortView, Result, RuleView};

/// The three maps that lead from a device to its chains, and the chains' prefixes.
const CHAINS: [(&str, &str); 3] = [("sources", "src"), ("egress", "out"), ("ingress", "in")];

/// The script that brings the filter of a port from `before` to `after`; empty when nothing changes.
pub(super) fn change(
    table: &str,
    device: &str,
    before: Option<&PortView>,
    after: Option<&PortView>,
) -> Result<String> {
    if before == after {
        return Ok(String::new());
    }
    let mut script = String::new();
    let guarded = |view: Option<&PortView>| view.is_some_and(|port| port.port_security);
    let down = |view: Option<&PortView>| view.is_some_and(|port| !port.admin_state_up);
    if let Some(port) = after.filter(|port| port.port_security) {
        for (_, chain) in CHAINS {
            let _ = writeln!(script, "add chain bridge {table} {chain}-{device}");
            let _ = writeln!(script, "flush chain bridge {table} {chain}-{device}");
        }
        for (chain, lines) in [("src", source(port)?), ("out", egress(port)), ("in", ingress(port)?)] {
            for line in lines {
                let _ = writeln!(script, "add rule bridge {table} {chain}-{device} {line}");
            }
        }
    }
    for (was, is, set) in [(before.is_some(), after.is_some(), "ports"), (down(before), down(after), "down")]
    {
        if was != is {
            let verb = if is { "add" } else { "delete" };
            let _ = writeln!(script, "{verb} element bridge {table} {set} {{ \"{device}\" }}");
        }
    }
    match (guarded(before), guarded(after)) {
        (false, true) => {
            for (map, chain) in CHAINS {
                let _ = writeln!(
                    script,
                    "add element bridge {table} {map} {{ \"{device}\" : jump {chain}-{device} }}"
                );
            }
        }
        (true, false) => {
            for (map, chain) in CHAINS {
                let _ = writeln!(script, "delete element bridge {table} {map} {{ \"{device}\" }}");
                let _ = writeln!(script, "flush chain bridge {table} {chain}-{device}");
                let _ = writeln!(script, "delete chain bridge {table} {chain}-{device}");
            }
        }
        _ => {}
    }
    Ok(script)
}

fn mac(port: &PortView) -> Result<[u8; 6]> {
    names::parse_mac(&port.mac).ok_or_else(|| {
        DataPathError(format!("port {} has the hardware address {:?}; correct it", port.id, port.mac))
    })
}

/// What the port may use as sender, in Ethernet, ARP, IP and neighbour discovery.
fn source(port: &PortView) -> Result<Vec<String>> {
    let mac = mac(port)?;
    let text = names::mac_text(mac);
    let four: Vec<String> = port.addresses.iter().filter(|a| a.is_ipv4()).map(ToString::to_string).collect();
    let mut six: Vec<Ipv6Addr> = vec![link_local(mac)];
    six.extend(port.addresses.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    }));
    six.sort();
    six.dedup();
    let targets: Vec<String> = six.iter().map(|a| format!("{:#034x}", u128::from(*a))).collect();
    let six: Vec<String> = six.iter().map(ToString::to_string).collect();
    let mut senders = four.clone();
    // Probes for duplicates.
    senders.push("0.0.0.0".into());
    let mut lines = vec![
        format!("ether saddr != {text} drop"),
        format!("arp saddr ether != {text} drop"),
        format!("arp saddr ip != {{ {} }} drop", senders.join(", ")),
        "ether type arp return".into(),
        "ether type ip udp sport 67 udp dport 68 drop".into(),
        "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return".into(),
    ];
    if !four.is_empty() {
        lines.push(format!("ip saddr {{ {} }} return", four.join(", ")));
    }
    lines.extend([
        // Router advertisements and redirects are a router's.
        "icmpv6 type { nd-router-advert, nd-redirect } drop".into(),
        "ether type ip6 udp sport 547 udp dport 546 drop".into(),
        format!("icmpv6 type nd-neighbor-advert @th,64,128 != {{ {} }} drop", targets.join(", ")),
        "ip6 saddr :: icmpv6 type { 131, 132, 135, 143 } return".into(),
        format!("ip6 saddr {{ {} }} return", six.join(", ")),
        "drop".into(),
    ]);
    Ok(lines)
}

fn egress(port: &PortView) -> Vec<String> {
    let mut lines = vec![
        "icmpv6 type { 130, 131, 132, 133, 135, 136, 143 } return".into(),
        "ether type ip udp sport 68 udp dport 67 return".into(),
        "ether type ip6 udp sport 546 udp dport 547 return".into(),
    ];
    finish(&mut lines, port, false);
    lines
}

fn ingress(port: &PortView) -> Result<Vec<String>> {
    let mut lines = vec![
        // A frame for somebody else, flooded while the bridge does not know where that one is.
        format!(
            "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != {} drop",
            names::mac_text(mac(port)?)
        ),
        "icmpv6 type { 130, 131, 132, 134, 135, 136, 143 } return".into(),
        "ether type ip udp sport 67 udp dport 68 return".into(),
        "ether type ip6 udp sport 547 udp dport 546 return".into(),
    ];
    finish(&mut lines, port, true);
    Ok(lines)
}

fn finish(lines: &mut Vec<String>, port: &PortView, ingress: bool) {
    // Later fragments carry no ports; without their first one they are worth nothing.
    lines.push("ip frag-off & 0x1fff != 0 return".into());
    lines.push("frag frag-off != 0 return".into());
    lines.extend(port.rules.iter().filter(|rule| rule.ingress == ingress).filter_map(line));
    lines.push("drop".into());
}

/// A rule, or `None` when it matches nobody.
fn line(rule: &RuleView) -> Option<String> {
    let (ip, icmp) = if rule.ipv6 { ("ip6", "icmpv6") } else { ("ip", "icmp") };
    let mut line = format!("ether type {ip} ");
    if let Some(peers) = &rule.peers {
        let family: Vec<IpNet> =
            peers.iter().filter(|net| matches!(net, IpNet::V6(_)) == rule.ipv6).copied().collect();
        if family.is_empty() {
            return None;
        }
        if family.iter().all(|net| net.prefix_len() > 0) {
            let nets: Vec<String> = IpNet::aggregate(&family).iter().map(ToString::to_string).collect();
            let side = if rule.ingress { "saddr" } else { "daddr" };
            let _ = write!(line, "{ip} {side} {{ {} }} ", nets.join(", "));
        }
    }
    if let Some(protocol) = &rule.protocol {
        let number = protocol::number(protocol, rule.ipv6)?;
        let _ = write!(line, "meta l4proto {number} ");
        match rule.ports {
            Some((first, code)) if number == if rule.ipv6 { ICMPV6 } else { ICMP } => {
                let _ = write!(line, "{icmp} type {first} ");
                // Codes have eight bits; more means any.
                if code <= 255 {
                    let _ = write!(line, "{icmp} code {code} ");
                }
            }
            Some((first, last)) if protocol::has_ports(number) && first <= last => {
                let _ = write!(line, "th dport {first}-{last} ");
            }
            Some(_) => return None,
            None => {}
        }
    }
    Some(line + "return")
}

/// The address a host derives from its hardware address (RFC 4291, appendix A).
pub(super) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.map(u16::from);
    Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> RuleView {
        RuleView { ingress: true, ipv6: false, protocol: None, ports: None, peers: None }
    }

    #[test]
    fn rules_become_matches() {
        let any = rule();
        assert_eq!(line(&any).unwrap(), "ether type ip return");
        let nobody = RuleView { peers: Some(vec![]), ..rule() };
        assert_eq!(line(&nobody), None);
        let udp = RuleView { protocol: Some("udp".into()), ports: Some((1234, 1238)), ..rule() };
        assert_eq!(line(&udp).unwrap(), "ether type ip meta l4proto 17 th dport 1234-1238 return");
        let echo = RuleView { protocol: Some("icmp".into()), ports: Some((8, u16::MAX)), ..rule() };
        assert_eq!(line(&echo).unwrap(), "ether type ip meta l4proto 1 icmp type 8 return");
        let peers = Some(vec!["10.0.0.0/24".parse().unwrap(), "10.0.0.7/32".parse().unwrap()]);
        let overlapping = RuleView { ingress: false, peers, ..rule() };
        assert_eq!(line(&overlapping).unwrap(), "ether type ip ip daddr { 10.0.0.0/24 } return");
        let everybody = RuleView { peers: Some(vec!["0.0.0.0/0".parse().unwrap()]), ..rule() };
        assert_eq!(line(&everybody).unwrap(), "ether type ip return");
        let old_name = RuleView { ipv6: true, protocol: Some("icmp".into()), ..rule() };
        assert_eq!(line(&old_name).unwrap(), "ether type ip6 meta l4proto 58 return");
        let unknown = RuleView { protocol: Some("\" drop".into()), ..rule() };
        assert_eq!(line(&unknown), None);
    }

    #[test]
    fn the_link_local_address_follows_the_hardware_address() {
        assert_eq!(link_local([0xfa, 0x16, 0x3e, 1, 2, 3]).to_string(), "fe80::f816:3eff:fe01:203");
    }
}
