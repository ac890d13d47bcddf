//! Where a volume behind NVMe over TCP is, as Cinder says it.
//!
//! Source: os-brick's NVMe-oF connector, which takes two sets of keys: `nqn`, `target_portal`, `target_port`,
//! `transport_type`, `ns_id`, `volume_nguid`; and `target_nqn`, `portals`, `vol_uuid` (`nvmeof_conn_info_version = 2`).
//! Cinder's own target drivers write ports and namespace numbers as text or as numbers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sysfs::Namespace;
use crate::{Error, Result};

/// A namespace of an NVMe subsystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmeLink {
    /// The subsystem's qualified name.
    pub nqn: String,
    /// Where it listens, over TCP.
    pub portals: Vec<NvmePortal>,
    /// The namespace's UUID, without dashes.
    pub uuid: Option<String>,
    /// Its NGUID, without dashes.
    pub nguid: Option<String>,
    /// Its number in the subsystem.
    pub nsid: Option<u32>,
}

/// An address of the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmePortal {
    /// The kernel resolves no names.
    pub address: IpAddr,
    /// 4420 mostly.
    pub port: u16,
}

impl NvmeLink {
    pub(in crate::connector) fn parse(info: &Map<String, Value>, volume: &str) -> Result<Self> {
        let refused = |reason: String| Error::Connection { volume: volume.to_owned(), reason };
        let info = match info.get("volume_replicas").and_then(Value::as_array).map(Vec::as_slice) {
            None | Some([]) => info,
            Some([one]) => one.as_object().unwrap_or(info),
            Some(many) => {
                return Err(refused(format!(
                    "it is {} replicas to be joined on this host, which is not supported; choose a volume type without",
                    many.len()
                )));
            }
        };
        let nqn = text(info, "target_nqn").or_else(|| text(info, "nqn")).unwrap_or_default();
        if !is_nqn(&nqn) {
            return Err(refused(format!("`{nqn}` is no NVMe qualified name")));
        }
        let (mut portals, mut others) = (Vec::new(), Vec::new());
        for (address, port, transport) in named_portals(info) {
            if !transport.eq_ignore_ascii_case("tcp") {
                others.push(transport);
                continue;
            }
            let (Ok(address), Ok(port)) = (address.parse(), port.parse()) else {
                return Err(refused(format!("`{address}` port `{port}` is no IP address and port")));
            };
            let portal = NvmePortal { address, port };
            if !portals.contains(&portal) {
                portals.push(portal);
            }
        }
        if portals.is_empty() {
            return Err(refused(match others.first() {
                Some(other) => format!(
                    "its storage is reached by NVMe over `{other}`, this host only over tcp; choose another volume type"
                ),
                None => "no portal is named".into(),
            }));
        }
        let link = Self {
            nqn,
            portals,
            uuid: text(info, "vol_uuid").and_then(|t| identifier(&t)),
            nguid: text(info, "volume_nguid").and_then(|t| identifier(&t)),
            nsid: text(info, "ns_id").and_then(|t| t.parse().ok()),
        };
        if link.uuid.is_none() && link.nguid.is_none() && link.nsid.is_none() {
            return Err(refused(
                "nothing tells which namespace it is: no vol_uuid, no volume_nguid, no ns_id".into(),
            ));
        }
        Ok(link)
    }

    /// Whether the namespace is, without doubt, this one: by UUID, else by NGUID. A mere number is believed where the
    /// subsystem is named after the volume, or the namespace's UUID is the volume's: numbers are used again.
    pub(super) fn is(&self, namespace: &Namespace, volume: &str) -> bool {
        if namespace.nqn != self.nqn {
            return false;
        }
        if self.uuid.is_some() && self.uuid == namespace.uuid {
            return true;
        }
        // Where there is no UUID the kernel shows the NGUID in its place.
        let has_uuid = namespace.uuid.is_some() && namespace.uuid != namespace.nguid;
        if self.uuid.is_some() && has_uuid {
            return false;
        }
        if self.nguid.is_some() || self.uuid.is_some() {
            return self.nguid.is_some() && self.nguid == namespace.nguid;
        }
        let named = !volume.is_empty() && self.nqn.contains(volume);
        let same = namespace.uuid.is_some() && namespace.uuid == identifier(volume);
        self.nsid.is_some() && self.nsid == namespace.nsid && (named || same)
    }

    /// For errors: how the namespace is told from others.
    pub(super) fn wanted(&self) -> String {
        match (&self.uuid, &self.nguid, self.nsid) {
            (Some(uuid), ..) => format!("with UUID {uuid}"),
            (None, Some(nguid), _) => format!("with NGUID {nguid}"),
            (None, None, nsid) => format!(
                "{} of this volume (nvmeof_conn_info_version = 2 in cinder.conf names it for certain)",
                nsid.unwrap_or_default()
            ),
        }
    }
}

/// Address, port, transport.
fn named_portals(info: &Map<String, Value>) -> Vec<(String, String, String)> {
    if let Some(portals) = info.get("portals").and_then(Value::as_array).filter(|p| !p.is_empty()) {
        let part = |portal: &Value, index: usize| portal.get(index).map(plain).unwrap_or_default();
        return portals.iter().map(|p| (part(p, 0), part(p, 1), part(p, 2))).collect();
    }
    let get = |key: &str| text(info, key).unwrap_or_default();
    match text(info, "target_portal") {
        Some(address) => vec![(address, get("target_port"), get("transport_type"))],
        None => Vec::new(),
    }
}

fn text(info: &Map<String, Value>, key: &str) -> Option<String> {
    info.get(key).map(plain).filter(|t| !t.is_empty())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Commas would smuggle options into the kernel's option string. The length is the specification's.
pub(super) fn is_nqn(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && b != b',';
    text.starts_with("nqn.") && text.len() <= 223 && text.bytes().all(fits)
}

/// A UUID or NGUID for comparison: 32 lower-case hexadecimal digits. All zeros mean that there is none.
pub(super) fn identifier(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    let fits = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    (fits && digits.bytes().any(|b| b != b'0')).then_some(digits)
}
