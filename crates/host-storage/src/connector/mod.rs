//! Ways from a storage system to a block device of this host, one module each.
//!
//! Cinder answers an attachment with *connection information*: which driver, and that driver's own keys. Here it becomes
//! a [`Connection`]: a [`Link`] without secrets, which may be written down before anything is done and suffices to find,
//! prove, grow and let go of the device after a crash, and [`Secrets`], which are used once and never written.
//!
//! Source: os-brick's connectors, whose keys Cinder's drivers write.

#[cfg(test)]
mod fake;
mod fibre_channel;
mod iscsi;
mod link;
mod machine;
mod multipath;
mod nvme;
mod program;
mod properties;
mod rbd;
mod remote_file;
mod scsi;
mod secrets;
mod server;
mod turn;

use std::path::Path;

use serde_json::{Map, Value};

pub use fibre_channel::{FibreChannelLink, FibreChannelPath, Wwn};
pub use iscsi::{IscsiFailure, IscsiLink, IscsiPath, Portal, TargetName};
pub use link::Link;
pub use machine::Machine;
pub use nvme::{NvmeLink, NvmePortal};
pub use properties::{properties, warnings};
pub use rbd::RbdLink;
pub use remote_file::{RemoteFileLink, RemoteFilesystem};
pub use scsi::{Identity, Lun};
pub use secrets::Secrets;

use crate::{BlockDevice, Error, Result, local, serial};

/// The `driver_volume_type` of a volume that Nova attaches: Cinder tells the hypervisor the rest.
pub const SERVER: &str = "server";

/// What Cinder says of an attached volume.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How to reach it.
    pub link: Link,
    /// With what.
    pub secrets: Secrets,
}

impl Connection {
    /// Reads an attachment's connection information: `driver_volume_type` beside the driver's own keys.
    ///
    /// # Errors
    /// [`Error::Connection`] for a driver that is not served, or keys that are missing or cannot be.
    pub fn parse(info: &Map<String, Value>, volume: &str) -> Result<Self> {
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = text("driver_volume_type").to_ascii_lowercase();
        // Behind such a connection is ciphertext, which looks blank when it is new.
        if is_encrypted(info) {
            return Err(Error::Connection {
                volume: volume.to_owned(),
                reason:
                    "Cinder encrypts it, and only plain volumes can be used; choose a volume type without \
                         encryption"
                        .into(),
            });
        }
        let refused = |reason: String| Error::Connection { volume: volume.to_owned(), reason };
        match kind.as_str() {
            "local" => {
                let path = Path::new(text("device_path")).to_owned();
                Ok(Self { link: Link::Local { path }, secrets: Secrets::default() })
            }
            "nvmeof" | "nvme" => {
                let link = Link::Nvme(NvmeLink::parse(info, volume)?);
                Ok(Self { link, secrets: Secrets::default() })
            }
            "rbd" => {
                let link = Link::Rbd(RbdLink::parse(info, volume)?);
                Ok(Self { link, secrets: Secrets::default() })
            }
            "nfs" | "glusterfs" => {
                let link = Link::RemoteFile(RemoteFileLink::parse(&kind, info, volume)?);
                Ok(Self { link, secrets: Secrets::default() })
            }
            SERVER => Ok(Self { link: Link::Server, secrets: Secrets::default() }),
            "fibre_channel" => fibre_channel::parse(info)
                .map(|l| Self { link: Link::FibreChannel(l), secrets: Secrets::default() })
                .map_err(refused),
            "iscsi" => {
                iscsi::parse(info).map(|(l, secrets)| Self { link: Link::Iscsi(l), secrets }).map_err(refused)
            }
            _ => Err(refused(format!(
                "driver_volume_type {} is not supported, only local, iscsi, fibre_channel, nvmeof, rbd, nfs and glusterfs; choose another volume type",
                kind.escape_debug()
            ))),
        }
    }
}

/// Whether what the connection leads to is ciphertext. What is not understood counts as encrypted.
#[must_use]
pub fn is_encrypted(info: &Map<String, Value>) -> bool {
    !matches!(info.get("encrypted"), None | Some(Value::Null | Value::Bool(false)))
}

/// Whether multipathd runs here, so that several paths to a SCSI device become one device.
#[must_use]
pub fn joins_paths(machine: &Machine) -> bool {
    multipath::runs(machine)
}

/// Brings the volume's device to this host unless it is there, and proves that it is that volume. Repeated calls are
/// fine. When it fails, [`disconnect`] takes away what it may have left.
///
/// # Errors
/// [`Error::WrongDevice`] when what came is not the volume; what the driver's own steps answer.
pub fn connect(machine: &Machine, connection: &Connection, volume: &str, size: u64) -> Result<BlockDevice> {
    match &connection.link {
        Link::Local { path } => local::resolve(&path.to_string_lossy(), volume, size),
        Link::Nvme(link) => nvme::connect(machine, link, volume, size),
        Link::Rbd(link) => rbd::connect(machine, link, volume, size),
        Link::RemoteFile(link) => remote_file::connect(machine, link, volume, size),
        Link::FibreChannel(link) => {
            fibre_channel::connect(machine, link, volume, size, &scsi::Patience::default())
        }
        Link::Iscsi(link) => {
            iscsi::connect(machine, link, &connection.secrets, volume, size, &scsi::Patience::default())
        }
        Link::Server => server::connect(machine, volume, size),
    }
}

/// Opens the device that was connected by `link` and proves anew that it is that volume of `size` bytes.
///
/// # Errors
/// [`Error::WrongDevice`] when it is not.
pub fn prove(machine: &Machine, link: &Link, path: &Path, volume: &str, size: u64) -> Result<BlockDevice> {
    match link {
        Link::Local { .. } => local::resolve(&path.to_string_lossy(), volume, size),
        Link::Nvme(link) => nvme::prove(machine, link, path, volume, size),
        Link::Rbd(link) => rbd::prove(machine, link, path, volume, size),
        Link::RemoteFile(link) => remote_file::prove(machine, link, path, volume, size),
        Link::FibreChannel(link) => fibre_channel::prove(machine, link, path, volume, size),
        Link::Iscsi(link) => iscsi::prove(machine, link, path, volume, size),
        Link::Server => server::prove(machine, path, volume, size),
    }
}

/// Takes the volume's device, and what leads to nothing else, off this host. The caller has unmounted it and proven that
/// nobody holds it. What is not there, or only half, is fine; other volumes of the same storage stay.
///
/// # Errors
/// What is still there and why; calling again is fine.
pub fn disconnect(machine: &Machine, link: &Link, volume: &str) -> Result<()> {
    match link {
        // It was this host's before, and its driver takes it away; or the hypervisor does.
        Link::Local { .. } => Ok(()),
        Link::Server => server::release(machine, volume),
        Link::FibreChannel(link) => fibre_channel::disconnect(machine, link, &scsi::Patience::default()),
        Link::Iscsi(link) => iscsi::disconnect(machine, link, &scsi::Patience::default()),
        Link::Nvme(link) => nvme::disconnect(machine, link, volume),
        Link::Rbd(link) => rbd::disconnect(machine, link, volume),
        Link::RemoteFile(link) => remote_file::disconnect(machine, link, volume),
    }
}

/// The link with what can be told of the volume only once its device is here; to be written down with the device. Proofs
/// are then stricter.
#[must_use]
pub fn identify(machine: &Machine, link: Link, device: &BlockDevice) -> Link {
    match link {
        Link::FibreChannel(link) => Link::FibreChannel(fibre_channel::identify(machine, link, device)),
        Link::Iscsi(link) => Link::Iscsi(iscsi::identify(machine, link, device)),
        other => other,
    }
}

/// Whether `path` is positively another volume's by now, so that what is mounted from it tells nothing about `volume`.
#[must_use]
pub fn is_anothers(machine: &Machine, link: &Link, path: &Path, volume: &str) -> bool {
    match link {
        Link::Local { .. } => local::belongs_to_another(path, volume),
        Link::FibreChannel(link) => fibre_channel::is_another(machine, link, path),
        Link::Iscsi(link) => iscsi::is_another(machine, link, path),
        Link::Nvme(link) => nvme::is_anothers(machine, link, path),
        Link::Rbd(link) => rbd::is_anothers(machine, link, path),
        Link::RemoteFile(link) => remote_file::is_anothers(machine, link, path),
        Link::Server => serial::is_another(machine, path, volume),
    }
}

/// Has the kernel look again at the size of a device after its volume grew.
///
/// # Errors
/// What the driver's own steps answer.
pub fn rescan(machine: &Machine, link: &Link, volume: &str) -> Result<()> {
    match link {
        // The hypervisor tells the machine.
        Link::Local { .. } | Link::Server => Ok(()),
        Link::FibreChannel(link) => fibre_channel::rescan(machine, link),
        Link::Iscsi(link) => iscsi::rescan(machine, link, &scsi::Patience::default()),
        Link::Nvme(link) => nvme::rescan(machine, link, volume),
        Link::Rbd(link) => rbd::rescan(machine, link),
        Link::RemoteFile(link) => remote_file::rescan(machine, link, volume),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn h43_an_encrypted_connection_leads_to_no_device() {
        let mut info = Map::new();
        info.insert("driver_volume_type".into(), json!("local"));
        info.insert("device_path".into(), json!("/dev/x"));
        assert!(Connection::parse(&info, "v").is_ok());
        for (value, plain) in
            [(json!(false), true), (json!(null), true), (json!(true), false), (json!("True"), false)]
        {
            info.insert("encrypted".into(), value);
            assert_eq!(Connection::parse(&info, "v").is_ok(), plain, "{info:?}");
        }
    }
}
