//! The kernel's own target, which Cinder's LVM driver uses by default: one target per volume, whose disk grows while it is
//! connected.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use host_storage::connector::{self, Link, Machine};
use host_storage::{Filesystem, mount, unmount};
use serde_json::json;

use crate::target::{INITIATOR, MIB, PASSWORD, USER, initiator, run};
use crate::{VOLUME, assert_nothing_is_left, connect, disconnect, filesystem_on, parse, prove};

const TARGET: &str = "iqn.2010-10.org.openstack:volume-5f0f0f0f-1111-4222-8333-444444444444";
const CONFIG: &str = "/sys/kernel/config/target";

/// Unit 0 on a loop device, for one initiator with CHAP.
struct Lio {
    dir: tempfile::TempDir,
    device: PathBuf,
    iscsid: Child,
}

impl Lio {
    fn start(mib: u64) -> Self {
        let iscsid = initiator();
        run("modprobe", &["-a", "target_core_mod", "target_core_iblock", "iscsi_target_mod"]);
        let _ = Command::new("mount").args(["-t", "configfs", "none", "/sys/kernel/config"]).output();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("volume");
        fs::File::create(&file).unwrap().set_len(mib * MIB).unwrap();
        let shown = Command::new("losetup").args(["--find", "--show"]).arg(&file).output().unwrap();
        let device = PathBuf::from(String::from_utf8(shown.stdout).unwrap().trim());
        let lio = Self { dir, device, iscsid };
        lio.make();
        lio
    }

    fn make(&self) {
        let core = Path::new(CONFIG).join("core/iblock_0/volume");
        fs::create_dir_all(&core).unwrap();
        let write =
            |path: PathBuf, text: &str| fs::write(&path, text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        write(core.join("control"), &format!("udev_path={}", self.device.display()));
        write(core.join("enable"), "1");
        write(core.join("wwn/vpd_unit_serial"), VOLUME);
        let group = Path::new(CONFIG).join("iscsi").join(TARGET).join("tpgt_1");
        for sub in ["lun/lun_0", "np/127.0.0.1:3260", "acls"] {
            fs::create_dir_all(group.join(sub)).unwrap();
        }
        symlink(&core, group.join("lun/lun_0/volume")).unwrap();
        let acl = group.join("acls").join(INITIATOR);
        fs::create_dir(&acl).unwrap();
        fs::create_dir(acl.join("lun_0")).unwrap();
        symlink(group.join("lun/lun_0"), acl.join("lun_0/mapped")).unwrap();
        write(acl.join("auth/userid"), USER);
        write(acl.join("auth/password"), PASSWORD);
        write(group.join("attrib/authentication"), "1");
        write(group.join("enable"), "1");
    }

    fn grow(&self, mib: u64) {
        fs::File::options()
            .write(true)
            .open(self.dir.path().join("volume"))
            .unwrap()
            .set_len(mib * MIB)
            .unwrap();
        run("losetup", &["--set-capacity", self.device.to_str().unwrap()]);
    }
}

impl Drop for Lio {
    fn drop(&mut self) {
        let group = Path::new(CONFIG).join("iscsi").join(TARGET).join("tpgt_1");
        let _ = fs::write(group.join("enable"), "0");
        let acl = group.join("acls").join(INITIATOR);
        let _ = fs::remove_file(acl.join("lun_0/mapped"));
        let _ = fs::remove_file(group.join("lun/lun_0/volume"));
        for dir in
            [acl.join("lun_0"), acl, group.join("lun/lun_0"), group.join("np/127.0.0.1:3260"), group.clone()]
        {
            let _ = fs::remove_dir(dir);
        }
        let _ = fs::remove_dir(Path::new(CONFIG).join("iscsi").join(TARGET));
        let _ = fs::remove_dir(Path::new(CONFIG).join("core/iblock_0/volume"));
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).output();
        let _ = self.iscsid.kill();
        let _ = self.iscsid.wait();
    }
}

#[test]
#[ignore = "needs a guest with open-iscsi and the kernel's target"]
fn a_volume_of_the_kernels_target_grows_while_it_is_mounted() {
    let lio = Lio::start(64);
    let wanted = parse(&json!({
        "driver_volume_type": "iscsi", "target_discovered": false, "target_portal": "127.0.0.1:3260",
        "target_iqn": TARGET, "target_lun": 0, "auth_method": "CHAP", "auth_username": USER,
        "auth_password": PASSWORD,
    }));
    let (device, link) = connect(&wanted, 64).unwrap();
    println!("{link:?}");
    let Link::Iscsi(known) = &link else { panic!("{link:?}") };
    assert_eq!(known.identity.as_ref().unwrap().serial.as_deref(), Some(VOLUME));
    let path = filesystem_on(device);
    let dir = tempfile::tempdir().unwrap();
    mount(&prove(&link, &path, 64).unwrap(), Filesystem::Ext4, "", dir.path()).unwrap();
    lio.grow(96);
    connector::rescan(&Machine::default(), &link, VOLUME).unwrap();
    let device = prove(&link, &path, 96).unwrap();
    unmount(&device, dir.path()).unwrap();
    drop(device);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
    drop(lio);
}
