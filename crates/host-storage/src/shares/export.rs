//! Export locations: untrusted text of a service into something that can be handed to a mount program.
//!
//! Source: the export locations of Manila's drivers, per protocol.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Mount, Result};

/// The longest export that is read, in bytes.
const LONGEST: usize = 1024;

/// How a share is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// NFS 3 and 4.
    Nfs,
    /// SMB.
    Cifs,
    /// Ceph's file system, by the kernel's client.
    CephFs,
    /// Gluster's own protocol, over FUSE.
    GlusterFs,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nfs, Self::Cifs, Self::CephFs, Self::GlusterFs];

    /// Manila's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nfs => "NFS",
            Self::Cifs => "CIFS",
            Self::CephFs => "CEPHFS",
            Self::GlusterFs => "GLUSTERFS",
        }
    }

    /// The protocol of that name, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
    }

    /// What the kernel calls such a mount.
    pub(crate) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Nfs => &["nfs4", "nfs"],
            Self::Cifs => &["cifs", "smb3"],
            Self::CephFs => &["ceph"],
            Self::GlusterFs => &["fuse.glusterfs"],
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a share is mounted from, checked: nothing in it can be taken for an option by any mount program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    protocol: Protocol,
    servers: Vec<Server>,
    /// As the mount program takes it and the kernel shows it.
    source: String,
    /// Below the servers; begins with a slash.
    path: String,
}

/// A server of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Export {
    /// Reads an export path such as `10.0.0.5:/x`, `[fd00::5]:/x`, `\\host\share`, `a:6789,b:6789:/volumes/x` or
    /// `host:/vol`.
    ///
    /// # Errors
    /// [`Error::Export`] for everything else.
    pub fn parse(protocol: Protocol, text: &str) -> Result<Self> {
        let refused = |reason: &str| Error::Export {
            export: text.chars().take(200).filter(|c| !c.is_control()).collect(),
            reason: format!("{reason}; {protocol} exports look like {}", example(protocol)),
        };
        if text.len() > LONGEST {
            return Err(refused("it is too long"));
        }
        match protocol {
            Protocol::Cifs => Self::cifs(text),
            _ => Self::with_servers(protocol, text),
        }
        .map_err(refused)
    }

    fn with_servers(protocol: Protocol, text: &str) -> std::result::Result<Self, &'static str> {
        let at = text.find(":/").ok_or("there is no `:/`")?;
        let (servers, path) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        let path = checked_path(path)?;
        let servers: Vec<Server> = match protocol {
            Protocol::CephFs => servers.split(',').map(monitor).collect::<Option<_>>(),
            _ => server(servers).map(|host| vec![Server { host, port: None }]),
        }
        .ok_or("its server is no host name or address")?;
        if protocol == Protocol::GlusterFs {
            if matches!(servers.first(), Some(Server { host: Host::Ip(IpAddr::V6(_)), .. })) {
                return Err("Gluster over a plain IPv6 address is not supported");
            }
            if path == "/" {
                return Err("it names no volume");
            }
        }
        let shown: Vec<String> = servers.iter().map(Server::to_string).collect();
        Ok(Self { protocol, source: format!("{}:{path}", shown.join(",")), servers, path })
    }

    /// `\\host\share\below`, also with slashes; the kernel shows `//host/share/below`.
    fn cifs(text: &str) -> std::result::Result<Self, &'static str> {
        let text = text.replace('\\', "/");
        let rest = text.strip_prefix("//").ok_or("it does not begin with `\\\\`")?;
        let (host, path) = rest.split_at(rest.find('/').ok_or("it names no share")?);
        let path = checked_path(path)?;
        if path == "/" {
            return Err("it names no share");
        }
        let host = server(host).or_else(|| host.parse::<Ipv6Addr>().ok().map(|ip| Host::Ip(ip.into())));
        let host = host.ok_or("its server is no host name or address")?;
        let shown = match &host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        };
        let source = format!("//{shown}{path}");
        Ok(Self { protocol: Protocol::Cifs, servers: vec![Server { host, port: None }], source, path })
    }

    /// How it is spoken to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// As a mount program takes it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first server, without a port.
    pub(crate) fn server(&self) -> String {
        self.servers.first().map(|s| s.host.to_string()).unwrap_or_default()
    }

    /// The path below the servers.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether a host with this address may reach it: one of its servers is a name, or an address of the same family.
    #[must_use]
    pub fn is_in_reach_of(&self, own: IpAddr) -> bool {
        self.servers.iter().any(|s| match &s.host {
            Host::Name(_) => true,
            Host::Ip(ip) => ip.is_ipv4() == own.is_ipv4(),
        })
    }

    /// Whether the mount shows this export or what is below it, by the kernel's own words.
    #[must_use]
    pub fn is_shown_by(&self, mount: &Mount) -> bool {
        let Some(source) = mount.source.to_str() else { return false };
        self.protocol.kinds().contains(&mount.kind.as_str())
            && match self.protocol {
                // The kernel names the directory that is shown, not the one that was mounted.
                Protocol::Nfs => is_at_or_below(source, &self.source),
                Protocol::Cifs => {
                    is_at_or_below(&source.to_ascii_lowercase(), &self.source.to_ascii_lowercase())
                }
                Protocol::GlusterFs => source == self.source,
                Protocol::CephFs => self.is_ceph_source(source, &mount.super_options),
            }
    }

    /// The kernel shows what mount.ceph made of it: monitors in any order, or since Quincy `id@cluster.fs=/path` with
    /// the monitors among the options.
    fn is_ceph_source(&self, source: &str, options: &str) -> bool {
        if let Some((_, path)) = source.split_once('=').filter(|(id, _)| id.contains('@')) {
            let shown = options.split(',').find_map(|o| o.strip_prefix("mon_addr=")).unwrap_or_default();
            let shown: Vec<Server> = shown.split('/').filter_map(monitor).collect();
            return path == self.path && shown.iter().any(|m| self.servers.iter().any(|s| s.is(m)));
        }
        Self::with_servers(Protocol::CephFs, source).is_ok_and(|other| {
            other.path == self.path
                && (other.servers.iter().any(|m| self.servers.iter().any(|s| s.is(m)))
                    // Names were resolved on the way to the kernel.
                    || self.servers.iter().all(|s| matches!(s.host, Host::Name(_))))
        })
    }
}

fn example(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Nfs => "10.0.0.5:/shares/x or [fd00::5]:/shares/x",
        Protocol::Cifs => r"\\10.0.0.5\x",
        Protocol::CephFs => "10.0.0.1:6789,10.0.0.2:6789:/volumes/x",
        Protocol::GlusterFs => "host:/volume",
    }
}

fn is_at_or_below(source: &str, whole: &str) -> bool {
    source
        .strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || whole.ends_with('/'))
}

/// An absolute path without anything that a shell, an option list or the kernel could misread.
fn checked_path(path: &str) -> std::result::Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/-_.+@=:~%$".contains(c);
    if !path.starts_with('/') || !path.chars().all(fits) {
        return Err("its path has characters that are not allowed");
    }
    if path.split('/').any(|part| part == ".." || part == ".") {
        return Err("its path leads upwards");
    }
    let path = path.trim_end_matches('/');
    Ok(if path.is_empty() { "/" } else { path }.to_owned())
}

/// `host`, `10.0.0.5`, `[fd00::5]`.
fn server(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().ok().map(|ip| Host::Ip(ip.into()));
    }
    if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
        return Some(Host::Ip(ip.into()));
    }
    let label = |l: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        edge(l.bytes().next())
            && edge(l.bytes().last())
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    (text.len() <= 253 && text.split('.').all(label)).then(|| Host::Name(text.to_ascii_lowercase()))
}

/// `host[:port]`.
fn monitor(text: &str) -> Option<Server> {
    if let Some(host) = server(text) {
        return Some(Server { host, port: None });
    }
    let (host, port) = text.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|p| *p != 0 && digits)?;
    Some(Server { host: server(host)?, port: Some(port) })
}

impl Server {
    /// Ceph's monitors listen on 6789 if nothing else is said.
    fn is(&self, other: &Self) -> bool {
        self.host == other.host && self.port.unwrap_or(6789) == other.port.unwrap_or(6789)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            other => write!(f, "{other}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A directory below the root of a share: `data`, `data/logs`.
///
/// # Errors
/// [`Error::Export`] for one that could lead out of the share.
pub fn check_subdir(text: &str) -> Result<()> {
    let part = |p: &str| {
        !p.is_empty()
            && p != "."
            && p != ".."
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if text.len() <= 200 && text.split('/').all(part) && Path::new(text).is_relative() {
        return Ok(());
    }
    Err(Error::Export {
        export: text.chars().take(200).filter(|c| !c.is_control()).collect(),
        reason: "a directory in a share is written like data/logs, of letters, digits, `-`, `_` and `.`"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DeviceNumber;

    fn export(protocol: Protocol, text: &str) -> Export {
        Export::parse(protocol, text).unwrap()
    }

    fn mount(kind: &str, source: &str, super_options: &str) -> Mount {
        Mount {
            id: 1,
            parent: 0,
            device: DeviceNumber { major: 0, minor: 9 },
            root: "/".into(),
            mountpoint: "/m".into(),
            shared: None,
            master: None,
            kind: kind.into(),
            source: source.into(),
            super_options: super_options.into(),
        }
    }

    #[test]
    fn exports_of_each_protocol_are_read_and_written_as_mount_programs_take_them() {
        for (protocol, text, source) in [
            (Protocol::Nfs, "10.0.0.5:/shares/x", "10.0.0.5:/shares/x"),
            (Protocol::Nfs, "10.0.0.5:/shares/x/", "10.0.0.5:/shares/x"),
            (Protocol::Nfs, "[fd00::5]:/x", "[fd00::5]:/x"),
            (Protocol::Nfs, "filer.example.org:/", "filer.example.org:/"),
            (Protocol::Cifs, r"\\10.0.0.5\share_x", "//10.0.0.5/share_x"),
            (Protocol::Cifs, "//filer/share$", "//filer/share$"),
            (Protocol::Cifs, r"\\fd00::5\x", "//fd00::5/x"),
            (
                Protocol::CephFs,
                "10.0.0.1:6789,10.0.0.2:6789:/volumes/_nogroup/u",
                "10.0.0.1:6789,10.0.0.2:6789:/volumes/_nogroup/u",
            ),
            (Protocol::CephFs, "[fd00::1]:6789,mon2:/volumes/u", "[fd00::1]:6789,mon2:/volumes/u"),
            (Protocol::GlusterFs, "host-1:/vol_1", "host-1:/vol_1"),
        ] {
            assert_eq!(export(protocol, text).source(), source, "{text}");
        }
    }

    #[test]
    fn what_could_be_an_option_or_lead_elsewhere_is_no_export() {
        for (protocol, text) in [
            (Protocol::Nfs, ""),
            (Protocol::Nfs, "/etc"),
            (Protocol::Nfs, "10.0.0.5:x"),
            (Protocol::Nfs, "-o:/x"),
            (Protocol::Nfs, "--bind:/x"),
            (Protocol::Nfs, "10.0.0.5:/x,exec"),
            (Protocol::Nfs, "10.0.0.5:/x y"),
            (Protocol::Nfs, "10.0.0.5:/x\ny"),
            (Protocol::Nfs, "10.0.0.5:/x\0"),
            (Protocol::Nfs, "10.0.0.5:/x/../../etc"),
            (Protocol::Nfs, "a,b:/x"),
            (Protocol::Nfs, "fd00::5:/x"),
            (Protocol::Nfs, "[fe80::1%eth0]:/x"),
            (Protocol::Nfs, "[10.0.0.5]:/x"),
            (Protocol::Cifs, "10.0.0.5:/x"),
            (Protocol::Cifs, r"\\host"),
            (Protocol::Cifs, r"\\host\"),
            (Protocol::Cifs, r"\\host\a,username=x"),
            (Protocol::Cifs, r"\\-o\a"),
            (Protocol::CephFs, "10.0.0.1:6789,:/x"),
            (Protocol::CephFs, "10.0.0.1:0:/x"),
            (Protocol::CephFs, "10.0.0.1:+1:/x"),
            (Protocol::CephFs, "10.0.0.1:99999:/x"),
            (Protocol::CephFs, "10.0.0.1:6789:/x,secret=y"),
            (Protocol::GlusterFs, "host:/"),
            (Protocol::GlusterFs, "[fd00::5]:/vol"),
            (Protocol::GlusterFs, "$(id):/vol"),
        ] {
            let error = Export::parse(protocol, text).unwrap_err().to_string();
            assert!(error.contains("exports look like") && !error.contains('\n'), "{text:?}: {error}");
        }
        assert!(Export::parse(Protocol::Nfs, &format!("h:/{}", "x".repeat(2000))).is_err());
    }

    #[test]
    fn only_a_mount_of_this_export_shows_it() {
        let nfs = export(Protocol::Nfs, "10.0.0.5:/x");
        assert!(nfs.is_shown_by(&mount("nfs4", "10.0.0.5:/x", "")));
        assert!(nfs.is_shown_by(&mount("nfs", "10.0.0.5:/x/sub", "")), "a container's part of it");
        for (kind, source) in [
            ("nfs4", "10.0.0.5:/xy"),
            ("nfs4", "10.0.0.6:/x"),
            ("nfs4", "10.0.0.5:/"),
            ("ext4", "10.0.0.5:/x"),
            ("tmpfs", "10.0.0.5:/x"),
        ] {
            assert!(!nfs.is_shown_by(&mount(kind, source, "")), "{kind} {source}");
        }
        assert!(export(Protocol::Nfs, "10.0.0.5:/").is_shown_by(&mount("nfs4", "10.0.0.5:/x", "")));
        let cifs = export(Protocol::Cifs, r"\\Filer\Share");
        assert!(cifs.is_shown_by(&mount("cifs", "//filer/SHARE/sub", "")));
        assert!(!cifs.is_shown_by(&mount("cifs", "//filer/share2", "")));
        let gluster = export(Protocol::GlusterFs, "h:/v");
        assert!(gluster.is_shown_by(&mount("fuse.glusterfs", "h:/v", "")));
        assert!(!gluster.is_shown_by(&mount("fuse", "h:/v", "")));
    }

    #[test]
    fn ceph_mounts_are_recognised_in_both_of_their_forms() {
        let ceph = export(Protocol::CephFs, "10.0.0.1:6789,10.0.0.2:/volumes/u");
        for (source, options) in [
            ("10.0.0.2:6789,10.0.0.1:6789:/volumes/u", "rw,name=fuxi"),
            ("fuxi@1f6e-22.cephfs=/volumes/u", "rw,name=fuxi,mon_addr=10.0.0.9:6789/10.0.0.1:6789"),
        ] {
            assert!(ceph.is_shown_by(&mount("ceph", source, options)), "{source}");
        }
        for (source, options) in [
            ("10.0.0.2:6789:/volumes/w", ""),
            ("10.0.0.3:6789:/volumes/u", ""),
            ("10.0.0.1:3300:/volumes/u", ""),
            ("fuxi@1f6e-22.cephfs=/volumes/u", "rw,mon_addr=10.0.0.9:6789"),
            ("fuxi@1f6e-22.cephfs=/volumes/w", "rw,mon_addr=10.0.0.1:6789"),
        ] {
            assert!(!ceph.is_shown_by(&mount("ceph", source, options)), "{source}");
        }
    }

    #[test]
    fn the_family_of_an_address_decides_what_is_in_reach() {
        let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap());
        assert!(export(Protocol::Nfs, "10.0.0.5:/x").is_in_reach_of(v4));
        assert!(!export(Protocol::Nfs, "10.0.0.5:/x").is_in_reach_of(v6));
        assert!(export(Protocol::Nfs, "[fd00::5]:/x").is_in_reach_of(v6));
        assert!(export(Protocol::Nfs, "filer:/x").is_in_reach_of(v6));
    }

    #[test]
    fn a_directory_in_a_share_stays_in_it() {
        for good in ["data", "a/b.c", "..a"] {
            assert!(check_subdir(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "/etc", "a//b", "a/", "../a", "a/..", ".", "a b", "a\0", "a,b", &"x".repeat(201)]
        {
            assert!(check_subdir(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_is_read_reads_the_same_again(text in "[ -~]{0,60}|[a-f0-9.\\[\\]:/,]{0,40}", which in 0_usize..4) {
            let protocol = Protocol::ALL[which];
            if let Ok(export) = Export::parse(protocol, &text) {
                prop_assert!(!export.source().starts_with('-') && !export.source().contains(char::is_whitespace));
                let again = Export::parse(protocol, export.source()).unwrap();
                prop_assert_eq!(again, export);
            }
        }
    }
}
