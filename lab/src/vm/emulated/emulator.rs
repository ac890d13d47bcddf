//! The emulator, taken out of its packages with all it needs, so that it runs in a place of any release.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::packages::in_root;

/// The programs.
pub(super) const MACHINE: &str = "qemu-system-x86_64";
pub(super) const IMAGES: &str = "qemu-img";
/// What starts them with the libraries beside it.
pub(super) const LOADER: &str = "ld.so";

/// What the emulated machine starts from.
const FIRMWARE: [&str; 4] = [
    "usr/share/seabios/bios-256k.bin",
    "usr/share/qemu/kvmvapic.bin",
    "usr/share/qemu/linuxboot_dma.bin",
    "usr/share/qemu/pvh.bin",
];

/// Copies programs, libraries and firmware out of a root into one directory.
pub(super) fn collect(root: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    for file in FIRMWARE {
        copy(root, file, dir)?;
    }
    for program in [MACHINE, IMAGES] {
        let path = format!("/usr/bin/{program}");
        copy(root, &path, dir)?;
        let output = in_root(root, &["ldd", &path]).output().context("cannot start ldd")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "ldd: {}", String::from_utf8_lossy(&output.stderr).trim());
        for library in libraries(&text) {
            copy(root, library, dir)?;
            if library.contains("/ld-linux") {
                fs::copy(inside(root, library), dir.join(LOADER)).context("copy the loader")?;
            }
        }
    }
    Ok(())
}

/// Paths in what `ldd` prints.
fn libraries(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| word.starts_with('/'))
}

fn copy(root: &Path, file: &str, dir: &Path) -> Result<()> {
    let (from, name) = (inside(root, file), Path::new(file).file_name().unwrap_or_default());
    fs::copy(&from, dir.join(name)).with_context(|| format!("copy {}", from.display())).map(drop)
}

/// Libraries and programs are links to files beside them, never to absolute paths.
fn inside(root: &Path, file: &str) -> std::path::PathBuf {
    root.join(file.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_what_has_no_file() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibz.so.1 => /lib/libz.so.1 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(libraries(text).collect::<Vec<_>>(), ["/lib/libz.so.1", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
