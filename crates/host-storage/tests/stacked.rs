//! Directories and what is mounted on them: nothing is stacked, nothing emptied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::Command;

use common::{Loop, MIB, in_own_namespace};
use host_storage::{Error, Filesystem};

#[test]
fn h13_a_device_is_never_mounted_on_top_of_itself_or_of_another() {
    if !in_own_namespace("h13_a_device_is_never_mounted_on_top_of_itself_or_of_another") {
        return;
    }
    let (disk, other) = (Loop::new(64 * MIB), Loop::new(64 * MIB));
    disk.format(Filesystem::Ext4);
    other.format(Filesystem::Ext4);
    let path = disk.mount(Filesystem::Ext4, "");
    std::fs::write(path.join("data"), "kept").unwrap();
    let stacked = || host_storage::own_mounts().unwrap().iter().filter(|m| m.mountpoint == path).count();
    // By another of its names, as device mapper and udev give several.
    let alias = disk.dir.path().join("alias");
    std::os::unix::fs::symlink(&disk.device, &alias).unwrap();
    let by_alias = host_storage::BlockDevice::open(&alias).unwrap();
    host_storage::mount(&by_alias, Filesystem::Ext4, "", &path).unwrap();
    assert_eq!(stacked(), 1);
    let error = host_storage::mount(&other.open(), Filesystem::Ext4, "", &path).unwrap_err();
    assert!(matches!(error, Error::NotMounted { .. }), "{error}");
    assert!(matches!(host_storage::unmount(&other.open(), &path), Err(Error::NotMounted { .. })));
    assert_eq!(stacked(), 1);
    // What somebody else stacked there keeps the directory from being taken for free.
    let by_hand = Command::new("mount").arg("--bind").args([&path, &path]).status().unwrap();
    assert!(by_hand.success());
    assert_eq!(stacked(), 2);
    assert!(host_storage::unmount(&disk.open(), &path).unwrap_err().is_busy());
    assert!(matches!(host_storage::remove_mountpoint(&disk.base(), "v"), Err(Error::Busy { .. })));
    assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept");
    disk.unmount();
    assert_eq!(stacked(), 0);
    host_storage::remove_mountpoint(&disk.base(), "v").unwrap();
}

#[test]
fn h51_what_is_mounted_or_linked_is_never_emptied() {
    if !in_own_namespace("h51_what_is_mounted_or_linked_is_never_emptied") {
        return;
    }
    let disk = Loop::new(64 * MIB);
    disk.format(Filesystem::Ext4);
    let path = disk.mount(Filesystem::Ext4, "");
    std::fs::create_dir(path.join("books")).unwrap();
    std::fs::write(path.join("books/data"), "kept").unwrap();
    assert!(matches!(host_storage::remove_mountpoint(&disk.base(), "v"), Err(Error::Busy { .. })));
    // A link in the place of a mountpoint leads to what is somebody's.
    std::os::unix::fs::symlink(&path, disk.base().join("w")).unwrap();
    assert!(host_storage::remove_mountpoint(&disk.base(), "w").is_err());
    assert_eq!(std::fs::read(path.join("books/data")).unwrap(), b"kept");
    disk.unmount();
    // Nor what containers wrote on the host's own disk, should they ever have been able to.
    std::fs::create_dir_all(disk.base().join("x/books")).unwrap();
    assert!(host_storage::remove_mountpoint(&disk.base(), "x").is_err());
    assert!(disk.base().join("x/books").is_dir());
    let again = disk.mount(Filesystem::Ext4, "");
    assert_eq!(std::fs::read(again.join("books/data")).unwrap(), b"kept");
    disk.unmount();
}
