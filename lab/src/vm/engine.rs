//! What a guest runs on.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::kernel::Machine;
use super::{Kind, bring, emulated, image, kernel};

/// What a guest runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// User-Mode Linux: fast, and enough for containers, networks, iSCSI and NFS.
    #[default]
    UserMode,
    /// Debian's own kernel on an emulated processor: several times slower, and with all that Debian's kernel has, such as
    /// NVMe over TCP and encrypted devices. Its image is made by [`emulated::image()`].
    Emulated,
}

impl Engine {
    /// Puts what a guest boots from into its directory.
    pub(crate) fn prepare(self, kind: Kind, dir: &Path) -> Result<()> {
        match self {
            Self::UserMode => {
                let image = image::current(kind)?;
                bring(&image.kernel, &dir.join(kernel::PROGRAM))?;
                bring(&image.registers, &dir.join(kernel::REGISTERS))?;
                bring(&image.disk, &dir.join(kernel::DISK))
            }
            Self::Emulated => emulated::prepare(dir),
        }
    }

    /// Arguments of `env` that make the file for what the guest changes on its disk; none if its kernel does that.
    pub(crate) fn make_changes(self, dir: &Path) -> Option<Vec<String>> {
        match self {
            Self::UserMode => None,
            Self::Emulated => Some(emulated::make_changes(dir)),
        }
    }

    /// Arguments of `env` that start a guest.
    pub(crate) fn command(self, machine: &Machine<'_>) -> Result<Vec<String>> {
        match self {
            Self::UserMode => kernel::command(machine),
            Self::Emulated => emulated::command(machine),
        }
    }

    /// How long a guest may take to boot, and to end.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::UserMode => Duration::from_secs(60),
            Self::Emulated => Duration::from_secs(180),
        }
    }
}
