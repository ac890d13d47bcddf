//! Mount options a user may give: known ones with fitting values only, so that none smuggles in another.

use crate::shares::Protocol;
use crate::{Error, Result};

/// What an option takes.
#[derive(Debug, Clone, Copy)]
enum Value {
    Nothing,
    Number,
    Word(&'static [&'static str]),
    /// Letters, digits, `-`, `_`, `.`.
    Name,
    /// Octal digits.
    Mode,
}

use Value::{Mode, Name, Nothing, Number, Word};

const ANY: &[(&str, Value)] = &[
    ("noatime", Nothing),
    ("nodiratime", Nothing),
    ("relatime", Nothing),
    ("noexec", Nothing),
    ("suid", Nothing),
    ("sync", Nothing),
];

const NFS: &[(&str, Value)] = &[
    ("vers", Word(&["3", "4", "4.0", "4.1", "4.2"])),
    ("nfsvers", Word(&["3", "4", "4.0", "4.1", "4.2"])),
    ("proto", Word(&["tcp", "tcp6", "rdma", "rdma6"])),
    ("port", Number),
    ("mountport", Number),
    ("mountproto", Word(&["tcp", "tcp6", "udp", "udp6"])),
    ("rsize", Number),
    ("wsize", Number),
    ("timeo", Number),
    ("retrans", Number),
    ("retry", Number),
    ("nconnect", Number),
    ("actimeo", Number),
    ("acregmin", Number),
    ("acregmax", Number),
    ("acdirmin", Number),
    ("acdirmax", Number),
    ("hard", Nothing),
    ("soft", Nothing),
    ("softerr", Nothing),
    ("lock", Nothing),
    ("nolock", Nothing),
    ("ac", Nothing),
    ("noac", Nothing),
    ("cto", Nothing),
    ("nocto", Nothing),
    ("resvport", Nothing),
    ("noresvport", Nothing),
    ("nosharecache", Nothing),
    ("lookupcache", Word(&["all", "none", "pos", "positive"])),
    ("local_lock", Word(&["all", "flock", "posix", "none"])),
    ("sec", Word(&["sys", "krb5", "krb5i", "krb5p"])),
    ("fsc", Nothing),
];

const CIFS: &[(&str, Value)] = &[
    ("vers", Word(&["default", "2.0", "2.1", "3", "3.0", "3.02", "3.1.1"])),
    ("sec", Word(&["ntlmssp", "ntlmsspi", "krb5", "krb5i"])),
    ("uid", Number),
    ("gid", Number),
    ("forceuid", Nothing),
    ("forcegid", Nothing),
    ("file_mode", Mode),
    ("dir_mode", Mode),
    ("domain", Name),
    ("seal", Nothing),
    ("cache", Word(&["none", "strict", "loose"])),
    ("actimeo", Number),
    ("rsize", Number),
    ("wsize", Number),
    ("port", Number),
    ("echo_interval", Number),
    ("iocharset", Name),
    ("mfsymlinks", Nothing),
    ("nobrl", Nothing),
    ("noperm", Nothing),
    ("serverino", Nothing),
    ("noserverino", Nothing),
    ("hard", Nothing),
    ("soft", Nothing),
];

const CEPH: &[(&str, Value)] = &[
    ("fs", Name),
    ("mds_namespace", Name),
    ("ms_mode", Word(&["legacy", "crc", "secure", "prefer-crc", "prefer-secure"])),
    ("rasize", Number),
    ("rsize", Number),
    ("wsize", Number),
    ("mount_timeout", Number),
    ("recover_session", Word(&["no", "clean"])),
    ("rbytes", Nothing),
    ("norbytes", Nothing),
    ("dcache", Nothing),
    ("nodcache", Nothing),
    ("acl", Nothing),
    ("noacl", Nothing),
];

const GLUSTER: &[(&str, Value)] = &[
    ("acl", Nothing),
    ("attribute-timeout", Number),
    ("entry-timeout", Number),
    ("direct-io-mode", Word(&["enable", "disable"])),
];

/// Key and value, which is empty for an option that takes none.
type Given = (&'static str, String);

/// Options of one mount, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    options: Vec<Given>,
}

impl MountOptions {
    /// Reads `a,b=1`; empty for none.
    ///
    /// # Errors
    /// [`Error::MountOption`] names the option that is not known or has another value than it takes.
    pub fn parse(protocol: Protocol, text: &str) -> Result<Self> {
        let own = match protocol {
            Protocol::Nfs => NFS,
            Protocol::Cifs => CIFS,
            Protocol::CephFs => CEPH,
            Protocol::GlusterFs => GLUSTER,
        };
        let mut options = Vec::new();
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            let refused = |reason: String| Error::MountOption {
                option: option.chars().take(100).filter(|c| !c.is_control()).collect(),
                reason,
            };
            let Some((key, takes)) = own.iter().chain(ANY).find(|(k, _)| *k == key) else {
                let known: Vec<_> = own.iter().chain(ANY).map(|(k, _)| *k).collect();
                return Err(refused(format!("{protocol} shares take {}", known.join(", "))));
            };
            if !takes.accepts(value) {
                return Err(refused(takes.what()));
            }
            options.push((*key, value.unwrap_or_default().to_owned()));
        }
        Ok(Self { options })
    }

    /// Whether one of these keys is set.
    pub(crate) fn has(&self, keys: &[&str]) -> bool {
        self.options.iter().any(|(k, _)| keys.contains(k))
    }

    /// Each as `key` or `key=value`.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.options.iter().map(|(k, v)| if v.is_empty() { (*k).to_owned() } else { format!("{k}={v}") })
    }

    /// The options every protocol takes, and the protocol's own.
    pub(crate) fn split(&self) -> (Vec<&Given>, Vec<&Given>) {
        self.options.iter().partition(|(key, _)| ANY.iter().any(|(k, _)| k == key))
    }
}

impl Value {
    fn accepts(self, value: Option<&str>) -> bool {
        match (self, value) {
            (Nothing, value) => value.is_none(),
            (_, None) => false,
            (Number, Some(v)) => !v.is_empty() && v.len() <= 9 && v.bytes().all(|b| b.is_ascii_digit()),
            (Mode, Some(v)) => (3..=5).contains(&v.len()) && v.bytes().all(|b| (b'0'..=b'7').contains(&b)),
            (Word(words), Some(v)) => words.contains(&v),
            (Name, Some(v)) => {
                (1..=64).contains(&v.len())
                    && v.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                    && !v.starts_with('-')
            }
        }
    }

    fn what(self) -> String {
        match self {
            Nothing => "it takes no value".into(),
            Number => "it takes a number".into(),
            Mode => "it takes a mode such as 0750".into(),
            Word(words) => format!("it takes {}", words.join(", ")),
            Name => "it takes letters, digits, `-`, `_` and `.`".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_options_with_fitting_values_pass() {
        let options = MountOptions::parse(Protocol::Nfs, "vers=4.1,nconnect=4,,noatime").unwrap();
        assert_eq!(options.words().collect::<Vec<_>>(), ["vers=4.1", "nconnect=4", "noatime"]);
        assert!(MountOptions::parse(Protocol::Cifs, "uid=1000,file_mode=0640,domain=CORP").is_ok());
        assert!(MountOptions::parse(Protocol::CephFs, "fs=cephfs_2,ms_mode=secure").is_ok());
        assert_eq!(MountOptions::parse(Protocol::GlusterFs, "").unwrap(), MountOptions::default());
    }

    #[test]
    fn what_could_change_who_or_what_is_mounted_is_refused_by_name() {
        for (protocol, text) in [
            (Protocol::Nfs, "addr=10.0.0.6"),
            (Protocol::Nfs, "bind"),
            (Protocol::Nfs, "remount"),
            (Protocol::Nfs, "dev"),
            (Protocol::Nfs, "vers=5"),
            (Protocol::Nfs, "vers"),
            (Protocol::Nfs, "soft=1"),
            (Protocol::Nfs, "rsize=-1"),
            (Protocol::Nfs, "rsize=1 -o dev"),
            (Protocol::Cifs, "username=root"),
            (Protocol::Cifs, "password=x"),
            (Protocol::Cifs, "credentials=/etc/shadow"),
            (Protocol::Cifs, "ip=10.0.0.6"),
            (Protocol::Cifs, "domain=a b"),
            (Protocol::CephFs, "secretfile=/etc/shadow"),
            (Protocol::CephFs, "secret=x"),
            (Protocol::CephFs, "name=admin"),
            (Protocol::CephFs, "conf=/tmp/x"),
            (Protocol::GlusterFs, "log-file=/etc/passwd"),
            (Protocol::GlusterFs, "volfile=/tmp/x"),
        ] {
            let error = MountOptions::parse(protocol, text).unwrap_err().to_string();
            assert!(error.contains(text) && !error.contains('\n'), "{error}");
        }
    }
}
