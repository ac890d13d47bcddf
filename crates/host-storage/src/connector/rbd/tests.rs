//! A script stands for Ceph's `rbd`: it notes its arguments and makes what the kernel would show. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use os::loop_device::{LoopControl, LoopDevice, LoopOptions};
use rustix::fs::{FileType, Mode};
use serde_json::{Map, Value, json};

use super::*;

const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
const SIZE: u64 = 8 << 20;

fn info(changes: Value) -> Map<String, Value> {
    let mut info = json!({
        "name": format!("volumes/volume-{VOLUME}"), "hosts": ["10.0.0.1", "[fd00::2]"], "ports": ["6789", 3300],
        "cluster_name": "ceph", "auth_enabled": true, "auth_username": "cinder", "secret_type": "ceph",
        "secret_uuid": null, "volume_id": VOLUME, "discard": true, "keyring": "AQBsecret",
    });
    for (key, value) in changes.as_object().unwrap() {
        info[key] = value.clone();
    }
    info.as_object().unwrap().clone()
}

fn parse(changes: Value) -> Result<RbdLink> {
    RbdLink::parse(&info(changes), VOLUME)
}

struct Cluster {
    dir: tempfile::TempDir,
    machine: Machine,
    _disk: LoopDevice,
}

impl Cluster {
    /// `failure` is what a `map` says instead of mapping.
    fn new(failure: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        let options = LoopOptions { autoclear: true, ..LoopOptions::default() };
        let disk = LoopControl::open().unwrap().attach(&file, &options).unwrap();
        let cluster = Self { machine: Machine::at(dir.path()), dir, _disk: disk };
        let number = fs::metadata(cluster._disk.path()).unwrap().rdev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        for path in ["dev", "usr/sbin", "sys/bus/rbd/devices", "etc/ceph"] {
            fs::create_dir_all(cluster.at(path)).unwrap();
        }
        fs::write(cluster.at("etc/ceph/ceph.client.cinder.keyring"), "[client.cinder]\n key = AQBsecret\n")
            .unwrap();
        let node = cluster.at("dev/rbd0");
        rustix::fs::mknodat(rustix::fs::CWD, &node, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, number)
            .unwrap();
        let script = format!(
            "#!/bin/sh\nR={}\necho \"$*\" >> $R/calls\ncase \"$*\" in\n*unmap*) rm -r $R/sys/bus/rbd/devices/0;;\n\
             *) [ -z '{failure}' ] || {{ echo '{failure}' >&2; exit 6; }}\n D=$R/sys/bus/rbd/devices/0; mkdir $D\n \
             echo volumes > $D/pool; echo volume-{VOLUME} > $D/name; echo - > $D/current_snap\n \
             echo '10.0.0.1:6789,[fd00::2]:3300 name=cinder,key=client.cinder volumes x -' > $D/config_info\n \
             echo {major} > $D/major; echo {minor} > $D/minor; echo /dev/rbd0;;\nesac\n",
            cluster.dir.path().display()
        );
        fs::write(cluster.at("usr/sbin/rbd"), script).unwrap();
        fs::set_permissions(cluster.at("usr/sbin/rbd"), fs::Permissions::from_mode(0o755)).unwrap();
        cluster
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        text.lines().map(str::to_owned).collect()
    }

    fn show(&self, attribute: &str, text: &str) {
        fs::write(self.at("sys/bus/rbd/devices/0").join(attribute), text).unwrap();
    }
}

#[test]
fn the_keys_of_cinder_are_read_without_the_key() {
    let link = parse(json!({})).unwrap();
    assert_eq!((link.pool.as_str(), link.image.as_str()), ("volumes", format!("volume-{VOLUME}").as_str()));
    assert_eq!(link.monitors, ["10.0.0.1:6789", "[fd00::2]:3300"]);
    let text = serde_json::to_string(&crate::connector::Link::Rbd(link)).unwrap();
    assert!(text.contains(r#""driver":"rbd""#) && !text.contains("AQBsecret"), "{text}");
    assert_eq!(parse(json!({ "auth_enabled": false })).unwrap().user, None);
}

#[test]
fn keys_that_lead_astray_are_refused() {
    for (key, value) in [
        ("name", json!("volume-1")),
        ("name", json!("pool/../image")),
        ("name", json!("pool/image@snap")),
        ("name", json!("--config/x")),
        ("hosts", json!([])),
        ("hosts", json!(["10.0.0.1,name=admin"])),
        ("ports", json!(["99999", 1])),
        ("cluster_name", json!("../../tmp/x")),
        ("auth_username", json!("a b")),
        ("auth_username", json!(null)),
    ] {
        assert!(parse(json!({ key: value.clone() })).is_err(), "{key} {value}");
    }
}

#[test]
fn an_image_is_mapped_once_proven_and_unmapped() {
    let cluster = Cluster::new("");
    let (machine, link) = (&cluster.machine, parse(json!({})).unwrap());
    let device = connect(machine, &link, VOLUME, SIZE).unwrap();
    connect(machine, &link, VOLUME, SIZE).unwrap();
    let expected = format!(
        "--conf /dev/null --mon_host 10.0.0.1:6789,[fd00::2]:3300 --id cinder --keyring /etc/ceph/ceph.client.cinder.keyring map \
         volumes/volume-{VOLUME}"
    );
    assert_eq!(cluster.calls(), [expected]);
    let path = device.path().to_owned();
    drop(device);
    assert!(!is_anothers(machine, &link, &path));
    rescan(machine, &link).unwrap();
    assert_eq!(fs::read_to_string(cluster.at("sys/bus/rbd/devices/0/refresh")).unwrap(), "1");

    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let holder = File::options().read(true).custom_flags(exclusive).open(&path).unwrap();
    assert!(disconnect(machine, &link, VOLUME).unwrap_err().is_busy());
    assert!(cluster.calls().is_empty());
    drop(holder);
    disconnect(machine, &link, VOLUME).unwrap();
    assert_eq!(cluster.calls(), ["--conf /dev/null unmap /dev/rbd0"]);
    disconnect(machine, &link, VOLUME).unwrap();
    assert!(cluster.calls().is_empty());
    assert!(prove(machine, &link, &path, VOLUME, SIZE).is_err());
}

#[test]
fn another_image_snapshot_cluster_size_or_node_is_not_the_volume() {
    let cluster = Cluster::new("");
    let (machine, link) = (&cluster.machine, parse(json!({})).unwrap());
    let path = connect(machine, &link, VOLUME, SIZE).unwrap().path().to_owned();
    let wrong = |size: u64| {
        let error = prove(machine, &link, &path, VOLUME, size).unwrap_err();
        assert!(matches!(error, Error::WrongDevice { .. }), "{error}");
        error.to_string()
    };
    assert!(wrong(SIZE * 2).contains("bytes instead of"));
    let real = format!("volume-{VOLUME}");
    for (attribute, other, before) in [
        ("pool", "images", "volumes"),
        ("name", "volume-2", &real),
        ("current_snap", "yesterday", "-"),
        ("pool_ns", "tenant", ""),
        ("minor", "250", &rustix::fs::minor(fs::metadata(&path).unwrap().rdev()).to_string()),
        ("config_info", "10.9.9.9:6789 name=cinder,secret=AQBsecret volumes x -", "10.0.0.1:3300 x"),
    ] {
        cluster.show(attribute, other);
        let text = wrong(SIZE);
        assert!(!text.contains("AQBsecret"), "{text}");
        cluster.show(attribute, before);
        prove(machine, &link, &path, VOLUME, SIZE).unwrap();
    }
    cluster.show("name", "volume-2");
    assert!(is_anothers(machine, &link, &path));
    disconnect(machine, &link, VOLUME).unwrap();
    assert!(!cluster.calls().iter().any(|c| c.contains("unmap")), "another's stays");
}

#[test]
fn what_cannot_be_mapped_says_what_to_do() {
    let cluster = Cluster::new(
        "rbd: sysfs write failed. RBD image feature set mismatch. rbd: map failed: (6) No such device or address",
    );
    let link = parse(json!({})).unwrap();
    let error = connect(&cluster.machine, &link, VOLUME, SIZE).unwrap_err().to_string();
    assert!(error.contains("rbd feature disable volumes/volume-"), "{error}");
    fs::remove_file(cluster.at("etc/ceph/ceph.client.cinder.keyring")).unwrap();
    let error = connect(&cluster.machine, &link, VOLUME, SIZE).unwrap_err().to_string();
    assert!(error.contains("/etc/ceph/ceph.client.cinder.keyring is missing"), "{error}");
    disconnect(&cluster.machine, &link, VOLUME).unwrap();
    fs::remove_file(cluster.at("usr/sbin/rbd")).unwrap();
    let open = parse(json!({ "auth_enabled": false })).unwrap();
    let error = connect(&cluster.machine, &open, VOLUME, SIZE).unwrap_err().to_string();
    assert!(error.contains("install the Debian package ceph-common"), "{error}");
}
