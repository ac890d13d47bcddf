//! Two ways to one unit. tgt listens on every address, so each one of the loopback interface is a portal.

use std::os::unix::fs::FileExt;
use std::process::{Child, Command};

use host_storage::connector::{self, Machine};
use host_storage::{Filesystem, mount, unmount};

use crate::target::{Target, daemon, run, wait};
use crate::{
    VOLUME, assert_nothing_is_left, by_portals, connect, disconnect, filesystem_on, here, names, prove,
};

const PORTALS: [&str; 2] = ["127.0.0.1:3260", "127.0.0.2:3260"];

/// multipathd, and udev, without which it takes no paths.
struct Daemons(Vec<Child>);

impl Daemons {
    fn start() -> Self {
        run("modprobe", &["-a", "dm_multipath", "dm_service_time"]);
        std::fs::create_dir_all("/run/udev").unwrap();
        let daemons = Self(vec![
            daemon("/usr/lib/systemd/systemd-udevd", "--resolve-names=late"),
            daemon("multipathd", "-d"),
        ]);
        wait(|| {
            let asked = Command::new("multipathd").args(["show", "daemon"]).output().unwrap();
            asked.status.success() && asked.stdout.starts_with(b"pid")
        });
        daemons
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn maps() -> Vec<String> {
    names("/sys/block").into_iter().filter(|n| n.starts_with("dm-")).collect()
}

#[test]
#[ignore = "needs a guest with open-iscsi, tgt, multipath-tools and udev"]
fn two_ways_are_one_device_that_survives_the_loss_of_one() {
    let mut target = Target::start(&[(1, "a", 64)]);
    let _daemons = Daemons::start();
    let wanted = by_portals(&PORTALS);
    let (device, link) = connect(&wanted, 64).unwrap();
    println!("{link:?}");
    assert!(device.path().starts_with("/dev") && maps().len() == 1, "{:?} {:?}", device.path(), maps());
    let map = maps().concat();
    let slaves = names(&format!("/sys/block/{map}/slaves"));
    assert_eq!((slaves.len(), here().1, here().2), (2, 2, 2));
    let path = filesystem_on(device);
    let dir = tempfile::tempdir().unwrap();
    mount(&prove(&link, &path, 64).unwrap(), Filesystem::Ext4, "", dir.path()).unwrap();
    assert!(disconnect(&link).unwrap_err().is_busy());

    // One way is gone: what is written goes by the other.
    std::fs::write(format!("/sys/block/{}/device/state", slaves[0]), "offline\n").unwrap();
    let file = std::fs::File::create(dir.path().join("file")).unwrap();
    file.write_all_at(&[7; 1 << 20], 0).and_then(|()| file.sync_all()).unwrap();
    drop(file);
    std::fs::write(format!("/sys/block/{}/device/state", slaves[0]), "running\n").unwrap();

    target.become_one_of(&[(1, "a", 96)]);
    connector::rescan(&Machine::default(), &link, VOLUME).unwrap();
    let device = prove(&link, &path, 96).expect("the map has grown, too");
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), vec![7; 1 << 20]);
    unmount(&device, dir.path()).unwrap();
    drop(device);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
    assert!(maps().is_empty() && !path.exists());
    let known = std::fs::read_to_string("/etc/multipath/wwids").unwrap_or_default();
    assert!(!known.lines().any(|l| l.starts_with('/')), "multipathd still knows it: {known}");

    for round in 0..3 {
        let (device, link) = connect(&wanted, 96).unwrap();
        let slaves = names(&format!("/sys/block/{}/slaves", maps().concat()));
        assert_eq!(slaves.len(), 2);
        drop(device);
        if round == 1 {
            // A way that is dead when all is taken away.
            std::fs::write(format!("/sys/block/{}/device/state", slaves[0]), "offline\n").unwrap();
        }
        disconnect(&link).unwrap();
        assert_nothing_is_left();
    }
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn without_multipathd_one_of_two_ways_is_used() {
    let _target = Target::start(&[(1, "a", 64)]);
    let wanted = by_portals(&["127.0.0.3:3999", PORTALS[1]]);
    let (device, link) = connect(&wanted, 64).unwrap();
    assert_eq!((here().0.len(), here().1, here().2), (1, 1, 1));
    assert!(device.path().to_string_lossy().starts_with("/dev/sd"));
    drop(device);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
}
