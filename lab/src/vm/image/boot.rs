//! The disk that guests boot from, and their kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use debian_root::Program;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{DISK, File, KERNEL, Kind, REGISTERS};
use crate::layer::remove;
use crate::packages::{in_root, join, mount_layer};
use crate::vm::layout;

/// To be raised when [`make_boot`] changes in what it leaves.
const REVISION: &str = "1";

/// Of the filesystem as a guest sees it, in bytes; the file takes what is used.
const SIZE: u64 = 8 << 30;

/// Directories that a guest mounts things on.
const DIRECTORIES: [&str; 2] = ["lab", "share"];
/// Where the kernel's package has its modules, and where everybody looks for them.
const MODULES: (&str, &str) = ("/usr/lib/uml/modules", "usr/lib/modules");

/// What the kernel needs on processors with more registers than it knows; see there.
const REGISTERS_SOURCE: &str = include_str!("../../../vm/registers.c");

/// Everything the layer is made from, the layers below apart.
pub(super) fn inputs(kind: Kind) -> String {
    let (files, commands) = (kind.files(), kind.commands());
    format!(
        "{REVISION} {REGISTERS_SOURCE} {SIZE} {KERNEL} {DISK} {files:?} {commands:?} {DIRECTORIES:?} {MODULES:?}"
    )
}

/// Everything that a disk of another kernel is made from, its own files apart.
pub(crate) fn disk_inputs() -> String {
    format!("{REVISION} {SIZE} {DISK} {DIRECTORIES:?}")
}

/// Fills the directory.
pub(super) fn make(kind: Kind, below: &[PathBuf], boot: &Path) -> Result<()> {
    let workshop = layout::workshop();
    remove(&workshop)?;
    for dir in [boot, &workshop.join("root"), &workshop.join("upper"), &workshop.join("work")] {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let source = workshop.join("registers.c");
    fs::write(&source, REGISTERS_SOURCE).context("write what the kernel is loaded with")?;
    Program::new("gcc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-o"])
        .args([boot.join(REGISTERS), source])
        .run()?;
    Program::contained(std::env::current_exe().context("find this program")?)
        .args(["vm", "make-boot", kind.word()])
        .arg(boot)
        .args(below)
        .run()?;
    remove(&workshop)
}

/// The part of making what guests boot from that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn make_boot(kind: Kind, boot: &Path, below: &[PathBuf]) -> Result<()> {
    let workshop = layout::workshop();
    let root = workshop.join("root");
    mount_layer(&join(below), &workshop.join("upper"), &workshop.join("work"), &root)?;
    fs::copy(root.join("usr/bin/linux.uml"), boot.join(KERNEL)).context("copy the kernel")?;
    std::os::unix::fs::symlink(MODULES.0, root.join(MODULES.1)).context("show the kernel's modules")?;
    complete(&root, &kind.files(), kind.commands())?;
    make_disk(&root, &boot.join(DISK))
}

/// Adds what no package brings to a root, and runs commands in it.
pub(crate) fn complete(root: &Path, files: &[File], commands: &[&[&str]]) -> Result<()> {
    for (path, text, mode) in files {
        let path = root.join(path);
        // A new file: the package's own may belong to a user who must not own ours.
        remove(&path)?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode))
            .with_context(|| format!("set the mode of {}", path.display()))?;
    }
    for dir in DIRECTORIES {
        fs::create_dir_all(root.join(dir)).with_context(|| format!("create {dir}"))?;
    }
    run(commands, root)
}

/// Makes a disk of a root.
pub(crate) fn make_disk(root: &Path, disk: &Path) -> Result<()> {
    fs::File::create(disk).and_then(|file| file.set_len(SIZE)).context("create the disk")?;
    Program::new("mke2fs")
        // A small journal: a guest's disk must survive a guest that is killed.
        .args(["-q", "-t", "ext4", "-J", "size=16", "-E", "lazy_itable_init=1", "-d"])
        .args([root, disk])
        .run()
}

/// Runs the commands that complete the image.
fn run(commands: &[&[&str]], root: &Path) -> Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    mount("proc", root.join("proc"), "proc", MountFlags::empty(), None).context("mount /proc")?;
    for command in commands {
        let output = in_root(root, command).output().context("cannot start chroot")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` ended with {}: {}", command.join(" "), output.status, said.trim());
        }
    }
    unmount(root.join("proc"), UnmountFlags::empty()).context("unmount /proc")
}
