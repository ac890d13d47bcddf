//! A target of tgt in this guest, and iscsid.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const TARGET: &str = "iqn.2010-10.org.openstack:volume-test";
pub(crate) const INITIATOR: &str = "iqn.2024-01.com.example:host";
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "secretsecret";

/// A unit: its number, its name and its size in MiB.
pub(crate) type Unit = (u32, &'static str, u64);

/// One target with CHAP; it ends with this, and so does iscsid.
pub(crate) struct Target {
    dir: tempfile::TempDir,
    tgtd: Child,
    iscsid: Child,
}

impl Target {
    pub(crate) fn start(units: &[Unit]) -> Self {
        let iscsid = initiator();
        let target = Self { dir: tempfile::tempdir().unwrap(), tgtd: tgtd(), iscsid };
        target.make(units);
        target
    }

    /// Nobody may log in before all of it is there.
    fn make(&self, units: &[Unit]) {
        wait(|| {
            Command::new("tgtadm").args(["--op", "show", "--mode", "sys"]).output().unwrap().status.success()
        });
        tgtadm(&["--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET]);
        tgtadm(&["--op", "new", "--mode", "account", "--user", USER, "--password", PASSWORD]);
        tgtadm(&["--op", "bind", "--mode", "account", "--tid", "1", "--user", USER]);
        for unit in units {
            self.unit(*unit);
        }
        tgtadm(&["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"]);
    }

    /// Ends it without a word to anybody.
    pub(crate) fn kill(&mut self) {
        self.tgtd.kill().unwrap();
        self.tgtd.wait().unwrap();
    }

    pub(crate) fn restart(&mut self, units: &[Unit]) {
        self.tgtd = tgtd();
        self.make(units);
    }

    /// A target that was away for a moment, and has other units by now.
    pub(crate) fn become_one_of(&mut self, units: &[Unit]) {
        self.kill();
        self.restart(units);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// With a serial number of its own.
    fn unit(&self, (lun, name, mib): Unit) {
        let (file, lun) = (self.file(name), lun.to_string());
        let data = File::options().create(true).append(true).open(&file).unwrap();
        if data.metadata().unwrap().len() < mib * MIB {
            data.set_len(mib * MIB).unwrap();
        }
        let path = file.to_str().unwrap();
        tgtadm(&["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", &lun, "-b", path]);
        let serial = format!("scsi_sn={name},scsi_id={name}");
        tgtadm(&[
            "--op",
            "update",
            "--mode",
            "logicalunit",
            "--tid",
            "1",
            "--lun",
            &lun,
            "--params",
            &serial,
        ]);
    }

    /// The start of a unit that is not served.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let file = File::options().create(true).truncate(false).write(true).open(self.file(name)).unwrap();
        file.write_all_at(bytes, 0).and_then(|()| file.sync_all()).unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        for child in [&mut self.tgtd, &mut self.iscsid] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts iscsid, under a name of this host.
pub(crate) fn initiator() -> Child {
    let guest = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    assert!(guest.contains("lab_name="), "these tests want a guest of their own");
    run("modprobe", &["-a", "iscsi_tcp", "sd_mod"]);
    std::fs::write("/etc/iscsi/initiatorname.iscsi", format!("InitiatorName={INITIATOR}\n")).unwrap();
    daemon("iscsid", "-f")
}

pub(crate) fn daemon(program: &str, foreground: &str) -> Child {
    Command::new(program)
        .arg(foreground)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A socket of a killed one must not be there when the next one is asked.
fn tgtd() -> Child {
    for name in ["/run/tgtd/socket.0", "/run/tgtd.ipc_abstract_namespace.0", "/var/run/tgtd/socket.0"] {
        let _ = std::fs::remove_file(Path::new(name));
    }
    daemon("tgtd", "-f")
}

fn tgtadm(args: &[&str]) {
    run("tgtadm", &[&["--lld", "iscsi"], args].concat());
}

pub(crate) fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn wait(mut ready: impl FnMut() -> bool) {
    for _ in 0..200 {
        if ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not ready in time");
}
