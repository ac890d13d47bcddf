//! What guests boot from: a layer of packages over an unpacked Debian, made into one file with a filesystem, and a
//! kernel. Guests write to a file of their own beside it, never to the image.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use debian_root::Program;

use super::layout;
use crate::layer::{is_current, layer, remove, stamp};
use crate::packages::{Packages, mount_layer};

/// The release whose packages these are.
const SUITE: &str = "trixie";
/// To be raised when the installation changes in what it leaves.
const PACKAGES_REVISION: &str = "1";
/// To be raised when [`make_boot`] changes in what it leaves.
const BOOT_REVISION: &str = "1";

/// Beside what every unpacked Debian of ours has.
const NAMES: [&str; 6] = ["user-mode-linux", "kmod", "ethtool", "iputils-ping", "socat", "tcpdump"];

/// Names of the files in the layer that guests boot from.
const KERNEL: &str = "linux";
const DISK: &str = "disk.ext4";

/// Of the filesystem as a guest sees it, in bytes; the file takes what is used.
const SIZE: u64 = 8 << 30;

/// Files of the image that no package brings.
const FILES: [(&str, &str, u32); 2] = [
    ("usr/sbin/lab-init", include_str!("../../vm/init"), 0o755),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644),
];
/// Directories that a guest mounts things on.
const DIRECTORIES: [&str; 2] = ["lab", "share"];
/// Where the kernel's package has its modules, and where everybody looks for them.
const MODULES: (&str, &str) = ("/usr/lib/uml/modules", "usr/lib/modules");

/// What a guest boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// User-Mode Linux: a program that runs in a Debian of that release.
    pub kernel: PathBuf,
    /// The filesystem.
    pub disk: PathBuf,
}

fn packages() -> Packages {
    Packages { names: &NAMES, forget: &[], workshop: layout::workshop(), logs: layout::logs() }
}

fn stamps() -> (String, String) {
    let packages = stamp(&[packages().inputs(PACKAGES_REVISION)]);
    let boot = stamp(&[
        packages.clone(),
        format!("{BOOT_REVISION} {SIZE} {KERNEL} {DISK} {FILES:?} {DIRECTORIES:?} {MODULES:?}"),
    ]);
    (packages, boot)
}

/// Makes the image unless it is up to date.
///
/// # Errors
/// What failed. The next call goes on from there.
pub fn image() -> Result<Image> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    let base = debian_root::root(SUITE)?;
    let (packages_stamp, boot_stamp) = stamps();
    layer("packages", &layout::packages(), &packages_stamp, |part| {
        packages().make(&["vm", "install-packages"], &base, part)
    })?;
    layer("what guests boot from", &layout::boot(), &boot_stamp, |part| make(&base, part))?;
    current()
}

/// The image, if it is up to date.
pub(crate) fn current() -> Result<Image> {
    let boot = layout::boot();
    if !is_current(&boot, &stamps().1) {
        bail!("there is no image for guests, or it is out of date; make it with `cargo xtask lab vm image`");
    }
    Ok(Image { kernel: boot.join(KERNEL), disk: boot.join(DISK) })
}

/// An unpacked Debian in which the kernel runs.
pub(crate) fn root() -> Result<PathBuf> {
    debian_root::root(SUITE)
}

/// The part of the packages' installation that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn install_packages(base: &Path, layer: &Path) -> Result<()> {
    packages().install(base, layer)
}

fn make(base: &Path, boot: &Path) -> Result<()> {
    let workshop = layout::workshop();
    remove(&workshop)?;
    for dir in [boot, &workshop.join("root"), &workshop.join("upper"), &workshop.join("work")] {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    Program::contained(std::env::current_exe().context("find this program")?)
        .args(["vm", "make-boot"])
        .args([base, boot])
        .run()?;
    remove(&workshop)
}

/// The part of making what guests boot from that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn make_boot(base: &Path, boot: &Path) -> Result<()> {
    let workshop = layout::workshop();
    let root = workshop.join("root");
    let lower = format!("{}:{}", layout::packages().display(), base.display());
    mount_layer(&lower, &workshop.join("upper"), &workshop.join("work"), &root)?;
    fs::copy(root.join("usr/bin/linux.uml"), boot.join(KERNEL)).context("copy the kernel")?;
    for (path, text, mode) in FILES {
        fs::write(root.join(path), text).with_context(|| format!("write {path}"))?;
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode))?;
    }
    for dir in DIRECTORIES {
        fs::create_dir_all(root.join(dir)).with_context(|| format!("create {dir}"))?;
    }
    std::os::unix::fs::symlink(MODULES.0, root.join(MODULES.1)).context("show the kernel's modules")?;
    let disk = boot.join(DISK);
    File::create(&disk).and_then(|file| file.set_len(SIZE)).context("create the disk")?;
    Program::new("mke2fs")
        // A small journal: a guest's disk must survive a guest that is killed.
        .args(["-q", "-t", "ext4", "-J", "size=16", "-E", "lazy_itable_init=1", "-d"])
        .args([&root, &disk])
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_part_of_what_guests_boot_from() {
        let (packages, boot) = stamps();
        assert_ne!(packages, boot);
        assert_eq!((packages, boot), stamps());
    }
}
