//! Unpacked Debian releases.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::packages::{BOOTSTRAP, install};
use crate::program::{Program, say};

/// Packages in a root that serves as a private host.
const ROOT_PACKAGES: &str = "docker.io,iptables,iproute2,nftables,busybox-static,ca-certificates,procps,\
                             e2fsprogs,xfsprogs,btrfs-progs";

/// Programs for volumes and shares: filesystems, NFS, CIFS, iSCSI, multipath.
const STORAGE_PACKAGES: &str =
    "e2fsprogs,xfsprogs,btrfs-progs,nfs-common,cifs-utils,open-iscsi,multipath-tools,ca-certificates";

/// Where roots lie: `KURYR_LAB`, or `/var/lib/kuryr-lab/roots`.
#[must_use]
pub fn home() -> PathBuf {
    std::env::var_os("KURYR_LAB").map_or_else(|| "/var/lib/kuryr-lab/roots".into(), PathBuf::from)
}

/// Where downloaded packages are kept, so that none is fetched twice.
#[must_use]
pub fn package_cache() -> PathBuf {
    home().join("packages")
}

/// An unpacked root of that release with a Docker engine; made once, kept for later runs.
///
/// # Errors
/// When it cannot be unpacked.
pub fn root(suite: &str) -> Result<PathBuf> {
    let docker_cli = if suite == "bookworm" { "" } else { ",docker-cli" };
    unpack(suite, suite, &format!("{ROOT_PACKAGES}{docker_cli}"), "usr/sbin/dockerd")
}

/// An unpacked root of Debian 13 with the programs that are started for volumes and shares, for a plugin that has its own; made once,
/// kept for later runs.
///
/// # Errors
/// When it cannot be unpacked.
pub fn storage_root() -> Result<PathBuf> {
    unpack("trixie", "storage", STORAGE_PACKAGES, "usr/sbin/multipath")
}

/// Unpacks a release with packages into the directory of that name, unless `witness` is in it.
fn unpack(suite: &str, name: &str, packages: &str, witness: &str) -> Result<PathBuf> {
    let dir = home().join(name);
    if dir.join(witness).exists() {
        return Ok(dir);
    }
    say(&format!("Unpacking Debian {suite} into {} (once, about a minute)", dir.display()));
    install(BOOTSTRAP)?;
    let part = home().join(format!("{name}.part"));
    if part.exists() {
        std::fs::remove_dir_all(&part)
            .with_context(|| format!("remove the unfinished {}", part.display()))?;
    }
    std::fs::create_dir_all(package_cache())?;
    let named = PathBuf::from("/usr/share/debootstrap/scripts").join(suite);
    let script = if named.exists() { named } else { "/usr/share/debootstrap/scripts/sid".into() };
    Program::contained("debootstrap")
        .arg("--variant=minbase")
        .arg(format!("--cache-dir={}", package_cache().display()))
        .arg(format!("--include={packages}"))
        .arg(suite)
        .arg(&part)
        .arg(mirror()?)
        .arg(script)
        .run()?;
    std::fs::rename(&part, &dir)?;
    Ok(dir)
}

/// The archive this machine itself installs from.
fn mirror() -> Result<String> {
    let text = Program::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"])
        .output()?;
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(uri, codename)| !uri.contains("security") && !codename.contains('-'))
        .map(|(uri, _)| uri.trim_end_matches('/').to_owned())
        .context("apt-get knows no Debian archive; check /etc/apt/sources.list")
}
