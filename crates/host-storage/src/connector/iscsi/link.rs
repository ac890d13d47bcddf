//! How an iSCSI volume reaches this host, as it is written down.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::connector::scsi::{Identity, Lun};

/// The port that IANA gave iSCSI.
const PORT: u16 = 3260;
/// RFC 3720, section 3.2.6.1.
const LONGEST_NAME: usize = 223;

/// How an iSCSI volume reaches this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IscsiLink {
    /// The ways to it, best first.
    pub paths: Vec<IscsiPath>,
    /// One way is not enough: it must be a multipath map.
    pub multipath: bool,
    /// What the disk said of itself when it came; `None` before that.
    pub identity: Option<Identity>,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IscsiPath {
    /// Where the target listens.
    pub portal: Portal,
    /// Its name.
    pub target: TargetName,
    /// The volume in it.
    pub lun: Lun,
}

impl fmt::Display for IscsiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LUN {} of {} at {}", self.lun, self.target, self.portal)
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Portal(SocketAddr);

impl Portal {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.ip()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

impl TryFrom<String> for Portal {
    type Error = String;

    /// Reads `ADDRESS:PORT`, IPv6 addresses in brackets; the port may be left out, a portal group after a comma is
    /// passed over.
    fn try_from(text: String) -> Result<Self, String> {
        let plain = match text.rsplit_once(',') {
            Some((plain, group)) if group.parse::<u16>().is_ok() => plain,
            _ => &text,
        };
        let in_brackets = plain.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let with_port = plain.parse::<SocketAddr>().ok();
        let alone = || match in_brackets {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
            None => plain.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4),
        };
        let found = with_port.or_else(|| alone().map(|ip| SocketAddr::new(ip, PORT)));
        let scoped = |a: &SocketAddr| matches!(a, SocketAddr::V6(v6) if v6.scope_id() != 0);
        found
            .filter(|a| a.port() != 0 && !a.ip().is_unspecified() && !a.ip().is_multicast() && !scoped(a))
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "portal `{}` is no address and port, as 192.0.2.1:3260 or [2001:db8::1]:3260",
                    text.escape_debug()
                )
            })
    }
}

impl From<Portal> for String {
    fn from(portal: Portal) -> Self {
        portal.to_string()
    }
}

impl fmt::Display for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a target: `iqn.`, `eui.` or `naa.` and what follows. It is safe as an argument and as a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

impl TargetName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TargetName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = ["iqn.", "eui.", "naa."].iter().any(|p| text.len() > p.len() && text.starts_with(p));
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_".contains(&b));
        if known && plain && text.len() <= LONGEST_NAME {
            return Ok(Self(text));
        }
        Err(format!("`{}` is no iSCSI target name (iqn., eui. or naa.)", text.escape_debug()))
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn portal(text: &str) -> Option<String> {
        Portal::try_from(text.to_owned()).ok().map(String::from)
    }

    #[test]
    fn portals_are_an_address_and_a_port() {
        for (text, want) in [
            ("10.0.0.1:3260", "10.0.0.1:3260"),
            ("10.0.0.1", "10.0.0.1:3260"),
            ("10.0.0.1:3261,1", "10.0.0.1:3261"),
            ("[fd00::1]:3260", "[fd00::1]:3260"),
            ("[fd00::1]", "[fd00::1]:3260"),
            ("[fd00::1]:860,2", "[fd00::1]:860"),
        ] {
            assert_eq!(portal(text).as_deref(), Some(want), "{text}");
        }
        for text in [
            "",
            "-p",
            "storage:3260",
            "fd00::1:3260",
            "fd00::1",
            "10.0.0.1:0",
            "10.0.0.1:99999",
            "10.0.0.1:3260 -o delete",
            "[10.0.0.1]:3260",
            "0.0.0.0:3260",
            "[fe80::1%3]:3260",
            "10.0.0.1:3260,x",
            "../x",
        ] {
            assert_eq!(portal(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_portal_is_never_an_option_or_a_path(text in "[-0-9a-f.:,%/\\[\\] ]{0,30}") {
            if let Some(shown) = portal(&text) {
                prop_assert!(!shown.starts_with('-') && !shown.contains('/'));
                prop_assert_eq!(portal(&shown), Some(shown));
            }
        }

        #[test]
        fn a_target_name_is_never_an_option_or_a_path(text in "(iqn\\.|eui\\.|-|\\.\\.|)[ -~\n]{0,30}") {
            if let Ok(name) = TargetName::try_from(text) {
                prop_assert!(!name.0.starts_with('-') && !name.0.contains('/') && name.0.len() > 4);
                prop_assert!(name.0.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
