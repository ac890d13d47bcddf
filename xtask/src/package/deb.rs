//! `cargo xtask package deb`: command, units, sample configuration, manual and completions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::tree::Tree;
use super::{VERSION, directory, epoch, kuryr};
use crate::debian::{self, Package};
use crate::exec::{program, say};

/// What making and checking a package takes.
const TOOLS: &[Package] =
    &[("dpkg-dev", "/usr/bin/dpkg-shlibdeps"), ("gzip", "/bin/gzip"), ("binutils", "/usr/bin/objdump")];

const CHECK: &[Package] = &[("lintian", "/usr/bin/lintian")];

/// Whoever gives the package to others names himself by Debian's variables.
fn maintainer() -> String {
    let variable = |name, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let name = variable("DEBFULLNAME", "Whoever built it");
    format!("{name} <{}>", variable("DEBEMAIL", "kuryr@localhost.localdomain"))
}

/// Files of the administrator: an upgrade asks before it changes one that was edited.
const CONFFILES: [&str; 3] = ["/etc/default/kuryr", "/etc/fuxi/fuxi.conf", "/etc/kuryr/kuryr.conf"];

const DESCRIPTION: &str = "\
Description: Docker networks on OpenStack Neutron, volumes on Cinder
 One process per container host serves two plugins of Docker: kuryr gives
 every container a Neutron port with its own address and security groups,
 fuxi gives it volumes of Cinder and shares of Manila that follow it from
 host to host.
";

/// Which command is packed, and whether the package is checked.
#[derive(Debug, Default, Args)]
pub(crate) struct Deb {
    /// Pack this `kuryr`, for tests, instead of building one; quickly, with little compression.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Have lintian look at the package; anything it finds is an error.
    #[arg(long)]
    check: bool,
}

impl Deb {
    /// Of a command that is there already.
    pub(crate) fn of(binary: PathBuf) -> Self {
        Self { binary: Some(binary), check: false }
    }

    pub(crate) fn make(self) -> Result<PathBuf> {
        debian::install(TOOLS)?;
        let quick = self.binary.is_some();
        let binary = match self.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => kuryr(None)?,
        };
        let tree = Tree::fresh(directory()?.join("deb"))?;
        fill(&tree, &binary)?;
        let architecture = program("dpkg").arg("--print-architecture").output()?.trim().to_owned();
        let depends = shared_libraries(&binary)?;
        let control = control(&architecture, &depends, tree.kib()?);
        tree.write("DEBIAN/control", control, 0o644)?;
        tree.write("DEBIAN/conffiles", CONFFILES.join("\n") + "\n", 0o644)?;
        for script in ["postinst", "prerm", "postrm"] {
            tree.copy(format!("packaging/debian/{script}"), &format!("DEBIAN/{script}"), 0o755)?;
        }
        tree.write("DEBIAN/md5sums", md5sums(&tree)?, 0o644)?;
        let time = epoch()?;
        tree.settle(time)?;
        let package = directory()?.join(format!("kuryr_{VERSION}_{architecture}.deb"));
        let compression: &[&str] = if quick { &["-Zgzip", "-z1"] } else { &["-Zxz"] };
        program("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args(compression)
            .arg(tree.root())
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", time.to_string())
            .run()?;
        if self.check {
            debian::install(CHECK)?;
            say("lintian");
            program("lintian")
                .args(["--allow-root", "--info"])
                .args(["--fail-on", "error,warning"])
                .arg(&package)
                .run()?;
        }
        Ok(package)
    }
}

fn fill(tree: &Tree, binary: &Path) -> Result<()> {
    tree.copy(binary, "usr/bin/kuryr", 0o755)?;
    for unit in ["kuryr.service", "kuryr.socket", "fuxi.socket"] {
        tree.copy(format!("packaging/systemd/{unit}"), &format!("usr/lib/systemd/system/{unit}"), 0o644)?;
    }
    tree.copy("packaging/systemd/kuryr.tmpfiles", "usr/lib/tmpfiles.d/kuryr.conf", 0o644)?;
    tree.copy("packaging/debian/default", "etc/default/kuryr", 0o644)?;
    for (plugin, path) in [("kuryr", "etc/kuryr/kuryr.conf"), ("fuxi", "etc/fuxi/fuxi.conf")] {
        let sample = program(binary).args(["config", "sample", plugin]).output()?;
        // It will hold a password.
        tree.write(path, sample, 0o640)?;
    }
    documents(tree, binary)
}

fn documents(tree: &Tree, binary: &Path) -> Result<()> {
    let dir = directory()?.join("documents");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    program(binary).arg("documents").arg(&dir).run()?;
    let mut compressed = Vec::new();
    for entry in fs::read_dir(&dir).context("the documents")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read(&path)?;
        match name.as_str() {
            "kuryr.bash" => tree.write("usr/share/bash-completion/completions/kuryr", content, 0o644)?,
            "_kuryr" => tree.write("usr/share/zsh/vendor-completions/_kuryr", content, 0o644)?,
            "kuryr.fish" => tree.write("usr/share/fish/vendor_completions.d/kuryr.fish", content, 0o644)?,
            page => {
                let path = format!("usr/share/man/man1/{page}");
                tree.write(&path, content, 0o644)?;
                compressed.push(path);
            }
        }
    }
    let doc = "usr/share/doc/kuryr";
    tree.copy("packaging/debian/copyright", &format!("{doc}/copyright"), 0o644)?;
    for page in ["README.md", "docs/operations.md", "docs/networks.md", "docs/volumes.md"] {
        let name = page.rsplit('/').next().unwrap_or(page);
        tree.copy(page, &format!("{doc}/{name}"), 0o644)?;
    }
    let date = program("date")
        .args(["--utc", "--rfc-email", &format!("--date=@{}", epoch()?)])
        .env("LC_ALL", "C")
        .output()?;
    let entry = format!(
        "kuryr ({VERSION}) unstable; urgency=medium\n\n  * See the changes of this version upstream.\n\n -- {}  {}\n",
        maintainer(),
        date.trim()
    );
    tree.write(&format!("{doc}/changelog"), entry, 0o644)?;
    compressed.push(format!("{doc}/changelog"));
    tree.compress(&compressed)?;
    tree.copy("packaging/debian/lintian-overrides", "usr/share/lintian/overrides/kuryr", 0o644)
}

fn control(architecture: &str, depends: &str, kib: u64) -> String {
    let maintainer = maintainer();
    format!(
        "Package: kuryr\nVersion: {VERSION}\nArchitecture: {architecture}\nMaintainer: {maintainer}\nSection: net\n\
         Priority: optional\nInstalled-Size: {kib}\nDepends: {depends}\n\
         Recommends: docker.io | docker-ce, e2fsprogs, xfsprogs, iproute2\n\
         Suggests: btrfs-progs, ceph-common, cifs-utils, glusterfs-client, kmod, multipath-tools, nfs-common, nvme-cli, \
         open-iscsi, openvswitch-switch\n{DESCRIPTION}"
    )
}

/// The packages of the libraries that the command was linked with, at the versions it needs.
fn shared_libraries(binary: &Path) -> Result<String> {
    // The tool wants to be in a source package.
    let dir = directory()?.join("libraries");
    fs::create_dir_all(dir.join("debian"))?;
    fs::write(dir.join("debian/control"), "Source: kuryr\n\nPackage: kuryr\nArchitecture: any\n")?;
    let text = program("dpkg-shlibdeps").directory(&dir).arg("-O").arg(binary).output()?;
    let depends = text.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    depends.map(str::to_owned).context("dpkg-shlibdeps names no library")
}

fn md5sums(tree: &Tree) -> Result<String> {
    let files = tree.paths(false)?;
    let files = files.iter().filter_map(|path| path.strip_prefix(tree.root()).ok());
    let packed = files.filter(|path| !path.starts_with("DEBIAN") && !path.starts_with("etc"));
    program("md5sum").directory(tree.root()).args(packed).output()
}
