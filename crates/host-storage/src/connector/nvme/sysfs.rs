//! The kernel's NVMe controllers and namespaces.
//!
//! Source: linux/drivers/nvme/host/{sysfs,multipath,fabrics}.c. With native multipath a namespace is one device,
//! `nvme0n1`, under its subsystem, however many controllers lead there; each path is a hidden `nvme0c0n1`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::link::{NvmePortal, identifier};
use crate::connector::Machine;
use crate::sysfs::text;
use crate::{DeviceNumber, Error, Result};

/// A namespace that this host sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace {
    /// Below `/dev`.
    pub(super) name: String,
    /// Its subsystem.
    pub(super) nqn: String,
    pub(super) uuid: Option<String>,
    pub(super) nguid: Option<String>,
    pub(super) nsid: Option<u32>,
    /// In bytes.
    pub(super) size: u64,
    pub(super) number: Option<DeviceNumber>,
}

/// A connection to a subsystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) dir: PathBuf,
    pub(super) nqn: String,
    /// `None` for what is not reached over TCP.
    pub(super) portal: Option<NvmePortal>,
    /// The name this host used.
    pub(super) host: String,
    /// `live`, `connecting`, `deleting` and so on.
    pub(super) state: String,
}

impl Controller {
    pub(super) fn is_live(&self) -> bool {
        self.state == "live"
    }

    /// It is going away and must not be counted on.
    pub(super) fn is_ending(&self) -> bool {
        self.state.starts_with("deleting") || self.state == "dead"
    }
}

/// All namespaces, of whatever transport; none on a host without NVMe.
pub(super) fn namespaces(machine: &Machine) -> Result<Vec<Namespace>> {
    let block = machine.path("/sys/block");
    let mut found: Vec<Namespace> = Vec::new();
    for entry in list(&block)? {
        let Some(name) = head_of(&entry) else { continue };
        // A path without its device is counted too: it leads to a namespace all the same.
        let dir = if block.join(&name).exists() { block.join(&name) } else { block.join(&entry) };
        let Some(nqn) = text(&dir.join("device/subsysnqn")) else { continue };
        if found.iter().any(|n| n.name == name) {
            continue;
        }
        let read = |attribute: &str| text(&dir.join(attribute));
        let sectors: u64 = read("size").and_then(|t| t.parse().ok()).unwrap_or_default();
        found.push(Namespace {
            nqn,
            uuid: read("uuid").and_then(|t| identifier(&t)),
            nguid: read("nguid").and_then(|t| identifier(&t)),
            nsid: read("nsid").and_then(|t| t.parse().ok()),
            size: sectors.saturating_mul(512),
            number: read("dev").and_then(|t| number(&t)),
            name,
        });
    }
    Ok(found)
}

/// The controllers that lead to a subsystem.
pub(super) fn controllers(machine: &Machine, nqn: &str) -> Result<Vec<Controller>> {
    let base = machine.path("/sys/class/nvme-fabrics/ctl");
    let mut found = Vec::new();
    for name in list(&base)?.into_iter().filter(|n| n.starts_with("nvme")) {
        let dir = base.join(name);
        let read = |attribute: &str| text(&dir.join(attribute)).unwrap_or_default();
        if read("subsysnqn") != nqn {
            continue;
        }
        let portal = if read("transport") == "tcp" { portal(&read("address")) } else { None };
        found.push(Controller {
            nqn: nqn.to_owned(),
            portal,
            host: read("hostnqn"),
            state: read("state"),
            dir,
        });
    }
    Ok(found)
}

/// Whether the kernel joins several controllers to one device.
pub(super) fn joins_paths(machine: &Machine) -> bool {
    text(&machine.path("/sys/module/nvme_core/parameters/multipath")).is_some_and(|t| t == "Y")
}

/// `traddr=10.0.0.5,trsvcid=4420,src_addr=10.0.0.9`.
fn portal(address: &str) -> Option<NvmePortal> {
    let part = |key: &str| address.split(',').find_map(|p| p.trim().strip_prefix(key)?.strip_prefix('='));
    let address: IpAddr = part("traddr")?.parse().ok()?;
    Some(NvmePortal { address, port: part("trsvcid")?.parse().ok()? })
}

/// The device of a namespace: of itself (`nvme0n1`), or of a path to it (`nvme0c3n1`). Partitions have none.
fn head_of(name: &str) -> Option<String> {
    let (instance, rest) = digits(name.strip_prefix("nvme")?)?;
    let rest = match rest.strip_prefix('c') {
        Some(path) => digits(path)?.1,
        None => rest,
    };
    let (namespace, rest) = digits(rest.strip_prefix('n')?)?;
    rest.is_empty().then(|| format!("nvme{instance}n{namespace}"))
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn number(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

fn list(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| Error::io("list", dir, e))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_device_of_its_namespace() {
        for (name, head) in [
            ("nvme0n1", Some("nvme0n1")),
            ("nvme12c3n10", Some("nvme12n10")),
            ("nvme0n1p1", None),
            ("nvme0", None),
            ("nvmen1", None),
            ("sda", None),
        ] {
            assert_eq!(head_of(name).as_deref(), head, "{name}");
        }
    }

    #[test]
    fn an_address_is_read_in_either_family() {
        let found = portal("traddr=fd00::5,trsvcid=4420,src_addr=fd00::9").unwrap();
        assert_eq!((found.address.to_string().as_str(), found.port), ("fd00::5", 4420));
        assert!(portal("traddr=nn-0x1000:pn-0x2000,host_traddr=x").is_none());
    }
}
