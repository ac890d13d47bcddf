//! The real host behind the service's seam: a loop device from connection to release. Needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::Cell;
use std::path::PathBuf;
use std::process::Command;

use fuxi::{Content, HostStorage, LocalHost};
use host_storage::{Error, Filesystem};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const GIB: u64 = 1 << 30;
const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";

/// Runs the test again in its own mount namespace; true in there.
fn in_own_namespace(test: &str) -> bool {
    const INSIDE: &str = "FUXI_TEST_INSIDE";
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

struct Disk {
    dir: tempfile::TempDir,
    device: PathBuf,
    /// A second detach might hit somebody else's device of the same number.
    detached: Cell<bool>,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(format!("volume-{VOLUME}"));
        std::fs::File::create(&file).unwrap().set_len(GIB).unwrap();
        let output = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        let device = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        Self { dir, device, detached: Cell::new(false) }
    }

    fn connection(&self) -> Map<String, Value> {
        let info = json!({ "driver_volume_type": "local", "device_path": self.device });
        info.as_object().unwrap().clone()
    }

    fn detach(&self) {
        if !self.detached.replace(true) {
            let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let base = self.dir.path().join("mounts");
        let _ = Command::new("umount").arg(base.join("v")).stderr(std::process::Stdio::null()).status();
        let _ = host_storage::remove_mountpoint(&base, "v");
        let _ = Command::new("umount").arg(&base).stderr(std::process::Stdio::null()).status();
        self.detach();
    }
}

#[tokio::test]
async fn a_volume_is_connected_formatted_mounted_and_released() {
    if !in_own_namespace("a_volume_is_connected_formatted_mounted_and_released") {
        return;
    }
    let disk = Disk::new();
    let host = LocalHost::open(&disk.dir.path().join("mounts"), "host-1", None).unwrap();
    assert_eq!(host.connector().await.unwrap()["host"], "host-1");
    let wrong = host.connect(&disk.connection(), VOLUME, 2 * GIB).await.unwrap_err();
    assert!(matches!(wrong, Error::WrongDevice { .. }), "{wrong}");
    let mut iscsi = disk.connection();
    iscsi.insert("driver_volume_type".into(), json!("iscsi"));
    assert!(host.connect(&iscsi, VOLUME, GIB).await.is_err());

    let device = host.connect(&disk.connection(), VOLUME, GIB).await.unwrap();
    assert_eq!(host.inspect(&device).await.unwrap(), Content::Blank);
    let uuid = Uuid::new_v4();
    host.format(&device, Filesystem::Ext4, uuid, "").await.unwrap();
    let expected = Content::Filesystem { kind: "ext4".into(), uuid: uuid.to_string() };
    assert_eq!(host.inspect(&device).await.unwrap(), expected);
    let again = host.format(&device, Filesystem::Ext4, uuid, "").await.unwrap_err();
    assert!(matches!(again, Error::WrongDevice { .. }), "a second format is refused: {again}");

    let path = host.mount(&device, Filesystem::Ext4, "", "v").await.unwrap();
    assert_eq!(path, host.mountpoint("v"));
    std::fs::write(path.join("data"), "kept").unwrap();
    let usage = host.usage(&device, "v").await.unwrap();
    assert!(usage.mounted && usage.others.is_empty(), "{usage:?}");
    assert!(host.release(&device).await.unwrap_err().is_busy());
    host.unmount(&device, "v").await.unwrap();
    assert!(!path.exists());
    host.release(&device).await.unwrap();

    let path = host.mount(&device, Filesystem::Ext4, "", "v").await.unwrap();
    assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept");
    host.unmount(&device, "v").await.unwrap();

    disk.detach();
    assert!(!host.usage(&device, "v").await.unwrap().mounted, "what is gone is let go without complaint");
    host.unmount(&device, "v").await.unwrap();
    host.release(&device).await.unwrap();
    assert!(host.mount(&device, Filesystem::Ext4, "", "v").await.is_err());
}
