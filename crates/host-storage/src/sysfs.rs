//! What sysfs and procfs tell about devices and this boot.

use std::path::{Path, PathBuf};

use crate::{DeviceNumber, Error, Result};

/// Facts that help to prove which device this is. What the driver does not offer is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysfsFacts {
    /// Serial number.
    pub serial: Option<String>,
    /// World-wide identifier.
    pub wwid: Option<String>,
    /// The file behind a loop device.
    pub backing_file: Option<PathBuf>,
    /// The device mapper's name of it.
    pub mapped_name: Option<String>,
    /// Devices built on top of it (device mapper, md, bcache).
    pub holders: Vec<String>,
    /// Partitions the kernel found on it.
    pub partitions: Vec<String>,
}

impl SysfsFacts {
    pub(crate) fn read(number: DeviceNumber) -> Self {
        let dir = PathBuf::from(format!("/sys/dev/block/{number}"));
        let first = |names: &[&str]| names.iter().find_map(|n| text(&dir.join(n)));
        Self {
            serial: first(&["serial", "device/serial"]),
            wwid: first(&["wwid", "device/wwid"]),
            backing_file: text(&dir.join("loop/backing_file")).map(PathBuf::from),
            mapped_name: first(&["dm/name"]),
            holders: names(&dir.join("holders")),
            partitions: names(&dir).into_iter().filter(|n| dir.join(n).join("partition").exists()).collect(),
        }
    }
}

pub(crate) fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The kernel's identifier of this boot; mounts and device numbers of another boot mean nothing.
///
/// # Errors
/// [`Error::Io`] when procfs is not mounted.
pub fn boot_id() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    std::fs::read_to_string(path).map(|t| t.trim().to_owned()).map_err(|e| Error::io("read", path, e))
}
