//! A filesystem's life on real loop devices: made, left dirty, checked, grown, read by many. Each test runs in a mount
//! namespace of its own. They need root and e2fsprogs, xfsprogs, btrfs-progs and util-linux.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Loop, MIB, in_own_namespace};
use host_storage::{Checked, Error, Filesystem, Probe, check, check_for_reader, grow, reader_options};
use uuid::Uuid;

fn write(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

fn size_in_mib(path: &Path) -> u64 {
    let told = rustix::fs::statvfs(path).unwrap();
    told.f_blocks * told.f_frsize / MIB
}

fn may_grow_ext4() -> bool {
    let held = rustix::thread::capabilities(None).unwrap().effective;
    held.contains(rustix::thread::CapabilitySet::SYS_RESOURCE)
}

/// A disk whose host lost power while it was mounted and a file had just been written.
fn dirty(filesystem: Filesystem) -> (Loop, Loop) {
    let disk = Loop::new(320 * MIB);
    disk.format(filesystem);
    let path = disk.mount(filesystem, "");
    write(&path.join("data"), "kept");
    let left = Loop::as_left_by(&disk);
    (disk, left)
}

#[test]
fn h42_a_dirty_journal_is_replayed_and_nothing_is_lost() {
    if !in_own_namespace("h42_a_dirty_journal_is_replayed_and_nothing_is_lost") {
        return;
    }
    for filesystem in Filesystem::ALL {
        let (original, left) = dirty(filesystem);
        assert!(
            matches!(left.probe(), Probe::Filesystem { .. }),
            "{filesystem}: a dirty journal is not blank"
        );
        let reading = check_for_reader(&left.open(), filesystem);
        assert_eq!(matches!(reading, Err(Error::Unfinished { .. })), filesystem == Filesystem::Ext4);
        // btrfs takes two filesystems of one UUID for one.
        original.unmount();
        let checked = check(&left.open(), filesystem).unwrap();
        let expected = if filesystem == Filesystem::Ext4 { Checked::Repaired } else { Checked::ByTheKernel };
        assert_eq!(checked, expected, "{filesystem}");
        let path = left.mount(filesystem, "");
        assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept", "{filesystem}");
        left.unmount();
        if filesystem == Filesystem::Ext4 {
            assert_eq!(check(&left.open(), filesystem).unwrap(), Checked::Clean);
            check_for_reader(&left.open(), filesystem).unwrap();
        }
    }
}

#[test]
fn h42_an_xfs_copy_is_mounted_beside_its_original() {
    if !in_own_namespace("h42_an_xfs_copy_is_mounted_beside_its_original") {
        return;
    }
    let (_original, left) = dirty(Filesystem::Xfs);
    let path = host_storage::create_mountpoint(&left.base(), "v").unwrap();
    let error = host_storage::mount(&left.open(), Filesystem::Xfs, "", &path).unwrap_err();
    assert!(matches!(error, Error::Mount { .. }), "{error}");
    host_storage::mount(&left.open(), Filesystem::Xfs, "nouuid", &path).unwrap();
    assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept", "its log was replayed");
}

#[test]
fn a_copy_of_a_btrfs_is_never_taken_for_its_original() {
    if !in_own_namespace("a_copy_of_a_btrfs_is_never_taken_for_its_original") {
        return;
    }
    let (original, left) = dirty(Filesystem::Btrfs);
    write(&original.dir.path().join("volumes/v/data"), "newer");
    let path = host_storage::create_mountpoint(&left.base(), "v").unwrap();
    // Newer kernels mount the copy under a temporary UUID; others refuse. Either way it is the copy or nothing.
    match host_storage::mount(&left.open(), Filesystem::Btrfs, "", &path) {
        Ok(()) => assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept"),
        Err(error) => {
            assert!(matches!(error, Error::Mount { .. } | Error::NotMounted { .. }), "{error}");
            assert!(!path.join("data").exists());
        }
    }
}

#[test]
fn h42_a_filesystem_that_is_mounted_is_never_checked() {
    if !in_own_namespace("h42_a_filesystem_that_is_mounted_is_never_checked") {
        return;
    }
    let (original, _left) = dirty(Filesystem::Ext4);
    assert!(check(&original.open(), Filesystem::Ext4).unwrap_err().is_busy());
    assert_eq!(std::fs::read(original.dir.path().join("volumes/v/data")).unwrap(), b"kept");
}

#[test]
fn h42_damage_that_takes_a_decision_is_left_to_a_person() {
    let disk = Loop::new(64 * MIB);
    disk.format(Filesystem::Ext4);
    disk.run("debugfs", &["-w", "-R", "clri <2>"]);
    // As the kernel notes when it comes upon it.
    disk.run("debugfs", &["-w", "-R", "ssv state 3"]);
    let error = check(&disk.open(), Filesystem::Ext4).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("run e2fsck"), "{error}");
    assert!(matches!(disk.probe(), Probe::Filesystem { kind, .. } if kind == "ext4"));
}

#[test]
fn a_filesystem_grows_with_its_device_mounted_or_not() {
    if !in_own_namespace("a_filesystem_grows_with_its_device_mounted_or_not") {
        return;
    }
    for filesystem in Filesystem::ALL {
        if filesystem == Filesystem::Ext4 && !may_grow_ext4() {
            eprintln!("ext4 is not grown here: its driver wants CAP_SYS_RESOURCE");
            continue;
        }
        let disk = Loop::new(320 * MIB);
        disk.format(filesystem);
        let path = disk.mount(filesystem, "");
        write(&path.join("data"), "kept");
        let before = size_in_mib(&path);
        grow(&disk.open(), filesystem, &path).unwrap();
        assert_eq!(size_in_mib(&path), before, "{filesystem}: it fills its device");
        disk.unmount();

        disk.extend(640 * MIB);
        let path = disk.mount(filesystem, "");
        grow(&disk.open(), filesystem, &path).unwrap();
        assert!((500..=640).contains(&size_in_mib(&path)), "{filesystem}: {}", size_in_mib(&path));

        disk.extend(960 * MIB);
        grow(&disk.open(), filesystem, &path).unwrap();
        assert!((800..=960).contains(&size_in_mib(&path)), "{filesystem}: {}", size_in_mib(&path));
        grow(&disk.open(), filesystem, &path).unwrap();
        assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept", "{filesystem}");
        disk.unmount();
        assert!(matches!(grow(&disk.open(), filesystem, &path), Err(Error::NotMounted { .. })));
        assert_ne!(check(&disk.open(), filesystem).unwrap(), Checked::Repaired, "{filesystem}");
    }
}

#[test]
fn a_reader_changes_nothing_not_even_the_journal() {
    if !in_own_namespace("a_reader_changes_nothing_not_even_the_journal") {
        return;
    }
    for filesystem in Filesystem::ALL {
        let disk = Loop::new(320 * MIB);
        disk.format(filesystem);
        let path = disk.mount(filesystem, "");
        write(&path.join("data"), "kept");
        disk.unmount();
        let before = disk.bytes();
        let path = disk.mount(filesystem, reader_options(filesystem));
        assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept", "{filesystem}");
        assert!(std::fs::File::create(path.join("more")).is_err(), "{filesystem}");
        disk.unmount();
        assert!(disk.bytes() == before, "{filesystem}: the reader wrote");
    }
}

#[test]
fn options_for_mkfs_are_followed_and_ours_stay() {
    for (filesystem, options) in [
        (Filesystem::Ext4, "-m 0 -L books -E stride=16,stripe_width=32"),
        (Filesystem::Xfs, "-L books -m reflink=0"),
        (Filesystem::Btrfs, "-L books -m single"),
    ] {
        let disk = Loop::new(320 * MIB);
        let Probe::Blank(proof) = disk.probe() else { panic!("not blank") };
        let made = Uuid::new_v4();
        host_storage::make_filesystem(proof, filesystem, made, options).unwrap();
        match disk.probe() {
            Probe::Filesystem { kind, uuid, label } => {
                let found = (kind.as_str(), uuid, label.as_str());
                assert_eq!(found, (filesystem.name(), made.to_string(), "books"));
            }
            other => panic!("{other:?}"),
        }
        if filesystem == Filesystem::Ext4 {
            let told = Command::new("dumpe2fs").arg("-h").arg(&disk.device).output().unwrap();
            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            assert!(told.contains("RAID stride:              16"), "{told}");
            assert!(told.contains("Reserved block count:     0"), "{told}");
        }
    }
}

#[test]
fn options_that_are_not_taken_make_nothing() {
    let disk = Loop::new(64 * MIB);
    let Probe::Blank(proof) = disk.probe() else { panic!("not blank") };
    let error = host_storage::make_filesystem(proof, Filesystem::Ext4, Uuid::new_v4(), "-F").unwrap_err();
    assert!(error.to_string().contains("`-F` is not taken"), "{error}");
    assert!(matches!(disk.probe(), Probe::Blank(_)));
    for filesystem in [Filesystem::Ocfs2, Filesystem::Gfs2] {
        let Probe::Blank(proof) = disk.probe() else { panic!("not blank") };
        assert!(host_storage::make_filesystem(proof, filesystem, Uuid::new_v4(), "").is_err());
    }
    assert!(disk.bytes().iter().all(|b| *b == 0));
}

#[test]
fn words_for_mounting_take_effect() {
    if !in_own_namespace("words_for_mounting_take_effect") {
        return;
    }
    let disk = Loop::new(64 * MIB);
    disk.format(Filesystem::Ext4);
    let path = disk.mount(Filesystem::Ext4, "noatime,nosuid,commit=30");
    let table = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
    let line = table.lines().find(|l| l.contains(path.to_str().unwrap())).unwrap();
    for word in ["noatime", "nosuid", "commit=30"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(
        !line.contains("noexec") && !line.contains("nodev"),
        "what was not asked for is not imposed: {line}"
    );
}
