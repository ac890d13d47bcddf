//! The `local` connector: the volume is a block device of this host already.
//!
//! Source: os-brick's LOCAL protocol, whose connection information is `{"device_path": "..."}`.

use std::path::Path;

use crate::{BlockDevice, Error, Result};

/// Opens the device of a volume and proves that it is that volume: its size is exactly `size` bytes, and a loop
/// device's backing file carries the volume's id in its name.
///
/// # Errors
/// [`Error::WrongDevice`] when the proof fails; [`Error::Connection`] for a path outside `/dev`.
pub fn resolve(device_path: &str, volume: &str, size: u64) -> Result<BlockDevice> {
    let path = Path::new(device_path);
    let plain = path
        .components()
        .all(|c| matches!(c, std::path::Component::RootDir | std::path::Component::Normal(_)));
    if !plain || !path.starts_with("/dev") {
        return Err(Error::Connection {
            volume: volume.to_owned(),
            reason: format!("device_path `{device_path}` is no path under /dev"),
        });
    }
    let device = BlockDevice::open(path)?;
    prove(&device, volume, size)?;
    Ok(device)
}

fn prove(device: &BlockDevice, volume: &str, size: u64) -> Result<()> {
    let wrong = |reason: String| Error::WrongDevice {
        path: device.path().to_owned(),
        volume: volume.to_owned(),
        reason,
    };
    if device.size() != size {
        return Err(wrong(format!("it has {} bytes instead of {size}", device.size())));
    }
    if let Some(file) = device.facts().backing_file {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        // A deleted backing file shows as `name (deleted)`: its blocks vanish with the last user.
        if name.ends_with(" (deleted)") {
            return Err(wrong(format!("its backing file {} is deleted", file.display())));
        }
        if volume.is_empty() || !name.contains(volume) {
            return Err(wrong(format!("its backing file is {}", file.display())));
        }
    }
    Ok(())
}
