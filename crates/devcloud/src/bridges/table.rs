//! The table all ports share: which device is whose, and which flows are established.
//!
//! Connection tracking for bridges (`nf_conntrack_bridge`) is a kernel option that is not everywhere, and the older
//! way through `br_netfilter` would send bridged packets through the machine's own iptables rules. So replies are
//! recognised by sets: a packet its rules let pass leaves its mirror image behind, and what equals a mirror image is
//! a reply. Packets of the original direction meet the rules each time, hence a rule that is taken away ends
//! established flows too. What is given up: sequence numbers are not checked, and ICMP errors are accepted between
//! any two addresses that have a flow.
//!
//! A mirror image is kept under the number of the port that started the flow (or was spoken to by the host), so
//! networks with the same addresses do not meet in it.

use std::fmt::Write;

/// Elements per set. Flows beyond pass, but their replies need a rule.
const SIZE: u32 = 262_144;

/// A script that makes the table anew, in place of one a killed instance left behind.
pub(super) fn create(table: &str) -> String {
    let mut script =
        format!("add table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n");
    // Our devices, those switched off, and those that sit in our bridges without being ours.
    for set in ["ports", "down", "strangers"] {
        let _ = writeln!(script, "set {set} {{ type ifname; }}");
    }
    script.push_str(
        "set bridge_macs { type ether_addr; }\n\
         set gateways4 { type ipv4_addr; }\n\
         set gateways6 { type ipv6_addr; }\n",
    );
    for map in ["sources", "egress", "ingress"] {
        let _ = writeln!(script, "map {map} {{ type ifname : verdict; }}");
    }
    for (version, address) in [("4", "ipv4_addr"), ("6", "ipv6_addr")] {
        let pair = format!("iface_index . {address} . {address}");
        let header = if version == "4" { ("ip", "icmp") } else { ("ip6", "icmpv6") };
        let flags = format!("flags dynamic,timeout; size {SIZE}; timeout 1d;");
        let _ = writeln!(script, "set pair{version} {{ type {pair}; {flags} }}");
        let _ = writeln!(script, "set other{version} {{ type {pair} . inet_proto; {flags} }}");
        let _ = writeln!(
            script,
            "set flow{version} {{ type {pair} . inet_proto . inet_service . inet_service; {flags} }}"
        );
        let (ip, icmp) = header;
        let _ = writeln!(
            script,
            "set echo{version} {{ typeof iif . {ip} saddr . {ip} daddr . {icmp} id; {flags} }}"
        );
    }
    record(&mut script, "record_from", "iif");
    record(&mut script, "record_to", "oif");
    replies(&mut script, "replies_from", "iif");
    replies(&mut script, "replies_to", "oif");
    script.push_str(HOOKS);
    script.push_str("}\n");
    script
}

/// A script that removes the table.
pub(super) fn remove(table: &str) -> String {
    format!("add table bridge {table}\ndelete table bridge {table}\n")
}

/// Leaves the mirror image of a packet that passed.
fn record(script: &mut String, chain: &str, port: &str) {
    let _ = writeln!(script, "chain {chain} {{");
    for (version, ip, icmp) in [("4", "ip", "icmp"), ("6", "ip6", "icmpv6")] {
        let pair = format!("{port} . {ip} daddr . {ip} saddr");
        let flow = format!("{pair} . meta l4proto . th dport . th sport");
        let lines = [
            format!("update @pair{version} {{ {pair} timeout 1d }}"),
            // The last acknowledgement after a FIN must not make the flow young again, hence add, not update.
            format!("tcp flags & (fin | rst) != 0 update @flow{version} {{ {flow} timeout 2m }} return"),
            format!("tcp flags & syn == syn update @flow{version} {{ {flow} timeout 1d }} return"),
            format!("meta l4proto tcp add @flow{version} {{ {flow} timeout 1d }} return"),
            format!(
                "meta l4proto {{ udp, udplite, sctp, dccp }} update @flow{version} {{ {flow} timeout 3m }} return"
            ),
            format!(
                "{icmp} type echo-request update @echo{version} {{ {pair} . {icmp} id timeout 30s }} return"
            ),
            format!(
                "meta l4proto != {{ icmp, ipv6-icmp }} \
                 update @other{version} {{ {pair} . meta l4proto timeout 10m }} return"
            ),
        ];
        for line in lines {
            let _ = writeln!(script, "{line}");
        }
    }
    script.push_str("}\n");
}

/// Accepts what equals a mirror image.
fn replies(script: &mut String, chain: &str, port: &str) {
    let _ = writeln!(script, "chain {chain} {{");
    for (version, ip, icmp, errors) in
        [("4", "ip", "icmp", "3, 11, 12"), ("6", "ip6", "icmpv6", "1, 2, 3, 4")]
    {
        let pair = format!("{port} . {ip} saddr . {ip} daddr");
        let lines = [
            format!("{pair} . meta l4proto . th sport . th dport @flow{version} accept"),
            format!("{icmp} type echo-reply {pair} . {icmp} id @echo{version} accept"),
            format!("{icmp} type {{ {errors} }} {pair} @pair{version} accept"),
            format!("{pair} . meta l4proto @other{version} accept"),
        ];
        for line in lines {
            let _ = writeln!(script, "{line}");
        }
    }
    script.push_str("}\n");
}

/// Forgeries are dropped before the bridge learns an address from them. `tap` devices without a port are dropped
/// wherever the packet shows that the bridge is ours: the name of the bridge cannot be matched on every kernel.
const HOOKS: &str = r#"
chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @strangers drop
    iifname @down drop
    iifname vmap @sources
}
chain forward {
    type filter hook forward priority -200; policy accept;
    oifname @strangers drop
    iifname != @ports oifname != @ports accept
    oifname @down drop
    iifname "tap*" iifname != @ports drop
    oifname "tap*" oifname != @ports drop
    ether type arp accept
    jump replies_to
    icmp type { 3, 11, 12 } iif . ip daddr . ip saddr @pair4 accept
    icmpv6 type { 1, 2, 3, 4 } iif . ip6 daddr . ip6 saddr @pair6 accept
    iifname vmap @egress
    oifname vmap @ingress
    jump record_from
}
chain input {
    type filter hook input priority -200; policy accept;
    iifname @strangers drop
    iifname @down drop
    iifname "tap*" iifname != @ports ether daddr @bridge_macs drop
    iifname != @ports accept
    ether type arp accept
    jump replies_from
    iifname vmap @egress
    ether daddr @bridge_macs ip daddr != @gateways4 drop
    ether daddr @bridge_macs ip6 daddr != @gateways6 ip6 daddr != fe80::/10 drop
    jump record_from
}
chain output {
    type filter hook output priority -200; policy accept;
    oifname @strangers drop
    oifname @down drop
    oifname "tap*" oifname != @ports ether saddr @bridge_macs drop
    oifname != @ports accept
    ether type arp accept
    jump replies_to
    oifname vmap @ingress
    jump record_to
}
"#;
