//! What a plugin sees as its file system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use debian_root::Program;

use super::Kind;
use crate::debian;

/// Where the program lies inside.
pub(super) const PROGRAM: &str = "/usr/bin/kuryr";

/// The authorities that are trusted without `cafile`.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// What a release carries that no program of ours reads; copyrights stay.
const DROPPED: [&str; 10] = [
    "usr/lib/udev",
    "usr/share/i18n",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/zoneinfo",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg/info",
    "var/log",
];

/// Fills the directory.
pub(super) fn lay(kind: Kind, root: &Path, binary: &Path) -> Result<()> {
    if kind.has_volumes() {
        copy_release(&debian::storage_root()?, root)?;
    } else {
        put(Path::new("/").join(AUTHORITIES).as_path(), &root.join(AUTHORITIES))?;
    }
    put(binary, &root.join(PROGRAM.trim_start_matches('/')))?;
    // Mounts go here.
    for dir in ["dev", "etc", "proc", "run", "sys", "tmp", "var/lib/kuryr", "var/log/kuryr", "fuxi/data"] {
        let path = root.join(dir);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    }
    Ok(())
}

/// The release's files are the same ones in all directories, if those lie on one file system: nobody writes to them.
fn copy_release(from: &Path, root: &Path) -> Result<()> {
    for dir in DROPPED {
        remove(&from.join(dir))?;
    }
    let copy = |how: &str| Program::new("cp").args(["--archive", how]).arg(from.join(".")).arg(root);
    if copy("--link").output().is_err() {
        copy("--reflink=auto").args(["--force"]).run()?;
    }
    // A copy would be taken for the host's.
    for file in ["etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname"] {
        let path = root.join(file);
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    // Docker puts its own there.
    remove(&root.join("dev"))
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn put(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    // A host may have it as a link.
    let real = from.canonicalize().with_context(|| format!("find {}", from.display()))?;
    fs::copy(&real, to).with_context(|| format!("copy {} to {}", real.display(), to.display()))?;
    let mode = if to.ends_with("kuryr") { 0o755 } else { 0o644 };
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).context("set a file's mode")
}
