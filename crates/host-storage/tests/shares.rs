//! Real mounts in the kernel's mount table, with a FUSE file system in the place of Gluster's daemon. Each test runs in a
//! mount namespace of its own, so that nothing it mounts outlives it. They need root and python3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host_storage::connector::Secrets;
use host_storage::shares::{self, Export, MountOptions, Protocol, Root, ShareMount};
use host_storage::{Error, own_mounts};

/// The smallest daemon that serves a share of directories over FUSE: it is called as glusterfs is, and stays behind.
const DAEMON: &str = include_str!("fuse_daemon.py");

/// Runs the test again in its own mount namespace; true in there.
fn in_own_namespace(test: &str) -> bool {
    const INSIDE: &str = "HOST_STORAGE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // First in the search for programs.
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("glusterfs");
    std::fs::write(&program, DAEMON).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env("PATH", search)
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed inside its namespace");
    false
}

fn share(volume: &str) -> ShareMount {
    ShareMount {
        export: Export::parse(Protocol::GlusterFs, &format!("server:/{volume}")).unwrap(),
        options: MountOptions::default(),
        read_only: false,
        subdir: None,
        make_subdir: false,
        secrets: Secrets::default(),
    }
}

struct Base {
    dir: tempfile::TempDir,
    base: PathBuf,
}

impl Base {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = host_storage::share(&dir.path().join("volumes")).unwrap();
        Self { dir, base }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // Also the mount that a daemon which never answers left: its end is what frees it.
        for name in ["v", "w"] {
            let at = self.base.join(name);
            let _ = Command::new("umount").args(["-l"]).arg(&at).stderr(Stdio::null()).status();
            let _ = host_storage::remove_mountpoint(&self.base, name);
        }
        let _ = Command::new("umount").arg(&self.base).stderr(Stdio::null()).status();
    }
}

fn sources(at: &Path) -> Vec<String> {
    let mounts = own_mounts().unwrap();
    mounts.iter().filter(|m| m.mountpoint == at).map(|m| m.source.display().to_string()).collect()
}

/// A process of another mount namespace that shows the directory, as a container does.
struct Container(Child);

impl Container {
    fn showing(path: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let ready = at.parent().unwrap().join("ready");
        let script = "mount --bind \"$1\" \"$2\" && : > \"$3\" && exec sleep 600";
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .args([path, at, &ready])
            .spawn()
            .unwrap();
        while !ready.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::fs::remove_file(ready).unwrap();
        Self(child)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_share_is_mounted_proven_and_let_go() {
    if !in_own_namespace("a_share_is_mounted_proven_and_let_go") {
        return;
    }
    let host = Base::new();
    let what = share("vol");
    let path = shares::mount(&host.base, "v", &what).unwrap();
    assert_eq!(sources(&path), ["server:/vol"]);
    assert!(path.join("data").is_dir(), "the daemon serves it");
    assert_eq!(shares::mount(&host.base, "v", &what).unwrap(), path, "what is mounted is kept");
    assert_eq!(sources(&path).len(), 1);
    let other = Export::parse(Protocol::GlusterFs, "server:/other").unwrap();
    assert!(matches!(shares::verify(&path, &other, None), Err(Error::NotMounted { .. })));
    assert!(matches!(shares::unmount(&host.base, "v", &other), Err(Error::NotMounted { .. })));
    assert!(matches!(shares::mount(&host.base, "v", &share("other")), Err(Error::NotMounted { .. })));

    let usage = shares::usage(&host.base, "v", &what.export).unwrap();
    assert!(usage.mounted && usage.others.is_empty(), "{usage:?}");
    let container = Container::showing(&path.join("data"), &host.dir.path().join("container"));
    let usage = shares::usage(&host.base, "v", &what.export).unwrap();
    assert!(usage.mounted && usage.others.iter().any(|o| o.contains("process")), "{usage:?}");
    drop(container);
    let file = std::fs::File::open(path.join("data")).unwrap();
    assert!(shares::unmount(&host.base, "v", &what.export).unwrap_err().is_busy());
    assert_eq!(sources(&path).len(), 1, "neither lazily nor by force");
    drop(file);
    shares::unmount(&host.base, "v", &what.export).unwrap();
    assert!(!path.exists());
    shares::unmount(&host.base, "v", &what.export).unwrap();
}

#[test]
fn only_the_directory_asked_for_is_shown_and_no_link_leads_out() {
    if !in_own_namespace("only_the_directory_asked_for_is_shown_and_no_link_leads_out") {
        return;
    }
    let host = Base::new();
    let part = |subdir: &str| ShareMount { subdir: Some(subdir.into()), ..share("vol") };
    let path = shares::mount(&host.base, "v", &part("data")).unwrap();
    assert_eq!(sources(&path), ["server:/vol"], "one mount, not two");
    assert!(!path.join("data").exists() && path.join("inner").is_dir());
    shares::verify(&path, &share("vol").export, Some("data")).unwrap();
    assert!(shares::verify(&path, &share("vol").export, Some("inner")).is_err());
    assert!(shares::mount(&host.base, "v", &part("inner")).is_err(), "another one is mounted");
    assert!(shares::mount(&host.base, "v", &part("data")).is_ok());
    shares::unmount(&host.base, "v", &share("vol").export).unwrap();
    for bad in ["link", "missing", "data/missing"] {
        let error = shares::mount(&host.base, "v", &part(bad)).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{bad}: {error}");
        assert!(sources(&path).is_empty() && !path.exists(), "{bad}: nothing is left");
    }
    assert!(matches!(shares::mount(&host.base, "v", &part("../x")), Err(Error::Export { .. })));
}

#[test]
fn a_root_gets_its_owner_and_mode() {
    if !in_own_namespace("a_root_gets_its_owner_and_mode") {
        return;
    }
    let host = Base::new();
    let path = shares::mount(&host.base, "v", &share("vol")).unwrap();
    shares::set_root(&path, &Root { uid: Some(1000), gid: Some(1001), mode: Some(0o2770) }).unwrap();
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1000, 1001, 0o2770));
    shares::unmount(&host.base, "v", &share("vol").export).unwrap();
}

#[test]
fn a_program_that_mounts_something_else_is_not_believed() {
    if !in_own_namespace("a_program_that_mounts_something_else_is_not_believed") {
        return;
    }
    let host = Base::new();
    let error = shares::mount(&host.base, "v", &share("lies")).unwrap_err();
    assert!(matches!(error, Error::NotMounted { .. }), "{error}");
    // What it mounted is not ours to unmount.
    assert_eq!(sources(&host.base.join("v")), ["server:/truth"]);
    let error = shares::mount(&host.base, "w", &share("fails")).unwrap_err().to_string();
    assert!(error.contains("glusterfs on") && error.contains("no such volume"), "{error}");
    assert!(!host.base.join("w").exists());
}

#[test]
fn a_server_that_never_answers_holds_nobody() {
    if !in_own_namespace("a_server_that_never_answers_holds_nobody") {
        return;
    }
    let host = Base::new();
    let started = Instant::now();
    let error = shares::mount(&host.base, "v", &share("silent")).unwrap_err();
    assert!(matches!(error, Error::NotAnswering { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    // The other shares of this host do not feel it.
    let again = Instant::now();
    let path = shares::mount(&host.base, "w", &share("vol")).unwrap();
    shares::usage(&host.base, "v", &share("silent").export).unwrap();
    shares::unmount(&host.base, "w", &share("vol").export).unwrap();
    assert!(!path.exists() && again.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_share_whose_directories_root_may_not_read_is_mounted_and_unmounted() {
    if !in_own_namespace("a_share_whose_directories_root_may_not_read_is_mounted_and_unmounted") {
        return;
    }
    let host = Base::new();
    let what = share("squash");
    let path = shares::mount(&host.base, "v", &what).unwrap();
    assert!(std::fs::read_dir(&path).is_err(), "it cannot be read");
    assert_eq!(shares::mount(&host.base, "v", &what).unwrap(), path);
    shares::unmount(&host.base, "v", &what.export).unwrap();
    assert!(sources(&path).is_empty() && !path.exists());
    let part = ShareMount { subdir: Some("data".into()), ..what };
    shares::mount(&host.base, "v", &part).unwrap();
    shares::verify(&path, &part.export, Some("data")).unwrap();
    shares::unmount(&host.base, "v", &part.export).unwrap();
    assert!(sources(&path).is_empty());
}
