//! The whole way: service, real client, development cloud, loop devices, filesystems, mounts. Needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use devcloud::loop_volumes::LoopVolumes;
use fuxi::{LocalHost, Service, Settings};
use openstack::block_storage::{Client, NewVolume};
use openstack::{AuthSettings, Session};

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

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn volumes_hold_their_bytes_from_create_to_remove() {
    if !in_own_namespace("volumes_hold_their_bytes_from_create_to_remove") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let volumes = Arc::new(LoopVolumes::open(dir.path().join("cloud")).unwrap());
    let mut cloud_options = devcloud::Options::new("127.0.0.1:0".parse().unwrap());
    cloud_options.volume_path = Some(volumes.clone());
    cloud_options.demo_password = "secret".into();
    let cloud = devcloud::DevCloud::start(cloud_options).await.unwrap();
    let auth = options(&[
        ("auth_url", &cloud.auth_url),
        ("username", "demo"),
        ("password", "secret"),
        ("project_name", "demo"),
        ("user_domain_name", "Default"),
        ("project_domain_name", "Default"),
    ]);
    let auth = AuthSettings::from_keystoneauth_map("[cinder]", &auth).unwrap();
    let cinder = Client::new(Session::new(auth).unwrap());
    let state = journal::StateDir::open(dir.path().join("state")).unwrap();
    let host = Arc::new(LocalHost::open(&dir.path().join("mounts"), "host-1", None).unwrap());
    let settings =
        || Settings { detach_delay: Duration::ZERO, doubt_delay: Duration::ZERO, ..Settings::default() };
    let open = || Service::open(settings(), &state, Arc::new(cinder.clone()), host.clone()).unwrap();
    let mut service = open();

    for filesystem in ["ext4", "xfs", "btrfs"] {
        assert_eq!(service.get("v").await.unwrap(), None);
        service.create("v", options(&[("size", "1"), ("fstype", filesystem)])).await.unwrap();
        let path = service.mount("v", "a").await.unwrap();
        std::fs::write(path.join("file"), filesystem).unwrap();
        service.mount("v", "b").await.unwrap();
        service.unmount("v", "a").await.unwrap();
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), filesystem);
        service.unmount("v", "b").await.unwrap();
        assert!(!path.exists() && volumes.exports().is_empty(), "{filesystem}: detached");
        // A new process, on the same journal.
        service = open();
        service.recover().await;
        let path = service.mount("v", "c").await.unwrap();
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), filesystem);
        service.unmount("v", "c").await.unwrap();
        service.remove("v").await.unwrap();
    }

    let own = NewVolume {
        name: "old".into(),
        size: 1,
        metadata: options(&[("purpose", "books")]),
        ..NewVolume::default()
    };
    let own = cinder.create_volume(&own).await.unwrap();
    while cinder.get_volume(&own.id).await.unwrap().status != "available" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = cinder.get_volume(&own.id).await.unwrap();
    service.create("adopted", options(&[("volume_id", &own.id)])).await.unwrap();
    let error = service.mount("adopted", "a").await.unwrap_err().to_string();
    assert!(error.contains("run mkfs.ext4 on it"), "{error}");
    service.remove("adopted").await.unwrap();
    assert_eq!(cinder.get_volume(&own.id).await.unwrap(), before);
    assert!(volumes.exports().is_empty());
    cinder.delete_volume(&own.id).await.unwrap();
    cloud.stop().await.unwrap();
    let base = dir.path().join("mounts");
    let _ = Command::new("umount").arg(&base).status();
}
