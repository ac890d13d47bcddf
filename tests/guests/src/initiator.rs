//! What an instance does with volumes and shares by itself, without the plugin.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::vm::Guest;
use serde_json::{Value, json};

use crate::{Instance, text};

/// How long a device may take to appear and to go.
const PATIENCE: Duration = Duration::from_secs(20);
const NAME: &str = "/etc/iscsi/initiatorname.iscsi";
/// The guest's own disk, in user mode and emulated.
const OWN_DISKS: [&str; 2] = ["/dev/ubda", "/dev/vda"];
/// Of what lies on volumes and shares.
const TYPES: &str = "ext4,xfs,btrfs,nfs,nfs4";

impl Instance {
    /// Starts what a machine with storage has running: the manager of devices, the iSCSI initiator.
    ///
    /// # Errors
    /// What does not start.
    pub fn ready_for_storage(&self) -> Result<()> {
        self.guest.must(&["modprobe", "--all", "iscsi_tcp", "sd_mod", "nfsv4"])?;
        self.guest.must(&["/usr/lib/systemd/systemd-udevd", "--daemon"])?;
        self.guest.must(&["iscsid"]).map(drop)
    }

    /// The address of its card on the network for storage.
    ///
    /// # Errors
    /// When it has none.
    pub fn storage_address(&self) -> Result<&str> {
        let nic = self.guest.nics().iter().find(|nic| nic.tap().starts_with(lab::vm::SEGMENT));
        let address = nic.and_then(|nic| nic.options().addresses.first()).and_then(|a| a.split('/').next());
        address.with_context(|| format!("{} is not on the network for storage", self.name()))
    }

    /// What Cinder has to know of it to let it connect.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connector(&self) -> Result<Value> {
        let text = self.guest.must(&["cat", NAME])?;
        let initiator = text.strip_prefix("InitiatorName=").context("an initiator without a name")?;
        Ok(
            json!({"initiator": initiator, "host": self.name(), "ip": self.storage_address()?, "platform": "x86_64",
                  "os_type": "linux", "multipath": false, "mountpoint": "/dev/vdb"}),
        )
    }

    /// Logs in to the target that Cinder tells of, and waits for the device; its path.
    ///
    /// # Errors
    /// What `iscsiadm` says.
    pub fn log_in(&self, info: &Value) -> Result<String> {
        self.node(info, &["--op", "new"])?;
        for (name, value) in [
            ("authmethod", text(info, "/auth_method")),
            ("username", text(info, "/auth_username")),
            ("password", text(info, "/auth_password")),
        ] {
            let name = format!("node.session.auth.{name}");
            self.node(info, &["--op", "update", "--name", &name, "--value", value])?;
        }
        self.node(info, &["--login"])?;
        let lun = info.get("target_lun").and_then(Value::as_u64).context("no number of a unit")?;
        let (portal, target) = (text(info, "/target_portal"), text(info, "/target_iqn"));
        let path = format!("/dev/disk/by-path/ip-{portal}-iscsi-{target}-lun-{lun}");
        let end = Instant::now() + PATIENCE;
        while !self.guest.run(&["test", "-b", &path])?.status.success() {
            if Instant::now() > end {
                let disks = self.guest.run(&["find", "/dev/disk/by-path"])?;
                bail!(
                    "{path} does not appear in {}: {}",
                    self.name(),
                    String::from_utf8_lossy(&disks.stdout)
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(path)
    }

    /// Logs out of the target and forgets it.
    ///
    /// # Errors
    /// What `iscsiadm` says.
    pub fn log_out(&self, info: &Value) -> Result<()> {
        self.node(info, &["--logout"])?;
        self.node(info, &["--op", "delete"])
    }

    fn node(&self, info: &Value, args: &[&str]) -> Result<()> {
        let node = ["iscsiadm", "--mode", "node", "--targetname", text(info, "/target_iqn")];
        let portal = ["--portal", text(info, "/target_portal")];
        self.guest.must(&[&node[..], &portal, args].concat()).map(drop)
    }

    /// Volumes and shares that it holds: sessions, records of targets, disks, mounts, Docker volumes. Comparable with a
    /// later look.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn held_storage(&self) -> Result<Vec<String>> {
        let mut all = held_storage(&self.guest)?;
        if self.engine.is_some() {
            all.extend(seen(&self.guest, "volume", &["docker", "volume", "ls", "--quiet"])?);
        }
        Ok(all)
    }
}

/// Storage that a guest holds: sessions, records of targets, disks, controllers, maps, loop devices, mounts. Comparable
/// with a later look.
///
/// # Errors
/// When it does not answer.
pub fn held_storage(guest: &Guest) -> Result<Vec<String>> {
    let looks: [(&str, &[&str]); 7] = [
        ("session", &["iscsiadm", "--mode", "session"]),
        ("target", &["iscsiadm", "--mode", "node"]),
        ("disk", &["find", "/sys/block", "-name", "sd*", "-o", "-name", "nvme*"]),
        ("controller", &["find", "/sys/class/nvme", "-mindepth", "1"]),
        ("map", &["find", "/dev/mapper", "-mindepth", "1", "-not", "-name", "control"]),
        ("loop device", &["losetup", "--noheadings", "--list", "--output", "BACK-FILE"]),
        ("mount", &["findmnt", "--noheadings", "--list", "--output", "TARGET,SOURCE", "--types", TYPES]),
    ];
    let mut all = Vec::new();
    for (what, command) in looks {
        all.extend(seen(guest, what, command)?);
    }
    Ok(all)
}

/// What a command lists, which may fail when there is nothing.
fn seen(guest: &Guest, what: &str, command: &[&str]) -> Result<Vec<String>> {
    let output = guest.run(command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // An engine and a plugin mount directories of the guest's own disk onto themselves.
    let lines = text.lines().filter(|line| !OWN_DISKS.iter().any(|disk| line.contains(disk)));
    Ok(lines.map(|line| format!("{what} in {}: {}", guest.name(), line.trim())).collect())
}
