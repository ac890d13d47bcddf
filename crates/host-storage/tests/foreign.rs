//! What is on a device and not ours survives whatever is tried on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;

use common::{Loop, MIB, VOLUME, in_own_namespace};
use host_storage::{Error, Filesystem, Probe, check};

/// Everything the service does to a device before it formats it.
fn try_everything(disk: &Loop, what: &str) {
    assert!(!matches!(disk.probe(), Probe::Blank(_)), "{what} is not blank");
    for filesystem in Filesystem::ALL {
        let _ = check(&disk.open(), filesystem);
        let path = host_storage::create_mountpoint(&disk.base(), "v").unwrap();
        let error = host_storage::mount(&disk.open(), filesystem, "", &path).unwrap_err();
        assert!(matches!(error, Error::Mount { .. }), "{what}: {error}");
        host_storage::unmount(&disk.open(), &path).unwrap();
        host_storage::remove_mountpoint(&disk.base(), "v").unwrap();
        assert!(!host_storage::is_open_elsewhere(&disk.open()).unwrap());
        assert!(!matches!(disk.probe(), Probe::Blank(_)), "{what} is still not blank");
    }
}

#[test]
fn h07_foreign_content_survives_every_error_path() {
    if !in_own_namespace("h07_foreign_content_survives_every_error_path") {
        return;
    }
    let programs: [(&str, &str, &[&str]); 3] = [
        (
            "LUKS",
            "sh",
            &[
                "-c",
                "printf secret | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $0 -",
            ],
        ),
        ("a partition table", "sh", &["-c", "echo 'label: gpt\n,,' | sfdisk -q --no-reread $0"]),
        ("swap", "mkswap", &[]),
    ];
    for (what, program, arguments) in programs {
        let disk = Loop::new(64 * MIB);
        disk.run(program, arguments);
        let before = disk.bytes();
        try_everything(&disk, what);
        assert!(disk.bytes() == before, "{what} was changed");
    }
    let noise = |at: u64, length: u64| {
        let disk = Loop::new(64 * MIB);
        let bytes: Vec<u8> = (0..length).map(|i| (i * 31 % 251) as u8 | 1).collect();
        disk.write(at, &bytes);
        disk
    };
    for (what, disk) in [
        ("an LVM volume", {
            let disk = Loop::new(64 * MIB);
            disk.write(512, b"LABELONE\x01\0\0\0\0\0\0\0");
            disk
        }),
        ("data at the start", noise(0, MIB)),
        ("data at the end", noise(63 * MIB, MIB)),
        ("data in the middle", noise(30 * MIB, 2 * MIB)),
    ] {
        let before = disk.bytes();
        try_everything(&disk, what);
        assert!(disk.bytes() == before, "{what} was changed");
    }
}

#[test]
fn h07_a_last_mib_that_cannot_be_read_is_not_blank_and_survives() {
    if !in_own_namespace("h07_a_last_mib_that_cannot_be_read_is_not_blank_and_survives") {
        return;
    }
    let disk = Loop::new(64 * MIB);
    File::options().write(true).open(&disk.file).unwrap().set_len(63 * MIB).unwrap();
    assert!(matches!(disk.probe(), Probe::Unreadable { .. }));
    try_everything(&disk, "an unreadable end");
    assert!(disk.bytes().iter().all(|b| *b == 0), "it was written to");
}

/// A btrfs checks what it reads, so a file on it whose blocks were changed behind its back fails to read.
#[test]
fn h07_a_first_mib_that_cannot_be_read_is_not_blank_and_survives() {
    if !in_own_namespace("h07_a_first_mib_that_cannot_be_read_is_not_blank_and_survives") {
        return;
    }
    let shelf = Loop::new(320 * MIB);
    shelf.format(Filesystem::Btrfs);
    let path = shelf.mount(Filesystem::Btrfs, "");
    let file = path.join(format!("volume-{VOLUME}"));
    let pattern = b"these sixteen by";
    let mut made = File::create(&file).unwrap();
    made.write_all(&pattern.repeat(MIB as usize / 16)).unwrap();
    made.seek(SeekFrom::Start(64 * MIB - 1)).unwrap();
    made.write_all(&[0]).unwrap();
    made.sync_all().unwrap();
    drop(made);
    shelf.unmount();
    let bytes = shelf.bytes();
    let raw = File::options().write(true).open(&shelf.device).unwrap();
    let places: Vec<usize> =
        (0..bytes.len()).step_by(4096).filter(|at| bytes[*at..].starts_with(pattern)).collect();
    assert_eq!(places.len(), 256, "one MiB");
    for at in places {
        raw.write_all_at(b"X", at as u64).unwrap();
    }
    raw.sync_all().unwrap();
    let path = shelf.mount(Filesystem::Btrfs, "");
    {
        let disk = Loop::on(tempfile::tempdir().unwrap(), path.join(format!("volume-{VOLUME}")));
        assert!(matches!(disk.probe(), Probe::Unreadable { .. }), "{:?}", disk.probe());
        let _ = check(&disk.open(), Filesystem::Ext4).unwrap_err();
        let at = host_storage::create_mountpoint(&disk.base(), "v").unwrap();
        for filesystem in Filesystem::ALL {
            assert!(host_storage::mount(&disk.open(), filesystem, "", &at).is_err());
        }
        assert!(matches!(disk.probe(), Probe::Unreadable { .. }), "nothing was written over it");
    }
    let _ = Command::new("sync").status();
    shelf.unmount();
}
