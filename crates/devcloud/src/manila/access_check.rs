//! What may stand in a rule: its form, and what each protocol takes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::fault::Fault;
use super::microversion::Microversion;

/// 400 unless `access_to` has the form of its type. Whether the share's protocol takes the type is not looked at: the
/// storage finds out later.
pub(super) fn form(version: Microversion, access_type: &str, access_to: &str) -> Result<(), Fault> {
    match access_type {
        "ip" => ip(version, access_to),
        "user" => user(access_to),
        "cert" if (1..=64).contains(&access_to.trim().chars().count()) => Ok(()),
        "cert" => Err(Fault::bad("The common name of a certificate has 1 to 64 characters.")),
        "cephx" if version >= Microversion::CEPHX => cephx(access_to),
        _ => Err(Fault::bad(format!(
            "'{access_type}' is no access type: use 'ip', 'user', 'cert' or 'cephx'."
        ))),
    }
}

fn ip(version: Microversion, text: &str) -> Result<(), Fault> {
    let Some(network) = network(text) else {
        return Err(Fault::bad(format!("'{text}' does not appear to be an IP address or network")));
    };
    if network.trunc() != network {
        return Err(Fault::bad(format!("{text} has host bits set")));
    }
    if version < Microversion::IPV6 && network.network().is_ipv6() {
        return Err(Fault::bad(format!("'{text}' is not an IPv4 address or network")));
    }
    Ok(())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn user(name: &str) -> Result<(), Fault> {
    let empty = name.chars().all(|c| c.is_whitespace() || c == '.');
    let length = (4..=255).contains(&name.chars().count());
    // The first character is free.
    let plain = !name.chars().skip(1).any(|c| "\"/\\[]:;|=,+*?<>".contains(c));
    if !empty && length && plain {
        Ok(())
    } else {
        Err(Fault::bad("A user or group name has 4 to 255 characters, none of them one of \"/\\[]:;|=,+*?<>"))
    }
}

fn cephx(id: &str) -> Result<(), Fault> {
    let printable = id.chars().all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace());
    if id.is_empty() || !printable || id.contains('.') {
        return Err(Fault::bad(
            "A Ceph ID is not empty and has only printable ASCII characters, and no period.",
        ));
    }
    Ok(())
}

/// Whether two rules are for the same user: an address is the network that holds just it.
pub(super) fn same(one_type: &str, one: &str, other_type: &str, other: &str) -> bool {
    one_type == other_type
        && (one == other || (one_type == "ip" && network(one).is_some() && network(one) == network(other)))
}

/// Whether shares of the protocol usually let somebody in by rules of the type.
pub(super) fn takes(protocol: &str, access_type: &str) -> bool {
    match protocol {
        "NFS" => access_type == "ip",
        "CIFS" => access_type == "user" || access_type == "ip",
        "GLUSTERFS" => access_type == "cert",
        "CEPHFS" => access_type == "cephx",
        _ => false,
    }
}

/// What the storage thinks of a rule, of a type that it `takes` or not: the detail of the message about its refusal.
pub(super) fn refusal(takes: bool, access_type: &str, access_to: &str) -> Option<&'static str> {
    if !takes {
        return Some(super::messages::UNSUPPORTED_CLIENT);
    }
    // Ids of the storage's own clients.
    let reserved = access_type == "cephx" && matches!(access_to, "admin" | "manila");
    reserved.then_some(super::messages::FORBIDDEN_CLIENT)
}
