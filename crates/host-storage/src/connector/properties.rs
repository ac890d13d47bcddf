//! What Cinder's drivers want to know of a host before they export a volume to it: the *connector properties*.
//!
//! Source: os-brick's `get_connector_properties`; the drivers read the same keys.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Machine;
use super::nvme::{HostName, UUID_NQN};
use crate::sysfs::{names, text};

/// Properties of this host. `host` is what the storage records, unique and stable; `ip` its address on the storage
/// network; `multipath` whether it joins several paths to a SCSI device. A host that can do NVMe over TCP and has no
/// NVMe name is given one, which is kept in `/etc/nvme`.
#[must_use]
pub fn properties(machine: &Machine, host: &str, ip: Option<IpAddr>, multipath: bool) -> Map<String, Value> {
    let mut found = Map::new();
    let mut put = |key: &str, value: Value| {
        found.insert(key.to_owned(), value);
    };
    put("platform", json!(std::env::consts::ARCH));
    put("os_type", json!("linux"));
    put("host", json!(host));
    put("multipath", json!(multipath));
    // With one path less a volume is still served.
    put("enforce_multipath", json!(false));
    // RBD images are mapped by the kernel.
    put("do_local_attach", json!(true));
    if let Some(ip) = ip {
        put("ip", json!(ip));
    }
    let native = text(&machine.path("/sys/module/nvme_core/parameters/multipath"));
    put("nvme_native_multipath", json!(native.as_deref() == Some("Y")));
    let machine_uuid = product_uuid(machine);
    if let Some(uuid) = machine_uuid {
        put("system uuid", json!(uuid));
    }
    if let Some(uuid) = root_uuid(machine) {
        put("uuid", json!(uuid));
    }
    let (ports, nodes) = fibre_channel(machine);
    if !ports.is_empty() {
        put("wwpns", json!(ports));
        put("wwnns", json!(nodes));
    }
    let nvme = nvme_name(machine, machine_uuid);
    let initiator = initiator(machine).or_else(|| {
        // Cinder's NVMe target drivers refuse a host without this key, and do not look at its value. Without iSCSI there
        // is no other one.
        nvme.as_ref().and_then(|n| n.nqn.strip_prefix("nqn.")).map(|rest| format!("iqn.{rest}"))
    });
    if let Some(initiator) = initiator {
        put("initiator", json!(initiator));
    }
    if let Some(nvme) = nvme {
        put("nqn", json!(nvme.nqn));
        if let Some(id) = nvme.id {
            put("nvme_hostid", json!(id));
        }
    }
    found
}

/// Names of this host that another host probably has too. Storage takes both for one: it shows each of them
/// the other's volumes, and what one ends ends for both. Each is a sentence with what to do.
#[must_use]
pub fn warnings(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = initiator(machine).filter(|n| is_common_iqn(n)) {
        found.push(format!(
            "the iSCSI name {name} is not this host's alone; write another one, as iscsi-iname prints, into \
             /etc/iscsi/initiatorname.iscsi and restart iscsid"
        ));
    }
    let renew =
        "remove /etc/nvme/hostnqn and /etc/nvme/hostid while no NVMe volume is attached, then restart";
    let name = HostName::read(machine).ok();
    if let Some(uuid) = name.as_ref().and_then(|n| Uuid::parse_str(n.nqn.strip_prefix(UUID_NQN)?).ok()) {
        let own = product_uuid(machine);
        if is_common_uuid(uuid) {
            found.push(format!("the NVMe host name with UUID {uuid} is not this host's alone; {renew}"));
        } else if let Some(own) = own.filter(|o| *o != uuid) {
            found.push(format!(
                "the NVMe host name with UUID {uuid} was made on another machine than this, {own}; if this host is a \
                 copy, {renew}"
            ));
        }
    }
    found
}

/// An NVMe name is of use only where the kernel has NVMe over TCP.
fn nvme_name(machine: &Machine, machine_uuid: Option<Uuid>) -> Option<HostName> {
    let named =
        if has_nvme(machine) { HostName::ensure(machine, machine_uuid) } else { HostName::read(machine) };
    named.inspect_err(|error| tracing::debug!(%error, "no NVMe host name")).ok()
}

fn has_nvme(machine: &Machine) -> bool {
    if machine.path("/sys/module/nvme_tcp").exists() || machine.path("/dev/nvme-fabrics").exists() {
        return true;
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let modules = machine.path("/lib/modules").join(release);
    ["modules.dep", "modules.builtin"]
        .iter()
        .filter_map(|list| std::fs::read_to_string(modules.join(list)).ok())
        .any(|list| list.contains("/nvme-tcp.ko"))
}

fn initiator(machine: &Machine) -> Option<String> {
    let text = std::fs::read_to_string(machine.path("/etc/iscsi/initiatorname.iscsi")).ok()?;
    let name = text.lines().find_map(|l| l.trim().strip_prefix("InitiatorName="))?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// World-wide names of the ports that are online, and of their adapters, without `0x`.
fn fibre_channel(machine: &Machine) -> (Vec<String>, Vec<String>) {
    let base = machine.path("/sys/class/fc_host");
    let (mut ports, mut nodes) = (Vec::new(), Vec::new());
    for host in names(&base) {
        let read = |attribute: &str| text(&base.join(&host).join(attribute));
        if read("port_state").as_deref() != Some("Online") {
            continue;
        }
        let name = |attribute: &str| read(attribute).map(|t| t.trim_start_matches("0x").to_owned());
        if let (Some(port), Some(node)) = (name("port_name"), name("node_name")) {
            ports.push(port);
            nodes.push(node);
        }
    }
    (ports, nodes)
}

/// What the firmware says this machine is; nothing when it says what every machine of that maker says.
fn product_uuid(machine: &Machine) -> Option<Uuid> {
    let uuid = Uuid::parse_str(&text(&machine.path("/sys/class/dmi/id/product_uuid"))?).ok()?;
    (!is_common_uuid(uuid)).then_some(uuid)
}

/// The UUID of the filesystem at `/`, which udev has noted.
fn root_uuid(machine: &Machine) -> Option<String> {
    let mounts = crate::mountinfo::read(&machine.path("/proc/self/mountinfo")).ok()?;
    let root = mounts.iter().rev().find(|m| m.mountpoint == Path::new("/"))?;
    let noted = std::fs::read_to_string(machine.path(&format!("/run/udev/data/b{}", root.device))).ok()?;
    noted.lines().find_map(|l| l.strip_prefix("E:ID_FS_UUID=")).map(str::to_owned)
}

/// Blank fields of firmware, and numbers counted up by hand.
fn is_common_uuid(uuid: Uuid) -> bool {
    const COUNTED: [u128; 4] = [
        0x03000200_0400_0500_0006_000700080009,
        0x00020003_0004_0005_0006_000700080009,
        0x12345678_1234_5678_90ab_cddeefaabbcc,
        0x12345678_1234_1234_1234_123456789abc,
    ];
    uuid.is_nil() || uuid.is_max() || COUNTED.contains(&uuid.as_u128())
}

/// Names of examples, and names whose last part says nothing of one machine.
fn is_common_iqn(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let example = ["com.example", "org.example", "net.example"].iter().any(|d| name.contains(d));
    let Some((_, own)) = name.split_once(':') else { return true };
    let last = own.rsplit(':').next().unwrap_or_default();
    let general = ["", "01", "localhost", "localhost.localdomain", "client", "host", "initiator", "default"];
    example || general.contains(&last)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UUID: &str = "4c4c4544-0042-3510-8053-b4c04f4a3132";

    /// A machine whose files are these.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        let machine = Machine::at(dir.path());
        (dir, machine)
    }

    #[test]
    fn a_full_host_tells_everything_the_drivers_ask_for() {
        let nqn = format!("{UUID_NQN}{UUID}");
        let (_dir, machine) = machine(&[
            ("sys/module/nvme_core/parameters/multipath", "Y"),
            ("sys/class/dmi/id/product_uuid", UUID),
            ("sys/class/fc_host/host1/port_state", "Online"),
            ("sys/class/fc_host/host1/port_name", "0x50014380242b9750"),
            ("sys/class/fc_host/host1/node_name", "0x50014380242b9751"),
            ("sys/class/fc_host/host2/port_state", "Linkdown"),
            ("sys/class/fc_host/host2/port_name", "0x50014380242b9752"),
            ("sys/class/fc_host/host2/node_name", "0x50014380242b9753"),
            (
                "etc/iscsi/initiatorname.iscsi",
                "## generated\nInitiatorName=iqn.1993-08.org.debian:01:ab12cd34ef56",
            ),
            ("etc/nvme/hostnqn", &nqn),
            ("etc/nvme/hostid", UUID),
            ("proc/self/mountinfo", "22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw"),
            ("run/udev/data/b254:1", "S:disk/by-uuid/x\nE:ID_FS_UUID=0fa7b3c6-6a5a-4ad9-a4cb-fb1e32d8b1a7"),
        ]);
        let found = properties(&machine, "host-1", Some([10, 0, 0, 9].into()), true);
        let expected = json!({
            "platform": std::env::consts::ARCH,
            "os_type": "linux",
            "host": "host-1",
            "ip": "10.0.0.9",
            "multipath": true,
            "enforce_multipath": false,
            "do_local_attach": true,
            "nvme_native_multipath": true,
            "system uuid": UUID,
            "uuid": "0fa7b3c6-6a5a-4ad9-a4cb-fb1e32d8b1a7",
            "wwpns": ["50014380242b9750"],
            "wwnns": ["50014380242b9751"],
            "initiator": "iqn.1993-08.org.debian:01:ab12cd34ef56",
            "nqn": nqn,
            "nvme_hostid": UUID,
        });
        assert_eq!(Value::Object(found), expected);
        assert_eq!(warnings(&machine), Vec::<String>::new());
    }

    #[test]
    fn a_host_without_storage_of_its_own_is_not_changed() {
        let (dir, machine) = machine(&[("sys/class/dmi/id/product_uuid", UUID)]);
        let found = properties(&machine, "host-1", None, false);
        for key in ["ip", "initiator", "wwpns", "nqn", "nvme_hostid", "uuid"] {
            assert!(!found.contains_key(key), "{key}");
        }
        assert_eq!(found["nvme_native_multipath"], false);
        assert!(!dir.path().join("etc").exists());
    }

    #[test]
    fn a_host_with_nvme_gets_a_name_of_its_hardware_and_keeps_it() {
        let (dir, machine) =
            machine(&[("sys/class/dmi/id/product_uuid", UUID), ("sys/module/nvme_tcp/refcnt", "0")]);
        let first = properties(&machine, "host-1", None, false);
        assert_eq!(first["nqn"], format!("{UUID_NQN}{UUID}"));
        assert_eq!(first["nvme_hostid"], UUID);
        // Cinder's NVMe drivers refuse a host without one.
        assert_eq!(first["initiator"], format!("iqn.2014-08.org.nvmexpress:uuid:{UUID}"));
        let kept = fs::read_to_string(dir.path().join("etc/nvme/hostnqn")).unwrap();
        assert_eq!(kept, format!("{UUID_NQN}{UUID}\n"));
        assert_eq!(fs::read_dir(dir.path().join("etc/nvme")).unwrap().count(), 2, "nothing half-written");
        fs::remove_file(dir.path().join("sys/class/dmi/id/product_uuid")).unwrap();
        assert_eq!(properties(&machine, "host-1", None, false)["nqn"], first["nqn"]);
    }

    #[test]
    fn h33_firmware_that_says_what_all_say_gives_no_name() {
        let common = "03000200-0400-0500-0006-000700080009";
        let (_dir, machine) = machine(&[
            ("sys/class/dmi/id/product_uuid", common),
            ("lib/modules/none/modules.dep", ""),
            ("dev/nvme-fabrics", ""),
        ]);
        let found = properties(&machine, "host-1", None, false);
        assert!(!found.contains_key("system uuid"));
        let nqn = found["nqn"].as_str().unwrap();
        assert!(nqn.starts_with(UUID_NQN) && !nqn.contains(common), "{nqn}");
        assert!(warnings(&machine).is_empty());
    }

    #[test]
    fn h33_names_that_other_hosts_have_too_are_warned_of_with_advice() {
        let warned = |files: &[(&str, &str)]| {
            let (_dir, machine) = machine(files);
            warnings(&machine)
        };
        for name in [
            "iqn.1993-08.org.debian:01:",
            "iqn.1991-05.com.microsoft:localhost",
            "iqn.2024-01.com.example:x7f",
            "iqn.2024-01.org.storage",
        ] {
            let text = format!("InitiatorName={name}");
            let found = warned(&[("etc/iscsi/initiatorname.iscsi", &text)]);
            assert!(found.len() == 1 && found[0].contains("iscsi-iname"), "{name}: {found:?}");
        }
        let nil = format!("{UUID_NQN}{}", Uuid::nil());
        let found = warned(&[("etc/nvme/hostnqn", &nil)]);
        assert!(found.len() == 1 && found[0].contains("remove /etc/nvme/hostnqn"), "{found:?}");
        let copied = format!("{UUID_NQN}11111111-2222-4333-8444-555555555555");
        let found = warned(&[("etc/nvme/hostnqn", &copied), ("sys/class/dmi/id/product_uuid", UUID)]);
        assert!(found.len() == 1 && found[0].contains("if this host is a copy"), "{found:?}");
        assert!(warned(&[("etc/nvme/hostnqn", &copied)]).is_empty(), "nothing to compare with");
    }
}
