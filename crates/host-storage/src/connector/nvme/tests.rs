//! A tree that looks like the kernel's, whose block devices are loop devices. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Mutex;

use os::loop_device::{LoopControl, LoopDevice, LoopOptions};
use rustix::fs::{FileType, Mode};
use serde_json::{Map, Value, json};

use super::*;

const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
const OTHER: &str = "6f0f0f0f-1111-4222-8333-444444444444";
const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:4c4c4544-0042-3510-8053-b4c04f4a3132";
const SHARED: &str = "nqn.2014-08.org.nvmexpress.cinder-host-1";
const SIZE: u64 = 8 << 20;

fn info(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn new_keys(nqn: &str) -> Map<String, Value> {
    info(json!({
        "target_nqn": nqn, "vol_uuid": VOLUME, "ns_id": 10,
        "portals": [["10.0.0.5", "4420", "tcp"], ["10.0.1.5", 4420, "TCP"], ["10.0.0.5", 4420, "RoCEv2"]],
    }))
}

fn old_keys(nqn: &str) -> Map<String, Value> {
    info(json!({
        "nqn": nqn, "transport_type": "tcp", "target_portal": "10.0.0.5", "target_port": "4420", "ns_id": "10",
    }))
}

fn link(info: &Map<String, Value>) -> NvmeLink {
    NvmeLink::parse(info, VOLUME).unwrap()
}

struct Tree {
    dir: tempfile::TempDir,
    machine: Machine,
    /// Portals that answer.
    open: Vec<&'static str>,
    /// What a subsystem shows once it is connected: name, NQN, UUID, number.
    shows: Vec<(&'static str, String, &'static str, u32)>,
    connects: Mutex<Vec<String>>,
    orders: Mutex<Vec<String>>,
    disks: Mutex<Vec<LoopDevice>>,
}

impl Tree {
    fn new(shows: &[(&'static str, &str, &'static str, u32)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Self {
            machine: Machine::at(dir.path()),
            dir,
            open: vec!["10.0.0.5", "10.0.1.5"],
            shows: shows.iter().map(|(name, nqn, uuid, id)| (*name, (*nqn).to_owned(), *uuid, *id)).collect(),
            connects: Mutex::default(),
            orders: Mutex::default(),
            disks: Mutex::default(),
        };
        tree.write("etc/nvme/hostnqn", HOST);
        tree.write("sys/module/nvme_core/parameters/multipath", "Y");
        fs::create_dir_all(tree.dir.path().join("dev")).unwrap();
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    fn controller(&self, address: &str, nqn: &str, host: &str, state: &str) {
        let base = "sys/class/nvme-fabrics/ctl";
        let index = self.controllers().len();
        for (attribute, text) in [
            ("subsysnqn", nqn),
            ("transport", "tcp"),
            ("address", &format!("traddr={address},trsvcid=4420,src_addr=10.0.0.9")),
            ("hostnqn", host),
            ("state", state),
        ] {
            self.write(&format!("{base}/nvme{index}/{attribute}"), text);
        }
    }

    fn controllers(&self) -> Vec<PathBuf> {
        let base = self.dir.path().join("sys/class/nvme-fabrics/ctl");
        let mut found: Vec<_> = fs::read_dir(base).into_iter().flatten().map(|e| e.unwrap().path()).collect();
        found.sort();
        found
    }

    fn namespace(&self, name: &str, nqn: &str, uuid: &str, nsid: u32) {
        let node = self.dir.path().join("dev").join(name);
        if !node.exists() {
            let file = tempfile::tempfile().unwrap();
            file.set_len(SIZE).unwrap();
            let options = LoopOptions { autoclear: true, ..LoopOptions::default() };
            let disk = LoopControl::open().unwrap().attach(&file, &options).unwrap();
            let number = fs::metadata(disk.path()).unwrap().rdev();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &node,
                FileType::BlockDevice,
                Mode::RUSR | Mode::WUSR,
                number,
            )
            .unwrap();
            self.disks.lock().unwrap().push(disk);
        }
        let number = crate::DeviceNumber::from_raw(fs::metadata(&node).unwrap().rdev());
        for (attribute, text) in [
            ("device/subsysnqn", nqn),
            ("uuid", uuid),
            ("nguid", "00000000-0000-0000-0000-000000000000"),
            ("nsid", &nsid.to_string()),
            ("size", &(SIZE / 512).to_string()),
            ("dev", &number.to_string()),
        ] {
            self.write(&format!("sys/block/{name}/{attribute}"), text);
        }
    }

    fn device(&self, name: &str) -> PathBuf {
        self.dir.path().join("dev").join(name)
    }

    fn with<'a>(&'a self, link: &'a NvmeLink) -> Nvme<'a> {
        let patience = Duration::from_millis(400);
        Nvme { machine: &self.machine, link, volume: VOLUME, kernel: self, patience }
    }

    fn orders(&self) -> Vec<String> {
        std::mem::take(&mut self.orders.lock().unwrap())
    }
}

impl Kernel for Tree {
    fn prepare(&self, _: &Machine) -> Result<()> {
        Ok(())
    }

    fn answers(&self, portal: NvmePortal) -> std::io::Result<()> {
        let open = self.open.iter().any(|a| *a == portal.address.to_string());
        if open { Ok(()) } else { Err(ErrorKind::ConnectionRefused.into()) }
    }

    fn connect(&self, _: &Machine, options: &str) -> std::io::Result<()> {
        let mut connects = self.connects.lock().unwrap();
        connects.push(options.to_owned());
        let part = |key: &str| options.split(',').find_map(|p| p.strip_prefix(key)).unwrap();
        self.controller(part("traddr="), part("nqn="), part("hostnqn="), "live");
        for (name, nqn, uuid, nsid) in self.shows.iter().filter(|s| s.1 == part("nqn=")) {
            self.namespace(name, nqn, uuid, *nsid);
        }
        Ok(())
    }

    fn order(&self, attribute: &Path) -> std::io::Result<()> {
        self.orders.lock().unwrap().push(attribute.file_name().unwrap().to_string_lossy().into_owned());
        if attribute.ends_with("delete_controller") {
            let dir = attribute.parent().unwrap();
            let nqn = fs::read_to_string(dir.join("subsysnqn")).unwrap();
            fs::remove_dir_all(dir).unwrap();
            if self.controllers().iter().all(|c| fs::read_to_string(c.join("subsysnqn")).unwrap() != nqn) {
                for (name, ..) in self.shows.iter().filter(|s| s.1 == nqn.trim()) {
                    let _ = fs::remove_dir_all(self.dir.path().join("sys/block").join(name));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn old_and_new_keys_say_the_same() {
    let new = link(&new_keys("nqn.x"));
    let portal = |address: &str| NvmePortal { address: address.parse().unwrap(), port: 4420 };
    assert_eq!(new.portals, [portal("10.0.0.5"), portal("10.0.1.5")]);
    assert_eq!(new.uuid.as_deref(), Some("5f0f0f0f111142228333444444444444"));
    let old = link(&old_keys("nqn.x"));
    assert_eq!((old.portals.as_slice(), old.nsid), ([portal("10.0.0.5")].as_slice(), Some(10)));
    let text = serde_json::to_string(&crate::connector::Link::Nvme(new.clone())).unwrap();
    assert!(text.starts_with(r#"{"driver":"nvme","#), "{text}");
    assert_eq!(
        serde_json::from_str::<crate::connector::Link>(&text).unwrap(),
        crate::connector::Link::Nvme(new)
    );
}

#[test]
fn what_cinder_26_says_of_its_nvmet_target_is_served() {
    let nqn = format!("nqn.iqn.2010-10.org.openstack:-{VOLUME}");
    let said = info(json!({
        "access_mode": "rw", "attachment_id": "356eb271-9d3c-4d53-8e2f-0a5d7a9f7a10", "cacheable": false,
        "driver_volume_type": "nvmeof", "encrypted": false, "enforce_multipath": false, "nqn": nqn, "ns_id": "10",
        "qos_specs": null, "target_port": "4420", "target_portal": "10.0.0.5", "transport_type": "tcp",
    }));
    let connection = crate::connector::Connection::parse(&said, VOLUME).unwrap();
    let crate::connector::Link::Nvme(link) = connection.link else { panic!("{:?}", connection.link) };
    // The device is not named after the number.
    let tree = Tree::new(&[("nvme0n1", &nqn, VOLUME, 10)]);
    tree.write("sys/block/nvme0c0n1/device/subsysnqn", &nqn);
    let device = tree.with(&link).connect(SIZE).unwrap();
    assert_eq!(device.path(), tree.device("nvme0n1"));
    drop(device);
    fs::remove_dir_all(tree.dir.path().join("sys/block/nvme0c0n1")).unwrap();
    tree.with(&link).disconnect().unwrap();
    assert!(tree.controllers().is_empty());
}

#[test]
fn what_cannot_be_served_is_refused_with_the_reason() {
    let refused = |key: &str, value: Value| {
        let mut info = old_keys("nqn.x");
        info.insert(key.into(), value);
        NvmeLink::parse(&info, VOLUME).unwrap_err().to_string()
    };
    assert!(refused("transport_type", json!("rdma")).contains("this host only over tcp"));
    assert!(refused("nqn", json!("nqn.x,hostnqn=y")).contains("no NVMe qualified name"));
    assert!(refused("target_portal", json!("storage.local")).contains("no IP address and port"));
    assert!(refused("target_port", json!(70000)).contains("no IP address and port"));
    assert!(refused("ns_id", json!(null)).contains("nothing tells which namespace"));
    assert!(refused("volume_replicas", json!([{}, {}])).contains("2 replicas"));
    let mut portals = new_keys("nqn.x");
    portals["portals"] = json!([["10.0.0.5", 4420, "RoCEv2"]]);
    assert!(NvmeLink::parse(&portals, VOLUME).unwrap_err().to_string().contains("RoCEv2"));
}

#[test]
fn two_portals_become_two_controllers_and_one_device() {
    let tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10)]);
    let link = link(&new_keys("nqn.x"));
    let device = tree.with(&link).connect(SIZE).unwrap();
    assert_eq!((device.path(), device.size()), (tree.device("nvme0n1").as_path(), SIZE));
    let mut connects = tree.connects.lock().unwrap().clone();
    connects.sort();
    let first =
        format!("nqn=nqn.x,transport=tcp,traddr=10.0.0.5,trsvcid=4420,hostnqn={HOST},ctrl_loss_tmo=-1");
    assert_eq!(connects, [first.clone(), first.replace("10.0.0.5", "10.0.1.5")]);
    drop(device);
    tree.with(&link).connect(SIZE).unwrap();
    assert_eq!(tree.connects.lock().unwrap().len(), 2, "what is connected is used");
    assert!(tree.orders().contains(&"rescan_controller".to_owned()));
}

#[test]
fn without_native_multipath_one_portal_is_enough_and_one_device_shows() {
    let tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10)]);
    tree.write("sys/module/nvme_core/parameters/multipath", "N");
    tree.with(&link(&new_keys("nqn.x"))).connect(SIZE).unwrap();
    assert_eq!(tree.connects.lock().unwrap().len(), 1);
}

#[test]
fn a_dead_portal_costs_a_path_and_all_dead_ones_the_volume() {
    let mut tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10)]);
    tree.open = vec!["10.0.1.5"];
    let link = link(&new_keys("nqn.x"));
    tree.with(&link).connect(SIZE).unwrap();
    assert_eq!(tree.controllers().len(), 1);
    let mut tree = Tree::new(&[]);
    tree.open = Vec::new();
    let error = tree.with(&link).connect(SIZE).unwrap_err().to_string();
    assert!(error.contains("10.0.0.5 port 4420") && error.contains("10.0.1.5 port 4420"), "{error}");
    assert!(tree.connects.lock().unwrap().is_empty());
}

#[test]
fn h58_a_reused_number_is_not_taken_for_the_volume() {
    // H58: one subsystem for all volumes of a host, whose number 10 was another volume's, or is by now.
    let tree = Tree::new(&[("nvme0n1", SHARED, OTHER, 10)]);
    let shared = link(&old_keys(SHARED));
    let error = tree.with(&shared).connect(SIZE).unwrap_err().to_string();
    assert!(error.contains("nvmeof_conn_info_version = 2"), "{error}");
    tree.namespace("nvme0n2", SHARED, VOLUME, 10);
    assert_eq!(tree.with(&shared).connect(SIZE).unwrap().path(), tree.device("nvme0n2"));
    // A subsystem of its own that is named after the volume leaves no doubt.
    let nqn = format!("nqn.2014-08.org.nvmexpress.cinder-{VOLUME}");
    let tree = Tree::new(&[("nvme0n1", &nqn, "00000000-0000-0000-0000-000000000000", 10)]);
    tree.with(&link(&old_keys(&nqn))).connect(SIZE).unwrap();
}

#[test]
fn the_nguid_tells_where_there_is_no_uuid() {
    let nguid = "00112233445566778899aabbccddeeff";
    let tree = Tree::new(&[("nvme0n1", "nqn.x", "", 1)]);
    let mut info = old_keys("nqn.x");
    info.insert("volume_nguid".into(), json!(nguid));
    let link = link(&info);
    assert!(tree.with(&link).connect(SIZE).is_err());
    tree.write("sys/block/nvme0n1/nguid", "00112233-4455-6677-8899-aabbccddeeff");
    // The kernel then shows it as UUID too.
    tree.write("sys/block/nvme0n1/uuid", "00112233-4455-6677-8899-aabbccddeeff");
    tree.with(&link).connect(SIZE).unwrap();
}

#[test]
fn the_proof_fails_for_another_namespace_size_or_node() {
    let tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10), ("nvme0n2", "nqn.x", OTHER, 11)]);
    let link = link(&new_keys("nqn.x"));
    tree.with(&link).connect(SIZE).unwrap();
    let prove = |name: &str, size: u64| tree.with(&link).prove(&tree.device(name), size);
    prove("nvme0n1", SIZE).unwrap();
    let anothers = |name: &str| is_anothers(&tree.machine, &link, &tree.device(name));
    assert!(anothers("nvme0n2") && !anothers("nvme0n1") && !anothers("nvme7n1"));
    for (name, size, text) in [
        ("nvme0n2", SIZE, "it is namespace 11 of nqn.x"),
        ("nvme0n1", SIZE * 2, "bytes instead of"),
        ("nvme7n1", SIZE, "no such namespace"),
    ] {
        let error = prove(name, size).unwrap_err();
        assert!(matches!(error, Error::WrongDevice { .. }) && error.to_string().contains(text), "{error}");
    }
    let error = tree.with(&link).connect(SIZE * 2).unwrap_err();
    assert!(matches!(error, Error::WrongDevice { .. }), "{error}");
    tree.write("sys/block/nvme0n1/dev", "259:99");
    assert!(prove("nvme0n1", SIZE).unwrap_err().to_string().contains("the path is device"));
}

#[test]
fn what_is_held_stays_connected_and_goes_when_it_is_free() {
    let tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10)]);
    let link = link(&new_keys("nqn.x"));
    tree.with(&link).connect(SIZE).unwrap();
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    let holder = File::options().read(true).custom_flags(exclusive).open(tree.device("nvme0n1")).unwrap();
    tree.orders();
    assert!(tree.with(&link).disconnect().unwrap_err().is_busy());
    assert!(tree.orders().is_empty());
    drop(holder);
    tree.controller("10.0.2.5", "nqn.y", HOST, "live");
    tree.with(&link).disconnect().unwrap();
    assert_eq!(tree.orders(), ["delete_controller", "delete_controller"]);
    assert_eq!(tree.controllers().len(), 1, "another subsystem's stays");
    tree.with(&link).disconnect().unwrap();
}

#[test]
fn a_subsystem_with_another_volume_stays_connected() {
    let tree = Tree::new(&[("nvme0n1", SHARED, VOLUME, 10)]);
    let shared = link(&new_keys(SHARED));
    tree.with(&shared).connect(SIZE).unwrap();
    // Its device is missing, a path to it is not.
    tree.write("sys/block/nvme0c1n2/device/subsysnqn", SHARED);
    tree.orders();
    tree.with(&shared).disconnect().unwrap();
    assert!(tree.orders().is_empty());
    fs::remove_dir_all(tree.dir.path().join("sys/block/nvme0c1n2")).unwrap();
    tree.with(&shared).disconnect().unwrap();
    assert_eq!(tree.orders().len(), 2);
}

#[test]
fn controllers_of_another_name_of_this_machine_are_not_ours_to_end() {
    let tree = Tree::new(&[("nvme0n1", "nqn.x", VOLUME, 10)]);
    let link = link(&new_keys("nqn.x"));
    tree.controller("10.0.0.5", "nqn.x", "nqn.another", "live");
    tree.with(&link).connect(SIZE).unwrap();
    assert_eq!(tree.controllers().len(), 3, "its controllers are not used either");
    tree.orders();
    let error = tree.with(&link).disconnect().unwrap_err().to_string();
    assert!(error.contains("another host NQN"), "{error}");
    assert_eq!(tree.controllers().len(), 1);
}

#[test]
fn a_connect_that_found_nothing_leaves_nothing() {
    let tree = Tree::new(&[]);
    let link = link(&new_keys("nqn.x"));
    assert!(tree.with(&link).connect(SIZE).unwrap_err().to_string().contains("shows no namespace"));
    assert_eq!(tree.controllers().len(), 2);
    tree.with(&link).disconnect().unwrap();
    assert!(tree.controllers().is_empty());
}
