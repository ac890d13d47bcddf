//! A machine that looks like one: a sysfs that answers, open-iscsi and multipathd as small programs, disks that are loop
//! devices. For tests; they need root and util-linux.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Machine;
use super::scsi::{Address, Patience};

pub(crate) const SIZE: u64 = 4 << 20;
pub(crate) const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";

const ISCSIADM: &str = include_str!("fake/iscsiadm.sh");
const MULTIPATHD: &str = include_str!("fake/multipathd.sh");

/// The machine; all of it is gone when this is dropped.
pub(crate) struct Fake {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) machine: Machine,
    units: Arc<Mutex<BTreeMap<u64, String>>>,
    stop: Arc<AtomicBool>,
    kernel: Option<JoinHandle<()>>,
}

/// Short ones.
pub(crate) fn patience() -> Patience {
    let short = Duration::from_millis(400);
    Patience { appear: short, gone: short, session: short, turn: short, map: short, free: short }
}

impl Fake {
    /// With storage that shows these units, each with what it says of itself.
    pub(crate) fn new(units: &[(u64, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        for sub in [
            "dev",
            "etc/iscsi",
            "var/lib/iscsi",
            "run/lock",
            "usr/sbin",
            "sys/bus/scsi/devices",
            "sys/class/iscsi_session",
            "sys/class/iscsi_connection",
            "sys/class/scsi_host",
            "sys/class/fc_host",
            "sys/class/fc_remote_ports",
            "sys/block",
            "sys/dev/block",
        ] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        for (name, text) in [("iscsiadm", ISCSIADM), ("multipathd", MULTIPATHD), ("multipath", MULTIPATHD)] {
            let path = root.join("usr/sbin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let units = Arc::new(Mutex::new(units.iter().map(|(l, n)| (*l, (*n).to_owned())).collect()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut kernel = Kernel { root, units: Arc::clone(&units), loops: BTreeMap::new() };
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                kernel.step();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { machine: Machine::at(dir.path()), dir, units, stop, kernel: Some(thread) }
    }

    /// The storage shows another unit there, or none.
    pub(crate) fn show(&self, lun: u64, name: Option<&str>) {
        let mut units = self.units.lock().unwrap();
        match name {
            Some(name) => units.insert(lun, name.to_owned()),
            None => units.remove(&lun),
        };
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn until(&self, done: impl Fn() -> bool) {
        for _ in 0..1000 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("not in time");
    }

    /// Names in a directory.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        crate::sysfs::names(&self.path(path))
    }

    /// What the programs were told, one line each.
    pub(crate) fn told(&self) -> Vec<String> {
        self.text("told").lines().map(str::to_owned).collect()
    }

    /// A port of this host and one of the storage's that it sees.
    pub(crate) fn fibre_channel(&self, host: u32, own: &str, remote: &str) {
        self.write(&format!("sys/class/fc_host/host{host}/port_name"), own);
        self.write(&format!("sys/class/fc_host/host{host}/port_state"), "Online\n");
        self.write(&format!("sys/class/scsi_host/host{host}/scan"), "");
        let rport = format!("sys/class/fc_remote_ports/rport-{host}:0-2");
        self.write(&format!("{rport}/port_name"), remote);
        self.write(&format!("{rport}/port_state"), "Online\n");
        self.write(&format!("{rport}/scsi_target_id"), "5\n");
        self.write(&format!("sys/class/fc_remote_ports/rport-{host}:0-1/port_name"), "0x1111111111111111");
        self.write(&format!("sys/class/fc_remote_ports/rport-{host}:0-1/scsi_target_id"), "-1\n");
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(kernel) = self.kernel.take() {
            let _ = kernel.join();
        }
    }
}

/// Answers what is written into sysfs.
struct Kernel {
    root: PathBuf,
    units: Arc<Mutex<BTreeMap<u64, String>>>,
    loops: BTreeMap<String, Loop>,
}

struct Loop {
    device: PathBuf,
    number: String,
}

impl Loop {
    fn new(file: &Path) -> Self {
        fs::File::create(file).unwrap().set_len(SIZE).unwrap();
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let device = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let dev = Path::new("/sys/block").join(device.file_name().unwrap()).join("dev");
        Self { number: fs::read_to_string(dev).unwrap().trim().to_owned(), device }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

impl Kernel {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn step(&mut self) {
        for host in crate::sysfs::names(&self.at("sys/class/scsi_host")) {
            let scan = self.at("sys/class/scsi_host").join(&host).join("scan");
            let Some(order) = crate::sysfs::text(&scan) else { continue };
            fs::write(&scan, "").unwrap();
            let address = format!("{}:{}", host.trim_start_matches("host"), order.replace(' ', ":"));
            let address = Address::parse(&address).unwrap();
            let unit = self.units.lock().unwrap().get(&address.lun).cloned();
            if let Some(unit) = unit {
                self.add(address, &unit);
            }
        }
        for name in crate::sysfs::names(&self.at("sys/bus/scsi/devices")) {
            let dir = self.at("sys/bus/scsi/devices").join(&name);
            let address = Address::parse(&name).unwrap();
            let block = crate::sysfs::names(&dir.join("block")).concat();
            if !self.at(&format!("sys/class/scsi_host/host{}", address.host)).exists()
                || crate::sysfs::text(&dir.join("delete")).is_some()
            {
                let _ = fs::remove_file(self.at("dev").join(&block));
                let _ = fs::remove_dir_all(&dir);
                self.loops.remove(&block);
            } else if crate::sysfs::text(&dir.join("rescan")).is_some() {
                if let Some(unit) = self.units.lock().unwrap().get(&address.lun) {
                    fs::write(dir.join("wwid"), format!("naa.{unit}\n")).unwrap();
                }
                fs::write(dir.join("rescan"), "").unwrap();
            }
        }
        self.multipath();
    }

    fn add(&mut self, address: Address, unit: &str) {
        let dir = self.at("sys/bus/scsi/devices").join(address.to_string());
        if dir.exists() {
            return;
        }
        let block = ["sda", "sdb", "sdc", "sdd"].into_iter().find(|b| !self.loops.contains_key(*b)).unwrap();
        let part = self.at("part");
        fs::create_dir_all(part.join("block").join(block).join("holders")).unwrap();
        let disk = self.make(block);
        for (name, text) in [
            ("wwid", format!("naa.{unit}\n")),
            ("state", "running\n".into()),
            ("type", "0\n".into()),
            ("delete", String::new()),
            ("rescan", String::new()),
            (&format!("block/{block}/dev"), disk),
        ] {
            fs::write(part.join(name), text).unwrap();
        }
        fs::rename(part, dir).unwrap();
    }

    /// A block device of that name; its number.
    fn make(&mut self, block: &str) -> String {
        let new = Loop::new(&self.root.join(format!("{block}.img")));
        symlink(&new.device, self.at("dev").join(block)).unwrap();
        let number = new.number.clone();
        self.loops.insert(block.to_owned(), new);
        number
    }

    /// `paths` are those that multipathd was told of.
    fn multipath(&mut self) {
        let wanted = crate::sysfs::text(&self.at("paths")).unwrap_or_default();
        let disks = self.at("sys/bus/scsi/devices");
        let map = self.at("sys/block/dm-0");
        let devices = crate::sysfs::names(&disks);
        let holders = devices.iter().flat_map(|d| {
            let block = crate::sysfs::names(&disks.join(d).join("block")).concat();
            let dir = disks.join(d).join("block").join(&block);
            wanted.lines().any(|l| l == block).then_some((block, dir))
        });
        let holders: Vec<_> = holders.collect();
        if holders.is_empty() {
            if let Some(dm) = self.loops.remove("dm-0") {
                let _ = fs::remove_file(self.at("sys/dev/block").join(&dm.number));
                let _ = fs::remove_file(self.at("dev/dm-0"));
                let _ = fs::remove_dir_all(&map);
                for device in devices {
                    let block = crate::sysfs::names(&disks.join(&device).join("block")).concat();
                    let _ =
                        fs::remove_file(disks.join(device).join("block").join(block).join("holders/dm-0"));
                }
            }
            return;
        }
        if !self.loops.contains_key("dm-0") {
            fs::create_dir_all(map.join("slaves")).unwrap();
            fs::create_dir_all(map.join("dm")).unwrap();
            fs::write(map.join("dm/name"), "mpatha\n").unwrap();
            fs::write(map.join("dm/uuid"), "mpath-360\n").unwrap();
            let number = self.make("dm-0");
            fs::write(map.join("dev"), &number).unwrap();
            symlink("../../block/dm-0", self.at("sys/dev/block").join(number)).unwrap();
        }
        for (block, dir) in holders {
            let _ = symlink(&dir, map.join("slaves").join(&block));
            let _ = fs::write(dir.join("holders/dm-0"), "");
        }
    }
}
