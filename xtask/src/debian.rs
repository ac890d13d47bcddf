//! Debian packages that the tasks need, and roots of other Debian releases.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::exec::{Program, require_root, say};

/// A package and a file that shows it is there.
type Package = (&'static str, &'static str);

/// What a private host with an engine and the development cloud need.
pub(crate) const HOST: &[Package] = &[
    ("docker.io", "/usr/sbin/dockerd"),
    ("busybox-static", "/bin/busybox"),
    ("iproute2", "/sbin/ip"),
    ("nftables", "/usr/sbin/nft"),
    ("e2fsprogs", "/sbin/mkfs.ext4"),
    ("xfsprogs", "/sbin/mkfs.xfs"),
    ("btrfs-progs", "/bin/mkfs.btrfs"),
    ("util-linux", "/usr/bin/nsenter"),
    ("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
];

/// What unpacking another release needs.
const BOOTSTRAP: &[Package] = &[("debootstrap", "/usr/sbin/debootstrap")];

/// Packages in a root that serves as a private host.
const ROOT_PACKAGES: &str = "docker.io,iptables,iproute2,nftables,busybox-static,ca-certificates,procps,\
                             e2fsprogs,xfsprogs,btrfs-progs";

/// Installs what is missing, after saying so.
pub(crate) fn install(packages: &[Package]) -> Result<()> {
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

/// An unpacked root of that release with a Docker engine; made once, kept for later runs.
pub(crate) fn root(suite: &str) -> Result<PathBuf> {
    let dir = cache().join(suite);
    if dir.join("usr/sbin/dockerd").exists() {
        return Ok(dir);
    }
    say(&format!(
        "Unpacking Debian {suite} with its Docker engine into {} (once, about a minute)",
        dir.display()
    ));
    install(BOOTSTRAP)?;
    let part = cache().join(format!("{suite}.part"));
    if part.exists() {
        std::fs::remove_dir_all(&part)
            .with_context(|| format!("remove the unfinished {}", part.display()))?;
    }
    std::fs::create_dir_all(cache().join("packages"))?;
    let named = PathBuf::from("/usr/share/debootstrap/scripts").join(suite);
    let script = if named.exists() { named } else { "/usr/share/debootstrap/scripts/sid".into() };
    let docker_cli = if suite == "bookworm" { "" } else { ",docker-cli" };
    Program::new("debootstrap")
        .arg("--variant=minbase")
        .arg(format!("--cache-dir={}", cache().join("packages").display()))
        .arg(format!("--include={ROOT_PACKAGES}{docker_cli}"))
        .arg(suite)
        .arg(&part)
        .arg(mirror()?)
        .arg(script)
        .run()?;
    std::fs::rename(&part, &dir)?;
    Ok(dir)
}

fn cache() -> PathBuf {
    std::env::var_os("KURYR_LAB").map_or_else(|| "/var/lib/kuryr-lab/roots".into(), PathBuf::from)
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
