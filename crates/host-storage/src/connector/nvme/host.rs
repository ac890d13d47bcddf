//! How this host calls itself towards NVMe storage: `/etc/nvme/hostnqn` and `/etc/nvme/hostid`, as nvme-cli keeps them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use super::link::is_nqn;
use crate::connector::Machine;
use crate::{Error, Result};

const NQN: &str = "/etc/nvme/hostnqn";
const ID: &str = "/etc/nvme/hostid";
/// Of names made from a UUID; NVMe base specification.
pub(in crate::connector) const UUID_NQN: &str = "nqn.2014-08.org.nvmexpress:uuid:";

/// The host's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::connector) struct HostName {
    pub(in crate::connector) nqn: String,
    /// The kernel takes one of its own when there is none.
    pub(in crate::connector) id: Option<String>,
}

impl HostName {
    pub(in crate::connector) fn read(machine: &Machine) -> Result<Self> {
        let path = machine.path(NQN);
        let nqn = fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?.trim().to_owned();
        if !is_nqn(&nqn) {
            let reason = std::io::Error::other(format!("`{nqn}` is no NVMe qualified name; remove the file"));
            return Err(Error::io("use", &path, reason));
        }
        let id = fs::read_to_string(machine.path(ID)).ok();
        let id = id.and_then(|t| Uuid::parse_str(t.trim()).ok()).map(|u| u.to_string());
        Ok(Self { nqn, id })
    }

    /// Reads it, or makes it out of `machine_uuid`, or of chance without one, and keeps it. Both files are made together:
    /// the kernel refuses one identifier under two names.
    pub(in crate::connector) fn ensure(machine: &Machine, machine_uuid: Option<Uuid>) -> Result<Self> {
        if machine.path(NQN).exists() {
            return Self::read(machine);
        }
        let uuid = machine_uuid.unwrap_or_else(Uuid::new_v4);
        let dir = machine.path("/etc/nvme");
        fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        keep(&machine.path(ID), &uuid.to_string())?;
        keep(&machine.path(NQN), &format!("{UUID_NQN}{uuid}"))?;
        tracing::info!(%uuid, "gave this host an NVMe name");
        Self::read(machine)
    }
}

/// Writes a file that is not there, whole or not at all; one that another process made meanwhile is left as it is.
fn keep(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&part)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().map_err(|e| Error::io("write", &part, e))?;
    let linked = fs::hard_link(&part, path);
    let _ = fs::remove_file(&part);
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io("write", path, e)),
        _ => Ok(()),
    }
}
