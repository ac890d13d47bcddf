//! A directory stands for the file server; loop devices and mounts are real, in a mount namespace of their own. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::*;
use crate::Mount;

const EXPORT: &str = "10.0.0.5:/volumes";
const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
const SIZE: u64 = 8 << 20;

/// Runs the test again in its own mount namespace; true in there.
fn in_own_namespace(test: &str) -> bool {
    const INSIDE: &str = "HOST_STORAGE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("connector::remote_file::tests::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed inside its namespace");
    false
}

fn info(value: Value) -> Map<String, Value> {
    let mut info =
        json!({ "export": EXPORT, "name": format!("volume-{VOLUME}"), "options": null, "format": "raw" });
    for (key, value) in value.as_object().unwrap() {
        info[key] = value.clone();
    }
    info.as_object().unwrap().clone()
}

fn parse(value: Value) -> Result<RemoteFileLink> {
    RemoteFileLink::parse("nfs", &info(value), VOLUME)
}

/// A memory filesystem that is called like the export, and a machine.
struct Server {
    dir: tempfile::TempDir,
    machine: Machine,
    broken: bool,
}

impl Server {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("server");
        fs::create_dir(&files).unwrap();
        rustix::mount::mount(EXPORT, &files, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        Self { machine: Machine::at(&dir.path().join("host")), dir, broken: false }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("server").join(name)
    }

    fn volume(&self, name: &str, size: u64) -> File {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(self.file(name));
        let file = file.unwrap();
        file.set_len(size).unwrap();
        file
    }

    fn with<'a>(&'a self, link: &'a RemoteFileLink) -> RemoteFile<'a> {
        RemoteFile::new(&self.machine, link, VOLUME, self)
    }

    fn mounts(&self) -> usize {
        let base = self.machine.path("/");
        crate::own_mounts().unwrap().iter().filter(|m| m.mountpoint.starts_with(&base)).count()
    }

    fn devices(&self) -> Vec<u32> {
        let base = self.dir.path();
        loops().into_iter().filter(|(_, f)| Path::new(f).starts_with(base)).map(|(n, _)| n).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for number in self.devices() {
            let _ = LoopDevice::open(number).and_then(LoopDevice::detach);
        }
        let exports = self.machine.path("/run/host-storage/exports");
        for name in names(&exports) {
            let _ = rustix::mount::unmount(exports.join(&name), rustix::mount::UnmountFlags::DETACH);
            let _ = crate::remove_mountpoint(&exports, &name);
        }
        let _ = rustix::mount::unmount(self.dir.path().join("server"), rustix::mount::UnmountFlags::DETACH);
    }
}

impl Mounter for Server {
    fn mount(&self, _: &Machine, _: &RemoteFileLink, directory: &Path) -> Result<()> {
        let files = if self.broken { Path::new("/proc").into() } else { self.file("") };
        rustix::mount::mount_bind(files, directory).map_err(|e| Error::io("bind", directory, e))
    }

    fn shows(&self, link: &RemoteFileLink, mount: &Mount) -> bool {
        mount.kind == "tmpfs" && mount.source == Path::new(&link.export)
    }
}

#[test]
fn the_keys_of_cinder_are_read() {
    let link = parse(json!({ "options": "-o vers=4.1 -onoatime,nconnect=4" })).unwrap();
    assert_eq!(link.options, "vers=4.1,noatime,nconnect=4");
    assert!(link.raw && link.export == EXPORT);
    let text = serde_json::to_string(&crate::connector::Link::RemoteFile(link)).unwrap();
    assert!(text.starts_with(r#"{"driver":"remote_file","kind":"nfs""#), "{text}");
    assert!(!parse(json!({ "format": null })).unwrap().raw);
    assert_eq!(parse(json!({ "export": "[fd00::5]:/v" })).unwrap().export, "[fd00::5]:/v");
}

#[test]
fn keys_that_lead_astray_are_refused() {
    for (key, value) in [
        ("export", "-o=x:/y"),
        ("export", "/local"),
        ("export", "a b:/x"),
        ("name", ""),
        ("name", "../etc/shadow"),
        ("name", "/etc/shadow"),
        ("options", "--bind"),
        ("options", "-o"),
        ("options", "-o -v"),
        ("options", "vers=4"),
    ] {
        assert!(parse(json!({ key: value })).is_err(), "{key} {value}");
    }
    for format in ["qcow2", "vmdk", "vhdx", "RAW?"] {
        let error = parse(json!({ "format": format })).unwrap_err().to_string();
        assert!(error.contains(format) && error.contains("nfs_qcow2_volumes"), "{error}");
    }
}

#[test]
fn a_file_becomes_a_device_and_its_export_goes_with_the_last() {
    if !in_own_namespace("a_file_becomes_a_device_and_its_export_goes_with_the_last") {
        return;
    }
    let server = Server::new();
    let first = parse(json!({})).unwrap();
    let second = parse(json!({ "name": "volume-2" })).unwrap();
    let file = server.volume(&first.name, SIZE);
    server.volume("volume-2", SIZE);
    let device = server.with(&first).connect(SIZE).unwrap();
    let again = server.with(&first).connect(SIZE).unwrap();
    assert_eq!(device.number(), again.number(), "one device for one file");
    let other = server.with(&second).connect(SIZE).unwrap();
    assert_eq!((server.mounts(), server.devices().len()), (1, 2));
    let writer = File::options().write(true).open(device.path()).unwrap();
    writer.write_all_at(b"hello", 4096).unwrap();
    writer.sync_all().unwrap();
    drop(writer);
    let mut text = [0; 5];
    file.read_exact_at(&mut text, 4096).unwrap();
    assert_eq!(&text, b"hello");

    let (path, other_path) = (device.path().to_owned(), other.path().to_owned());
    drop((device, again, other));
    server.with(&first).prove(&path, SIZE).unwrap();
    for (path, size, text) in [
        (&other_path, SIZE, "volume-2"),
        (&path, SIZE * 2, "bytes instead of"),
        (&"/dev/null".into(), SIZE, ""),
    ] {
        assert!(server.with(&first).prove(path, size).unwrap_err().to_string().contains(text));
    }

    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let holder = File::options().read(true).custom_flags(exclusive).open(&path).unwrap();
    assert!(server.with(&first).disconnect().unwrap_err().is_busy());
    assert_eq!(server.devices().len(), 2);
    drop(holder);
    server.with(&first).disconnect().unwrap();
    assert_eq!((server.mounts(), server.devices().len()), (1, 1), "the other one needs it still");
    server.with(&first).disconnect().unwrap();
    server.with(&second).prove(&other_path, SIZE).unwrap();
    server.with(&second).disconnect().unwrap();
    assert_eq!((server.mounts(), server.devices().len()), (0, 0));
    assert!(!server.with(&second).export.directory().exists());
    server.with(&second).disconnect().unwrap();
    assert!(server.with(&second).prove(&other_path, SIZE).is_err());
}

#[test]
fn h44_a_file_that_is_no_raw_one_stays_as_it_is() {
    if !in_own_namespace("h44_a_file_that_is_no_raw_one_stays_as_it_is") {
        return;
    }
    let server = Server::new();
    let unknown = parse(json!({ "format": null })).unwrap();
    let file = server.volume(&unknown.name, SIZE);
    for (at, magic, name) in [
        (0, b"QFI\xfb\0\0\0\x03".as_slice(), "qcow2"),
        (0, b"KDMV", "vmdk"),
        (0x40, b"\x7f\x10\xda\xbe", "vdi"),
        (0, b"vhdxfile", "vhdx"),
    ] {
        file.set_len(0).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(magic, at).unwrap();
        let error = server.with(&unknown).connect(SIZE).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("only raw"), "{error}");
        assert!(server.devices().is_empty());
    }
    file.set_len(0).unwrap();
    file.set_len(SIZE).unwrap();
    server.with(&unknown).connect(SIZE).unwrap();
    server.with(&unknown).disconnect().unwrap();
    // Cinder says raw: then it is the user's business what is in it.
    file.write_all_at(b"QFI\xfb", 0).unwrap();
    let stated = parse(json!({})).unwrap();
    server.with(&stated).connect(SIZE).unwrap();
    server.with(&stated).disconnect().unwrap();
}

#[test]
fn what_is_not_the_file_is_no_device_and_leaves_nothing() {
    if !in_own_namespace("what_is_not_the_file_is_no_device_and_leaves_nothing") {
        return;
    }
    let mut server = Server::new();
    let outside = server.dir.path().join("outside");
    File::create(&outside).unwrap().set_len(SIZE).unwrap();
    symlink(&outside, server.file("link")).unwrap();
    fs::create_dir(server.file("directory")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, server.file("pipe"), rustix::fs::Mode::RWXU).unwrap();
    server.volume("small", SIZE / 2);
    for name in ["link", "directory", "pipe", "small", "absent"] {
        let link = parse(json!({ "name": name })).unwrap();
        assert!(server.with(&link).connect(SIZE).is_err(), "{name}");
        server.with(&link).disconnect().unwrap();
        assert_eq!((server.mounts(), server.devices().len()), (0, 0), "{name}");
    }
    // Something else shows in the export's place.
    server.broken = true;
    let link = parse(json!({ "name": "small" })).unwrap();
    let error = server.with(&link).connect(SIZE / 2).unwrap_err();
    assert!(matches!(error, Error::NotMounted { .. }), "{error}");
    assert_eq!(server.mounts(), 0);
}

#[test]
fn a_second_device_of_the_same_file_is_refused() {
    if !in_own_namespace("a_second_device_of_the_same_file_is_refused") {
        return;
    }
    let server = Server::new();
    let link = parse(json!({})).unwrap();
    let file = server.volume(&link.name, SIZE);
    let options = LoopOptions { autoclear: true, ..LoopOptions::default() };
    let foreign = LoopControl::open().unwrap().attach(&file, &options).unwrap();
    let error = server.with(&link).connect(SIZE).unwrap_err();
    assert!(error.is_busy() && error.to_string().contains(foreign.path().to_str().unwrap()), "{error}");
    server.with(&link).disconnect().unwrap();
    assert_eq!(server.devices(), [foreign.number()], "not ours to end");
}

#[test]
fn a_device_follows_its_file_when_it_grew() {
    if !in_own_namespace("a_device_follows_its_file_when_it_grew") {
        return;
    }
    let server = Server::new();
    let link = parse(json!({})).unwrap();
    let file = server.volume(&link.name, SIZE);
    let path = server.with(&link).connect(SIZE).unwrap().path().to_owned();
    file.set_len(SIZE * 2).unwrap();
    server.with(&link).rescan().unwrap();
    server.with(&link).prove(&path, SIZE * 2).unwrap();
    server.with(&link).disconnect().unwrap();
    server.with(&link).rescan().unwrap();
}
