//! Kernel, first filesystem and disk of emulated guests, made of the packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::initrd::Archive;
use super::{EMULATOR, INITRD, KERNEL, emulator, modules};
use crate::layer::remove;
use crate::packages::{in_root, join, mount_layer};
use crate::vm::image::{self as usermode, File};
use crate::vm::kernel::DISK;
use crate::vm::{Kind, layout};

/// To be raised when [`make`] changes in what it leaves.
const REVISION: &str = "1";

/// The first process of the first filesystem.
const INIT: &str = include_str!("../../../vm/emulated/init");

/// Those of all guests come first.
fn files() -> Vec<File> {
    [&Kind::Host.files()[..], &FILES].concat()
}

/// What the first filesystem must have to find disk and directories, and the cards to be named. The checksums are what
/// that of the disk asks for by a name of its own.
const MODULES: [&str; 7] =
    ["virtio_blk", "virtio_net", "virtio_rng", "crc32c_generic", "ext4", "9pnet_virtio", "9p"];

/// A file of Cinder with the kernel's NVMe target: where it goes and what it holds. Some are the storage guest's, too.
macro_rules! file {
    ($path:literal, $name:literal, $mode:literal) => {
        ($path, include_str!(concat!("../../../vm/", $name)), $mode)
    };
}

const FILES: [File; 8] = [
    file!("usr/sbin/lab-nvme", "nvme/start", 0o755),
    file!("usr/sbin/lab-cinder", "storage/cinder-all", 0o755),
    file!("usr/local/bin/sudo", "storage/sudo", 0o755),
    file!("usr/lib/python3/dist-packages/nvmet.py", "nvme/nvmet.py", 0o644),
    file!("usr/lib/python3/dist-packages/lab_anybody.py", "nvme/anybody.py", 0o644),
    file!("etc/cinder/api-paste.ini", "nvme/api-paste.ini", 0o644),
    file!("etc/cinder/cinder.conf", "nvme/cinder.conf", 0o644),
    file!("etc/lvm/lvmlocal.conf", "storage/lvmlocal.conf", 0o644),
];

/// What completes the image, in the guests' root.
const COMMANDS: [&[&str]; 1] = [&["cinder-manage", "--config-file=/etc/cinder/cinder.conf", "db", "sync"]];

/// What a compressed kernel begins with.
const COMPRESSED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What a program begins with.
const ELF: [u8; 4] = *b"\x7fELF";

/// Everything the layer is made from, the packages apart.
pub(super) fn inputs() -> String {
    format!("{REVISION} {INIT} {MODULES:?} {:?} {COMMANDS:?} {}", files(), usermode::disk_inputs())
}

/// Directories that [`make`] needs: for the guests' root, and for the emulator's.
pub(super) fn directories(workshop: &Path) -> [PathBuf; 6] {
    ["root", "upper", "work", "tools", "tools-upper", "tools-work"].map(|name| workshop.join(name))
}

/// Fills the directory. It runs in namespaces of its own.
pub(super) fn make(boot: &Path, below: &[PathBuf], emulator: &[PathBuf]) -> Result<()> {
    let [root, upper, work, tools, tools_upper, tools_work] = directories(&layout::workshop());
    mount_layer(&join(below), &upper, &work, &root)?;
    mount_layer(&join(emulator), &tools_upper, &tools_work, &tools)?;
    emulator::collect(&tools, &boot.join(EMULATOR))?;
    let release = release(&root)?;
    fs::write(boot.join(KERNEL), kernel(&root, &release)?).context("write the kernel")?;
    fs::write(boot.join(INITRD), first_filesystem(&root, &release)?).context("write the first filesystem")?;
    // The kernel is started from outside.
    remove(&root.join("boot"))?;
    usermode::complete(&root, &files(), &COMMANDS)?;
    usermode::make_disk(&root, &boot.join(DISK))
}

/// The kernel's release, of which there must be one.
fn release(root: &Path) -> Result<String> {
    let dir = root.join("usr/lib/modules");
    let mut all = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        all.push(entry?.file_name().to_string_lossy().into_owned());
    }
    ensure!(all.len() == 1, "modules of one kernel were expected, not those of: {}", all.join(", "));
    Ok(all.concat())
}

/// The kernel itself, out of the file that would unpack it at each start.
fn kernel(root: &Path, release: &str) -> Result<Vec<u8>> {
    let path = root.join(format!("boot/vmlinuz-{release}"));
    let packed = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let part = root.join("root/part");
    // The bytes may be in the unpacking program, too.
    for (start, _) in packed.windows(4).enumerate().filter(|(_, bytes)| *bytes == COMPRESSED) {
        fs::write(&part, packed.get(start..).unwrap_or_default()).context("write a part of the kernel")?;
        // It complains about what follows the end.
        let output = in_root(root, &["zstd", "-dcq", "/root/part"]).output().context("cannot start zstd")?;
        if output.stdout.starts_with(&ELF) {
            remove(&part)?;
            return Ok(output.stdout);
        }
    }
    anyhow::bail!("there is no kernel compressed with zstd in {}", path.display())
}

fn first_filesystem(root: &Path, release: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for dir in ["bin", "dev", "proc", "sys", "new", "modules"] {
        archive.directory(dir)?;
    }
    archive.file("init", 0o755, INIT.as_bytes())?;
    archive.file("bin/busybox", 0o755, &fs::read(root.join("usr/bin/busybox")).context("read busybox")?)?;
    let dir = format!("/usr/lib/modules/{release}");
    let text = fs::read_to_string(root.join(format!("{}/modules.dep", dir.trim_start_matches('/'))))
        .context("read the modules' dependencies")?;
    let mut list = String::new();
    for path in modules::in_order(&text, &MODULES)? {
        let output = in_root(root, &["xz", "-dc", &format!("{dir}/{path}")]).output();
        let output = output.context("cannot start xz")?;
        ensure!(output.status.success(), "xz: {}", String::from_utf8_lossy(&output.stderr).trim());
        let file = format!("modules/{}.ko", modules::name(path));
        archive.file(&file, 0o644, &output.stdout)?;
        list.push_str(&format!("/{file}\n"));
    }
    archive.file("modules/list", 0o644, list.as_bytes())?;
    archive.finish()
}
