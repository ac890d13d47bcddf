//! The kernel's own NVMe-TCP target, connected through the kernel's own initiator: everything but the storage array is
//! real. It changes the machine (modules, configfs, `/etc/nvme`), so it wants a guest of its own, whose kernel has the
//! modules nvmet-tcp, nvme-tcp and loop: `cargo xtask lab vm test connectors nvme_target`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use host_storage::connector::{Connection, Machine, connect, disconnect, properties, prove, rescan};
use host_storage::{BlockDevice, Error, Filesystem, Probe};
use serde_json::{Map, Value, json};

const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
const SECOND: &str = "6f0f0f0f-1111-4222-8333-444444444444";
const MIB: u64 = 1 << 20;
const SIZE: u64 = 64 * MIB;
const CONFIG: &str = "/sys/kernel/config/nvmet";

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn set(path: impl AsRef<Path>, text: &str) {
    fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
}

struct Target {
    nqn: String,
    dir: tempfile::TempDir,
    ports: Vec<u32>,
}

impl Target {
    /// A subsystem that two portals of the loopback show.
    fn new(nqn: &str) -> Self {
        let guest = fs::read_to_string("/proc/cmdline").unwrap();
        assert!(guest.contains("lab_name="), "these tests want a guest of their own");
        for module in ["loop", "nvmet", "nvmet-tcp"] {
            run("modprobe", &[module]);
        }
        if !Path::new(CONFIG).exists() {
            run("mount", &["-t", "configfs", "none", "/sys/kernel/config"]);
        }
        let target =
            Self { nqn: nqn.into(), dir: tempfile::tempdir_in("/var/tmp").unwrap(), ports: vec![1, 2] };
        fs::create_dir(target.subsystem()).unwrap();
        set(target.subsystem().join("attr_allow_any_host"), "1");
        for port in &target.ports {
            let dir = PathBuf::from(format!("{CONFIG}/ports/{port}"));
            fs::create_dir(&dir).unwrap();
            set(dir.join("addr_trtype"), "tcp");
            set(dir.join("addr_adrfam"), "ipv4");
            set(dir.join("addr_traddr"), &format!("127.0.0.{port}"));
            set(dir.join("addr_trsvcid"), "4420");
            target.open(*port);
        }
        target
    }

    fn subsystem(&self) -> PathBuf {
        PathBuf::from(format!("{CONFIG}/subsystems/{}", self.nqn))
    }

    fn door(&self, port: u32) -> PathBuf {
        PathBuf::from(format!("{CONFIG}/ports/{port}/subsystems/{}", self.nqn))
    }

    fn open(&self, port: u32) {
        std::os::unix::fs::symlink(self.subsystem(), self.door(port)).unwrap();
    }

    fn close(&self, port: u32) {
        fs::remove_file(self.door(port)).unwrap();
    }

    fn add(&self, nsid: u32, uuid: &str) -> String {
        let file = self.dir.path().join(uuid);
        File::create(&file).unwrap().set_len(SIZE).unwrap();
        let disk = run("losetup", &["--find", "--show", file.to_str().unwrap()]);
        let dir = self.subsystem().join(format!("namespaces/{nsid}"));
        fs::create_dir(&dir).unwrap();
        set(dir.join("device_path"), &disk);
        set(dir.join("device_uuid"), uuid);
        set(dir.join("enable"), "1");
        disk
    }

    fn remove(&self, nsid: u32, disk: &str) {
        let dir = self.subsystem().join(format!("namespaces/{nsid}"));
        set(dir.join("enable"), "0");
        fs::remove_dir(&dir).unwrap();
        run("losetup", &["--detach", disk]);
    }

    fn grow(&self, nsid: u32, uuid: &str, disk: &str, size: u64) {
        File::options().write(true).open(self.dir.path().join(uuid)).unwrap().set_len(size).unwrap();
        run("losetup", &["--set-capacity", disk]);
        set(self.subsystem().join(format!("namespaces/{nsid}/revalidate_size")), "1");
    }

    fn end(self) {
        for port in &self.ports {
            let _ = fs::remove_file(self.door(*port));
            fs::remove_dir(format!("{CONFIG}/ports/{port}")).unwrap();
        }
        fs::remove_dir(self.subsystem()).unwrap();
    }

    fn old_keys(&self, nsid: &str) -> Value {
        json!({
            "driver_volume_type": "nvmeof", "nqn": self.nqn, "transport_type": "tcp",
            "target_portal": "127.0.0.1", "target_port": "4420", "ns_id": nsid,
        })
    }

    fn new_keys(&self, uuid: &str) -> Value {
        json!({
            "driver_volume_type": "nvmeof", "target_nqn": self.nqn, "vol_uuid": uuid, "ns_id": 10,
            "portals": [["127.0.0.1", "4420", "tcp"], ["127.0.0.2", 4420, "tcp"]],
        })
    }
}

fn parse(info: &Value, volume: &str) -> Connection {
    let info: Map<String, Value> = info.as_object().unwrap().clone();
    Connection::parse(&info, volume).unwrap()
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|n| n.starts_with("nvme"));
    names.sort();
    names
}

fn controllers() -> usize {
    names("/sys/class/nvme-fabrics/ctl").len()
}

fn within(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{what}: {} ms", started.elapsed().as_millis());
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    println!("{what}: {} ms", started.elapsed().as_millis());
    result
}

fn unmount(device: &BlockDevice, at: &Path) {
    host_storage::unmount(device, at).unwrap();
}

#[test]
#[ignore = "changes the machine: for a guest with nvmet-tcp"]
fn a_volume_comes_by_one_portal_is_used_grows_and_goes() {
    let machine = Machine::default();
    let nqn = format!("nqn.2014-08.org.nvmexpress.cinder-{VOLUME}");
    let target = Target::new(&nqn);
    let disk = target.add(10, VOLUME);
    let told = properties(&machine, "host-1", None, false);
    assert!(told["nqn"].as_str().unwrap().starts_with("nqn.2014-08.org.nvmexpress:uuid:"), "{told:?}");

    let connection = parse(&target.old_keys("10"), VOLUME);
    let device =
        timed("connect", || connect(&machine, &connection, VOLUME, SIZE).unwrap_or_else(|e| panic!("{e}")));
    assert_eq!(device.size(), SIZE);
    let path = device.path().to_owned();
    timed("connect again", || connect(&machine, &connection, VOLUME, SIZE).unwrap());
    assert_eq!(controllers(), 1);
    let Probe::Blank(proof) = host_storage::probe(device).unwrap() else { panic!("not blank") };
    host_storage::make_filesystem(proof, Filesystem::Ext4, uuid::Uuid::new_v4(), "").unwrap();
    let at = tempfile::tempdir().unwrap();
    let device = prove(&machine, &connection.link, &path, VOLUME, SIZE).unwrap();
    host_storage::mount(&device, Filesystem::Ext4, "", at.path()).unwrap();
    fs::write(at.path().join("data"), "kept").unwrap();

    let refused = disconnect(&machine, &connection.link, VOLUME).unwrap_err();
    assert!(refused.is_busy(), "{refused}");
    assert_eq!(fs::read(at.path().join("data")).unwrap(), b"kept");
    target.grow(10, VOLUME, &disk, 2 * SIZE);
    rescan(&machine, &connection.link, VOLUME).unwrap();
    within("grow", || prove(&machine, &connection.link, &path, VOLUME, 2 * SIZE).is_ok());
    let old = prove(&machine, &connection.link, &path, VOLUME, SIZE).unwrap_err();
    assert!(matches!(old, Error::WrongDevice { .. }), "{old}");
    unmount(&device, at.path());
    drop(device);
    timed("disconnect", || disconnect(&machine, &connection.link, VOLUME).unwrap());
    assert_eq!((names("/sys/block"), controllers()), (Vec::new(), 0));
    disconnect(&machine, &connection.link, VOLUME).unwrap();

    // The same volume by both portals: one device, and one dead path does no harm.
    let connection = parse(&target.new_keys(VOLUME), VOLUME);
    let device = timed("connect twice", || connect(&machine, &connection, VOLUME, 2 * SIZE).unwrap());
    assert_eq!(controllers(), 2);
    println!("{:?}", names("/sys/block"));
    let path = device.path().to_owned();
    host_storage::mount(&device, Filesystem::Ext4, "", at.path()).unwrap();
    assert_eq!(fs::read(at.path().join("data")).unwrap(), b"kept");
    target.close(1);
    fs::write(at.path().join("more"), "by the other path").unwrap();
    timed("write with one path down", || host_storage::flush(at.path()).unwrap());
    prove(&machine, &connection.link, &path, VOLUME, 2 * SIZE).unwrap();
    timed("connect with one path down", || connect(&machine, &connection, VOLUME, 2 * SIZE).unwrap());
    unmount(&device, at.path());
    drop(device);
    timed("disconnect with one path down", || disconnect(&machine, &connection.link, VOLUME).unwrap());
    assert_eq!((names("/sys/block"), controllers()), (Vec::new(), 0));

    let device = timed("connect by one of two", || connect(&machine, &connection, VOLUME, 2 * SIZE).unwrap());
    assert_eq!(controllers(), 1);
    drop(device);
    disconnect(&machine, &connection.link, VOLUME).unwrap();
    target.close(2);
    let error = timed("no portal", || connect(&machine, &connection, VOLUME, SIZE).unwrap_err().to_string());
    assert!(error.contains("no portal of"), "{error}");
    target.open(1);
    target.remove(10, &disk);
    target.end();
}

#[test]
#[ignore = "changes the machine: for a guest with nvmet-tcp"]
fn two_volumes_of_one_subsystem_come_and_go_by_themselves() {
    let machine = Machine::default();
    let target = Target::new("nqn.2014-08.org.nvmexpress.cinder-host-1");
    let first_disk = target.add(10, VOLUME);
    let _ = properties(&machine, "host-1", None, false);
    let first = parse(&target.old_keys("10"), VOLUME);
    let device = connect(&machine, &first, VOLUME, SIZE).unwrap_or_else(|e| panic!("{e}"));
    let second_disk = target.add(11, SECOND);
    let second = parse(&target.new_keys(SECOND), SECOND);
    let other = timed("connect a second volume", || connect(&machine, &second, SECOND, SIZE).unwrap());
    assert_ne!(device.number(), other.number());
    let wrong = prove(&machine, &first.link, other.path(), VOLUME, SIZE).unwrap_err();
    assert!(matches!(wrong, Error::WrongDevice { .. }), "{wrong}");
    let (path, other_path) = (device.path().to_owned(), other.path().to_owned());
    drop((device, other));

    disconnect(&machine, &first.link, VOLUME).unwrap();
    assert!(controllers() > 0);
    prove(&machine, &second.link, &other_path, SECOND, SIZE).unwrap();
    target.remove(10, &first_disk);
    within("the storage's unmapping shows", || !path.exists());

    // The number is used again, for another volume.
    let reused = target.add(10, "7f0f0f0f-1111-4222-8333-444444444444");
    let error = timed("a reused number", || connect(&machine, &first, VOLUME, SIZE).unwrap_err().to_string());
    assert!(error.contains("shows no namespace"), "{error}");
    target.remove(10, &reused);
    within("unmapped", || names("/sys/block").iter().filter(|n| !n.contains('c')).count() == 1);
    timed("disconnect the last", || disconnect(&machine, &second.link, SECOND).unwrap());
    assert_eq!((names("/sys/block"), controllers()), (Vec::new(), 0));
    target.remove(11, &second_disk);
    target.end();
}
