//! Real loop devices, real filesystems, real mounts. Each test runs in a mount namespace of its own, so that nothing it
//! mounts outlives it. They need root and e2fsprogs, xfsprogs, btrfs-progs and util-linux.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use host_storage::{Error, Filesystem, Probe, local, probe};
use uuid::Uuid;

use common::{Loop, MIB, VOLUME, in_own_namespace};

fn assert_not_blank(found: &Probe, context: &str) {
    assert!(matches!(found, Probe::Foreign { .. } | Probe::Filesystem { .. }), "{context}: {found:?}");
}

#[test]
fn each_filesystem_is_made_recognised_mounted_and_let_go() {
    if !in_own_namespace("each_filesystem_is_made_recognised_mounted_and_let_go") {
        return;
    }
    for filesystem in Filesystem::ALL {
        let disk = Loop::new(320 * MIB);
        let made = disk.format(filesystem);
        match disk.probe() {
            Probe::Filesystem { kind, uuid, .. } => {
                assert_eq!((kind.as_str(), uuid), (filesystem.name(), made.to_string()));
            }
            other => panic!("{other:?}"),
        }
        let (base, device) = (disk.base(), disk.open());
        let path = host_storage::create_mountpoint(&base, "v").unwrap();
        host_storage::mount(&device, filesystem, "", &path).unwrap();
        host_storage::mount(&device, filesystem, "", &path).unwrap();
        let stacked = host_storage::own_mounts().unwrap().iter().filter(|m| m.mountpoint == path).count();
        assert_eq!(stacked, 1, "{filesystem}: a repeat mounts nothing twice");
        assert!(host_storage::usage(&device, &path).unwrap().mounted);
        assert!(host_storage::is_open_elsewhere(&device).unwrap());

        let open = File::create(path.join("data")).unwrap();
        open.write_all_at(b"kept", 0).unwrap();
        assert!(host_storage::unmount(&device, &path).unwrap_err().is_busy(), "{filesystem}");
        assert!(matches!(host_storage::remove_mountpoint(&base, "v"), Err(Error::Busy { .. })));
        drop(open);
        host_storage::unmount(&device, &path).unwrap();
        host_storage::unmount(&device, &path).unwrap();
        assert!(!host_storage::is_open_elsewhere(&device).unwrap());

        host_storage::mount(&device, filesystem, "", &path).unwrap();
        assert_eq!(std::fs::read(path.join("data")).unwrap(), b"kept");
        host_storage::unmount(&device, &path).unwrap();
        host_storage::remove_mountpoint(&base, "v").unwrap();
        host_storage::remove_mountpoint(&base, "v").unwrap();
    }
}

#[test]
fn h39_an_unmounted_mountpoint_cannot_be_written() {
    if !in_own_namespace("h39_an_unmounted_mountpoint_cannot_be_written") {
        return;
    }
    let disk = Loop::new(64 * MIB);
    let base = disk.base();
    let path = host_storage::create_mountpoint(&base, "v").unwrap();
    assert_eq!(host_storage::create_mountpoint(&base, "v").unwrap(), path);
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o7777, 0);
    // Root passes by the mode; the immutable flag stops root as well, on filesystems that have it.
    let flags = rustix::fs::ioctl_getflags(File::open(&path).unwrap());
    if flags.is_ok_and(|f| f.contains(rustix::fs::IFlags::IMMUTABLE)) {
        assert!(File::create(path.join("stray")).is_err());
    }
    for name in ["..", "../v", "a/b", "", ".x"] {
        assert!(matches!(host_storage::create_mountpoint(&base, name), Err(Error::Name { .. })), "{name}");
    }
    assert!(host_storage::own_mounts().unwrap().iter().any(|m| m.mountpoint == base && m.shared.is_some()));
    assert_eq!(host_storage::share(&base).unwrap(), base, "sharing twice mounts nothing more");
    assert_eq!(host_storage::own_mounts().unwrap().iter().filter(|m| m.mountpoint == base).count(), 1);
}

#[test]
fn h06_a_directory_that_is_not_empty_is_never_removed() {
    if !in_own_namespace("h06_a_directory_that_is_not_empty_is_never_removed") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("v")).unwrap();
    std::fs::write(dir.path().join("v/data"), "precious").unwrap();
    assert!(host_storage::remove_mountpoint(dir.path(), "v").is_err());
    assert_eq!(std::fs::read(dir.path().join("v/data")).unwrap(), b"precious");
}

#[test]
fn h34_a_mount_in_another_namespace_is_seen_and_holds_the_device() {
    if !in_own_namespace("h34_a_mount_in_another_namespace_is_seen_and_holds_the_device") {
        return;
    }
    for filesystem in [Filesystem::Ext4, Filesystem::Btrfs] {
        let disk = Loop::new(320 * MIB);
        disk.format(filesystem);
        let (base, device) = (disk.base(), disk.open());
        let path = host_storage::create_mountpoint(&base, "v").unwrap();
        host_storage::mount(&device, filesystem, "", &path).unwrap();
        assert_eq!(host_storage::usage(&device, &path).unwrap().others, Vec::<String>::new());
        let mut container = Namespace::holding();
        let usage = host_storage::usage(&device, &path).unwrap();
        assert!(usage.mounted && !usage.others.is_empty(), "{filesystem}: {usage:?}");
        host_storage::unmount(&device, &path).unwrap();
        assert!(host_storage::is_open_elsewhere(&device).unwrap(), "{filesystem}");
        container.end();
        assert!(!host_storage::is_open_elsewhere(&device).unwrap(), "{filesystem}");
    }
}

/// A process with a private copy of our mounts, as a container has.
struct Namespace(Child);

impl Namespace {
    fn holding() -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self(child)
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn h07_whatever_is_on_a_device_it_is_not_blank() {
    let fresh = || Loop::new(64 * MIB);
    for (program, arguments) in
        [("mkfs.ext4", &["-q"][..]), ("mkfs.ext2", &["-q"]), ("mkfs.ext3", &["-q"]), ("mkswap", &[])]
    {
        let disk = fresh();
        disk.run(program, arguments);
        assert_not_blank(&disk.probe(), program);
    }
    let mut luks = b"LUKS\xba\xbe\x00\x01aes".to_vec();
    luks.resize(592, 7);
    for (what, at, bytes) in [
        ("LUKS", 0, luks),
        ("LVM2", 512, b"LABELONE\x01\0\0\0\0\0\0\0".to_vec()),
        ("MBR", 510, vec![0x55, 0xaa]),
        ("GPT", 512, b"EFI PART\0\0\x01\0".to_vec()),
        ("backup GPT", 64 * MIB - 512, b"EFI PART\0\0\x01\0".to_vec()),
        ("md 1.2", 4096, vec![0xfc, 0x4e, 0x2b, 0xa9]),
        ("zfs", 0x21000, 0x00ba_b10c_u64.to_le_bytes().to_vec()),
        ("noise at the start", 0, vec![1]),
        ("noise in the first MiB", MIB - 1, vec![1]),
        ("noise in the last MiB", 64 * MIB - 1, vec![1]),
        ("data in the middle", 20 * MIB, vec![0xab; MIB as usize]),
    ] {
        let disk = fresh();
        disk.write(at, &bytes);
        assert_not_blank(&disk.probe(), what);
    }
    assert!(matches!(fresh().probe(), Probe::Blank(_)));
}

#[test]
fn h07_what_cannot_be_read_is_not_blank() {
    let disk = Loop::new(64 * MIB);
    // The device keeps its size, but its second half now fails to read.
    File::options().write(true).open(&disk.file).unwrap().set_len(32 * MIB).unwrap();
    let found = disk.probe();
    assert!(matches!(found, Probe::Unreadable { .. }), "{found:?}");
}

#[test]
fn a_blank_device_that_somebody_holds_gives_no_proof() {
    let disk = Loop::new(64 * MIB);
    let Probe::Blank(held) = disk.probe() else { panic!("not blank") };
    assert!(probe(disk.open()).unwrap_err().is_busy());
    assert!(host_storage::is_open_elsewhere(&disk.open()).unwrap());
    drop(held);
    assert!(matches!(disk.probe(), Probe::Blank(_)));
}

#[test]
fn h07_mkfs_refuses_what_came_between_proof_and_mkfs() {
    for filesystem in [Filesystem::Xfs, Filesystem::Btrfs] {
        let disk = Loop::new(320 * MIB);
        let Probe::Blank(proof) = disk.probe() else { panic!("not blank") };
        // By somebody who does not care for exclusive openers.
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(320 * MIB).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(image.path()).status().unwrap().success());
        disk.write(0, &std::fs::read(image.path()).unwrap());
        let error = host_storage::make_filesystem(proof, filesystem, Uuid::new_v4(), "").unwrap_err();
        assert!(matches!(error, Error::Tool { .. }), "{error}");
        assert!(matches!(disk.probe(), Probe::Filesystem { kind, .. } if kind == "ext4"));
    }
}

#[test]
fn the_local_connector_proves_size_and_backing_file() {
    let disk = Loop::new(64 * MIB);
    let path = disk.device.to_str().unwrap();
    assert_eq!(local::resolve(path, VOLUME, 64 * MIB).unwrap().number(), disk.open().number());
    for (volume, size) in [(VOLUME, 65 * MIB), ("another", 64 * MIB), ("", 64 * MIB)] {
        assert!(matches!(local::resolve(path, volume, size), Err(Error::WrongDevice { .. })));
    }
    assert!(!local::belongs_to_another(&disk.device, VOLUME));
    assert!(local::belongs_to_another(&disk.device, "another"));
    for path in ["/dev/../etc/passwd", "/etc/passwd", "relative", ""] {
        assert!(matches!(local::resolve(path, VOLUME, 1), Err(Error::Connection { .. })), "{path}");
    }
    assert!(matches!(local::resolve("/dev/null", VOLUME, 1), Err(Error::NotABlockDevice { .. })));
    assert_eq!(disk.open().facts().backing_file.as_deref(), Some(Path::new(&disk.file)));
}

#[test]
fn a_mounted_filesystem_grows_with_its_device() {
    if !in_own_namespace("a_mounted_filesystem_grows_with_its_device") {
        return;
    }
    for filesystem in [Filesystem::Ext4, Filesystem::Xfs, Filesystem::Btrfs] {
        let disk = Loop::new(512 * MIB);
        let Probe::Blank(proof) = disk.probe() else { panic!("not blank") };
        host_storage::make_filesystem(proof, filesystem, Uuid::new_v4(), "").unwrap();
        let mountpoint = disk.dir.path().join("mnt");
        std::fs::create_dir(&mountpoint).unwrap();
        host_storage::mount(&disk.open(), filesystem, "", &mountpoint).unwrap();
        let blocks = || rustix::fs::statvfs(&mountpoint).map(|s| s.f_blocks * s.f_frsize).unwrap();
        let before = blocks();
        host_storage::grow(&disk.open(), filesystem, &mountpoint).unwrap();
        assert_eq!(blocks(), before, "{filesystem} grew beyond its device");
        File::options().write(true).open(&disk.file).unwrap().set_len(1024 * MIB).unwrap();
        disk.run("losetup", &["--set-capacity"]);
        if filesystem == Filesystem::Ext4 && !may_use_more_than_others() {
            let error = host_storage::grow(&disk.open(), filesystem, &mountpoint).unwrap_err().to_string();
            assert!(error.ends_with("needs CAP_SYS_RESOURCE to grow a mounted ext4"), "{error}");
            host_storage::unmount(&disk.open(), &mountpoint).unwrap();
            continue;
        }
        host_storage::grow(&disk.open(), filesystem, &mountpoint).unwrap();
        assert!(blocks() > before + 400 * MIB, "{filesystem}: {} after {before}", blocks());
        host_storage::unmount(&disk.open(), &mountpoint).unwrap();
    }
}

/// `CAP_SYS_RESOURCE`, which not every test machine gives.
fn may_use_more_than_others() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() & (1 << 24) != 0
}
