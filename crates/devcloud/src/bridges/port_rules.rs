//! The chains of one port: what it may pretend to be, what it may send, what may come.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

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

/// A hardware address with what it may send from.
struct Sender {
    mac: [u8; 6],
    four: Vec<Ipv4Net>,
    six: Vec<Ipv6Net>,
}

/// The port itself, then its pairs by hardware address.
fn senders(port: &PortView) -> Result<Vec<Sender>> {
    let own = parsed(port, &port.mac)?;
    let mut nets: BTreeMap<[u8; 6], Vec<IpNet>> = BTreeMap::new();
    nets.entry(own).or_default().extend(port.addresses.iter().copied().map(IpNet::from));
    for (mac, net) in &port.pairs {
        nets.entry(parsed(port, mac)?).or_default().push(*net);
    }
    let sender = |(mac, nets): ([u8; 6], Vec<IpNet>)| {
        let mut six = vec![link_local(mac).into()];
        six.extend(nets.iter().filter_map(|net| match net {
            IpNet::V6(net) => Some(*net),
            IpNet::V4(_) => None,
        }));
        let four: Vec<Ipv4Net> = nets
            .iter()
            .filter_map(|net| match net {
                IpNet::V4(net) => Some(*net),
                IpNet::V6(_) => None,
            })
            .collect();
        // Overlapping ranges cannot stand in one set.
        Sender { mac, four: Ipv4Net::aggregate(&four), six: Ipv6Net::aggregate(&six) }
    };
    Ok(nets.into_iter().map(sender).collect())
}

fn parsed(port: &PortView, mac: &str) -> Result<[u8; 6]> {
    names::parse_mac(mac).ok_or_else(|| {
        DataPathError(format!("port {} has the hardware address {mac:?}; correct it", port.id))
    })
}

/// An anonymous set.
fn set<N: ToString>(nets: &[N]) -> String {
    let texts: Vec<String> = nets.iter().map(N::to_string).collect();
    format!("{{ {} }}", texts.join(", "))
}

fn macs(senders: &[Sender]) -> String {
    set(&senders.iter().map(|sender| names::mac_text(sender.mac)).collect::<Vec<_>>())
}

/// What the port may use as sender, in Ethernet, ARP, IP and neighbour discovery.
fn source(port: &PortView) -> Result<Vec<String>> {
    let senders = senders(port)?;
    let mut lines = vec![format!("ether saddr != {} drop", macs(&senders))];
    for Sender { mac, four, .. } in &senders {
        let mac = names::mac_text(*mac);
        // The unspecified address is a probe for duplicates.
        let mut nets = vec![Ipv4Net::from(Ipv4Addr::UNSPECIFIED)];
        nets.extend(four);
        let nets = set(&Ipv4Net::aggregate(&nets));
        lines.push(format!("ether saddr {mac} arp saddr ether {mac} arp saddr ip {nets} return"));
    }
    lines.extend([
        "ether type arp drop".into(),
        "ether type ip udp sport 67 udp dport 68 drop".into(),
        "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return".into(),
    ]);
    for Sender { mac, four, .. } in senders.iter().filter(|sender| !sender.four.is_empty()) {
        lines.push(format!("ether saddr {} ip saddr {} return", names::mac_text(*mac), set(four)));
    }
    let all: Vec<Ipv6Net> = senders.iter().flat_map(|sender| sender.six.clone()).collect();
    let number = |address: Ipv6Addr| format!("{:#034x}", u128::from(address));
    let targets: Vec<String> = Ipv6Net::aggregate(&all)
        .iter()
        .map(|net| match net.prefix_len() {
            128 => number(net.addr()),
            _ => format!("{}-{}", number(net.network()), number(net.broadcast())),
        })
        .collect();
    lines.extend([
        // Router advertisements and redirects are a router's.
        "icmpv6 type { nd-router-advert, nd-redirect } drop".into(),
        "ether type ip6 udp sport 547 udp dport 546 drop".into(),
        format!("icmpv6 type nd-neighbor-advert @th,64,128 != {} drop", set(&targets)),
        "ip6 saddr :: icmpv6 type { 131, 132, 135, 143 } return".into(),
    ]);
    for Sender { mac, six, .. } in &senders {
        lines.push(format!("ether saddr {} ip6 saddr {} return", names::mac_text(*mac), set(six)));
    }
    lines.push("drop".into());
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
            macs(&senders(port)?)
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
