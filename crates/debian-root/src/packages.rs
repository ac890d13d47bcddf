//! Packages of this machine.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::program::{Program, require_root, say};

/// A package and a file that shows it is there.
pub type Package = (&'static str, &'static str);

/// What tests of storage need besides: to put other people's signatures on devices, and a file system of their own.
pub const TESTS: &[Package] =
    &[("cryptsetup-bin", "/sbin/cryptsetup"), ("fdisk", "/sbin/sfdisk"), ("python3", "/usr/bin/python3")];

/// What a private host with an engine and the development cloud need.
pub const HOST: &[Package] = &[
    ("docker.io", "/usr/sbin/dockerd"),
    ("busybox-static", "/bin/busybox"),
    ("iproute2", "/sbin/ip"),
    ("nftables", "/usr/sbin/nft"),
    ("e2fsprogs", "/sbin/mkfs.ext4"),
    ("xfsprogs", "/sbin/mkfs.xfs"),
    ("btrfs-progs", "/bin/mkfs.btrfs"),
    ("util-linux", "/usr/bin/nsenter"),
    ("openvswitch-switch", "/usr/sbin/ovs-vswitchd"),
    ("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
];

/// What building a program that needs no library of its host takes.
pub const PACKAGING: &[Package] = &[
    ("musl-tools", "/usr/bin/musl-gcc"),
    ("binutils", "/usr/bin/strip"),
    ("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
];

/// What cases of the behaviour suite about shares need besides: a real storage.
pub const SHARES: &[Package] =
    &[("glusterfs-server", "/usr/sbin/glusterd"), ("glusterfs-client", "/usr/sbin/glusterfs")];

/// What unpacking another release needs.
pub const BOOTSTRAP: &[Package] = &[("debootstrap", "/usr/sbin/debootstrap")];

/// What a lab needs of this machine; its services and guests come in roots of their own.
pub const LAB: &[Package] = &[
    ("debootstrap", "/usr/sbin/debootstrap"),
    ("iproute2", "/sbin/ip"),
    ("util-linux", "/usr/bin/nsenter"),
    ("e2fsprogs", "/sbin/mke2fs"),
    ("gcc", "/usr/bin/gcc"),
];

/// Installs what is missing, after saying so.
///
/// # Errors
/// When this is not root or not Debian, or `apt-get` fails.
pub fn install(packages: &[Package]) -> Result<()> {
    require_root()?;
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !exists(file)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("Missing Debian packages, to be installed now: {}", missing.join(" ")));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this is not a Debian machine; install these yourself: {}", missing.join(" "));
    }
    Program::new("apt-get").args(["update", "--quiet", "--quiet"]).run()?;
    Program::new("apt-get")
        .args(["install", "--yes", "--quiet", "--quiet", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Our engines are private ones; installing the package need not start one for the whole machine.
        .env("RUNLEVEL", "1")
        .run()?;
    let still: Vec<&str> = packages.iter().filter(|(_, file)| !exists(file)).map(|(name, _)| *name).collect();
    if still.is_empty() { Ok(()) } else { bail!("installed, but still not found: {}", still.join(" ")) }
}

fn exists(file: &str) -> bool {
    let file = Path::new(file);
    // Debian moved /bin and /sbin below /usr, and some tools between bin and sbin.
    let name = file.file_name().map(PathBuf::from).unwrap_or_default();
    file.exists()
        || ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|d| Path::new(d).join(&name).exists())
}
