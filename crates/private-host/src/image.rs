//! The image that the tour and the tests run, and what an engine leaves behind outside its host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Docker, Error, Result};

const APPLETS: [&str; 24] = [
    "sh", "cat", "echo", "ping", "ip", "sleep", "ls", "mount", "nc", "id", "touch", "grep", "dd", "sync",
    "true", "stat", "df", "rm", "mkdir", "wget", "httpd", "hostname", "arping", "test",
];

pub(crate) fn import(docker: &Docker, dir: &Path, tag: &str) -> Result<()> {
    let root = dir.join("image");
    lay(&root).map_err(|e| Error::io("make the image in", &root, e))?;
    let mut tar = Command::new("tar")
        .args(["--create", "--file=-", "--directory"])
        .arg(&root)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Error::io("start", "tar", e))?;
    let archive = tar.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let output = docker
        .command(&["import", "-", tag])
        .stdin(archive)
        .output()
        .map_err(|e| Error::io("start", "docker import", e))?;
    let packed = tar.wait().is_ok_and(|s| s.success());
    if output.status.success() && packed {
        return Ok(());
    }
    Err(Error::Command {
        command: format!("docker import - {tag}"),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn lay(root: &Path) -> std::io::Result<()> {
    for dir in ["bin", "tmp", "etc", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::copy(busybox(), root.join("bin/busybox"))?;
    for applet in APPLETS {
        let link = root.join("bin").join(applet);
        if !link.exists() {
            symlink("busybox", link)?;
        }
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")
}

fn busybox() -> PathBuf {
    ["/bin/busybox", "/usr/bin/busybox"]
        .map(PathBuf::from)
        .into_iter()
        .find(|p| p.exists())
        .unwrap_or_default()
}

/// Removes the empty control groups of that name. They outlive the processes in them, and a private host shares the
/// machine's hierarchy.
pub fn remove_cgroups(name: &str) {
    let top = Path::new("/sys/fs/cgroup");
    let mut found = vec![top.join(name.trim_start_matches('/'))];
    if let Ok(controllers) = fs::read_dir(top) {
        found.extend(controllers.flatten().map(|c| c.path().join(name.trim_start_matches('/'))));
    }
    for dir in found.into_iter().filter(|d| d.is_dir()) {
        remove_tree(&dir);
    }
}

fn remove_tree(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
