//! Kinds of guests.

/// What a guest is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Kind {
    /// Containers, on a machine that can have volumes and shares attached.
    #[default]
    Host,
    /// Cinder and Manila, and what they give out: iSCSI targets and NFS exports.
    Storage,
}

/// A file of the image that no package brings: its path, what it holds, and its mode.
pub(crate) type File = (&'static str, &'static str, u32);

/// Beside what every unpacked Debian of ours has.
const HOST: [&str; 9] = [
    "user-mode-linux",
    "kmod",
    "ethtool",
    "iputils-ping",
    "socat",
    "tcpdump",
    "open-iscsi",
    "multipath-tools",
    "nfs-common",
];

/// Beside those of a host.
const STORAGE: [&str; 10] = [
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "manila-api",
    "manila-scheduler",
    "manila-share",
    "lvm2",
    "thin-provisioning-tools",
    "tgt",
    "nfs-kernel-server",
];

const HOST_FILES: [File; 2] = [
    ("usr/sbin/lab-init", include_str!("../../../vm/init"), 0o755),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644),
];

/// A file of the storage guest: where it goes and what it holds.
macro_rules! storage {
    ($path:literal, $name:literal, $mode:literal) => {
        ($path, include_str!(concat!("../../../vm/storage/", $name)), $mode)
    };
}

const STORAGE_FILES: [File; 13] = [
    storage!("usr/sbin/lab-storage", "start", 0o755),
    storage!("usr/sbin/lab-cinder", "cinder-all", 0o755),
    storage!("usr/sbin/lab-manila", "manila-all", 0o755),
    storage!("usr/sbin/lab-manila-tables", "manila-tables", 0o755),
    storage!("usr/local/bin/umount", "umount", 0o755),
    storage!("usr/local/bin/sudo", "sudo", 0o755),
    storage!("etc/cinder/cinder.conf", "cinder.conf", 0o644),
    ("etc/cinder/nfs_shares", "10.77.0.2:/srv/volumes\n", 0o644),
    ("etc/exports", "/srv/volumes 10.77.0.0/24(rw,no_root_squash,no_subtree_check)\n", 0o644),
    storage!("etc/manila/manila.conf", "manila.conf", 0o644),
    storage!("etc/tgt/conf.d/cinder.conf", "tgt.conf", 0o644),
    storage!("etc/lvm/lvmlocal.conf", "lvmlocal.conf", 0o644),
    ("etc/hosts", "127.0.0.1 localhost storage\n::1 localhost\n", 0o644),
];

/// Commands that are run once, over the packages and files of the storage guest.
const STORAGE_COMMANDS: [&[&str]; 2] = [
    &["cinder-manage", "--config-file=/etc/cinder/cinder.conf", "db", "sync"],
    &["lab-manila-tables", "--config-file=/etc/manila/manila.conf"],
];

impl Kind {
    /// As it is written in commands and names of directories.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Storage => "storage",
        }
    }

    /// What its image is, for whoever waits for it.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Host => "what guests boot from",
            Self::Storage => "what the storage guest boots from",
        }
    }

    /// The kind whose packages lie below its own.
    pub(super) fn over(self) -> Option<Self> {
        match self {
            Self::Host => None,
            Self::Storage => Some(Self::Host),
        }
    }

    /// To be raised when the installation of its packages changes in what it leaves.
    pub(super) fn revision(self) -> &'static str {
        "1"
    }

    pub(super) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Host => &HOST,
            Self::Storage => &STORAGE,
        }
    }

    /// Directories of the packages whose content is not kept.
    pub(super) fn forgotten(self) -> &'static [&'static str] {
        &[]
    }

    /// Those of the kinds below come first.
    pub(crate) fn files(self) -> Vec<File> {
        match self {
            Self::Host => HOST_FILES.to_vec(),
            Self::Storage => [&HOST_FILES[..], &STORAGE_FILES].concat(),
        }
    }

    pub(super) fn commands(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Host => &[],
            Self::Storage => &STORAGE_COMMANDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::STORAGE as ADDRESS;

    #[test]
    fn services_give_out_the_address_of_the_storage_guest() {
        let address = ADDRESS.to_string();
        for path in ["etc/cinder/cinder.conf", "etc/cinder/nfs_shares", "etc/manila/manila.conf"] {
            let text = STORAGE_FILES.iter().find(|file| file.0 == path).map(|file| file.1).unwrap();
            for line in text.lines().filter(|line| line.contains("10.")) {
                assert!(line.contains(&address), "{path}: {line}");
            }
            assert!(text.contains(&address), "{path}");
        }
    }
}
