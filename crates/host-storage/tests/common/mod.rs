//! What the tests on real devices share.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use host_storage::{BlockDevice, Filesystem, Probe, probe};
use uuid::Uuid;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const VOLUME: &str = "0f0f0f0f-1111-4222-8333-444444444444";

/// Runs the test again in its own mount namespace; true in there.
pub(crate) fn in_own_namespace(test: &str) -> bool {
    const INSIDE: &str = "HOST_STORAGE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed inside its namespace");
    false
}

/// A sparse file on a loop device, both gone when it is dropped.
pub(crate) struct Loop {
    pub(crate) device: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) dir: tempfile::TempDir,
}

impl Loop {
    pub(crate) fn new(size: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(format!("volume-{VOLUME}"));
        File::create(&file).unwrap().set_len(size).unwrap();
        Self::on(dir, file)
    }

    /// What the storage holds of a device at this moment, as after its host lost power.
    pub(crate) fn as_left_by(other: &Self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(format!("volume-{VOLUME}"));
        let copied = Command::new("cp").arg("--sparse=always").arg(&other.file).arg(&file).status().unwrap();
        assert!(copied.success());
        Self::on(dir, file)
    }

    pub(crate) fn on(dir: tempfile::TempDir, file: PathBuf) -> Self {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let device = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        Self { device, file, dir }
    }

    pub(crate) fn open(&self) -> BlockDevice {
        BlockDevice::open(&self.device).unwrap()
    }

    pub(crate) fn probe(&self) -> Probe {
        probe(self.open()).unwrap()
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        let device = File::options().write(true).open(&self.device).unwrap();
        device.write_all_at(bytes, at).unwrap();
        device.sync_all().unwrap();
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.device).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{program}");
    }

    /// A filesystem of ours on it, with a UUID of its own: mkfs.btrfs refuses one that the host has elsewhere.
    pub(crate) fn format(&self, filesystem: Filesystem) -> Uuid {
        let Probe::Blank(proof) = self.probe() else { panic!("not blank") };
        let uuid = Uuid::new_v4();
        host_storage::make_filesystem(proof, filesystem, uuid, "").unwrap();
        uuid
    }

    /// As the storage does when its volume is extended.
    pub(crate) fn extend(&self, size: u64) {
        File::options().write(true).open(&self.file).unwrap().set_len(size).unwrap();
        self.run("losetup", &["--set-capacity"]);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.file).unwrap()
    }

    /// Mounts it as `v` below its own base.
    pub(crate) fn mount(&self, filesystem: Filesystem, options: &str) -> PathBuf {
        let path = host_storage::create_mountpoint(&self.base(), "v").unwrap();
        host_storage::mount(&self.open(), filesystem, options, &path).unwrap();
        path
    }

    pub(crate) fn unmount(&self) {
        host_storage::unmount(&self.open(), &self.dir.path().join("volumes/v")).unwrap();
    }

    pub(crate) fn base(&self) -> PathBuf {
        host_storage::share(&self.dir.path().join("volumes")).unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.dir.path().join("volumes/v")).stderr(Stdio::null()).status();
        let base = self.dir.path().join("volumes");
        let _ = host_storage::remove_mountpoint(&base, "v");
        let _ = Command::new("umount").arg(&base).stderr(Stdio::null()).status();
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}
