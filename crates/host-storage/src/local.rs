//! The `local` connector: the volume is a block device of this host already.
//!
//! Source: os-brick's LOCAL protocol, whose connection information is `{"device_path": "..."}`.

use std::path::Path;

use crate::{BlockDevice, Error, Result, SysfsFacts};

/// Opens the device of a volume and proves that it is that volume: its size is exactly `size` bytes, and the kernel's own
/// name of it carries the volume's id: a loop device's backing file, a device mapper (LVM) name, or a serial number.
/// What has no such name is not proven.
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
    let Some(name) = kernel_name(&device.facts()) else {
        return Err(wrong("nothing on this host tells which volume it is".into()));
    };
    // A deleted backing file shows as `name (deleted)`: its blocks vanish with the last user.
    if name.ends_with(" (deleted)") {
        return Err(wrong(format!("its backing file {name}")));
    }
    if !carries(&name, volume) {
        return Err(wrong(format!("it is {name}")));
    }
    Ok(())
}

fn kernel_name(facts: &SysfsFacts) -> Option<String> {
    let file = facts.backing_file.as_deref().map(file_name);
    file.or_else(|| facts.mapped_name.clone()).or_else(|| facts.serial.clone())
}

/// Whether the device is positively another volume's by now, so that its path tells nothing about `volume` any more.
#[must_use]
pub fn belongs_to_another(device_path: &Path, volume: &str) -> bool {
    let file = BlockDevice::open(device_path).ok().and_then(|d| d.facts().backing_file);
    file.is_some_and(|f| !carries(&file_name(&f), volume))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Device mapper doubles the dashes of what it joins with single ones.
fn carries(name: &str, volume: &str) -> bool {
    !volume.is_empty() && (name.contains(volume) || name.contains(&volume.replace('-', "--")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_name_must_carry_the_volumes_id() {
        let id = "5f0f0f0f-1111-4222-8333-444444444444";
        assert!(carries(&format!("volume-{id}"), id));
        assert!(carries("cinder-volume--5f0f0f0f--1111--4222--8333--444444444444", id));
        for name in ["sda", "", "volume-5f0f0f0f-1111-4222-8333-444444444445"] {
            assert!(!carries(name, id), "{name}");
        }
        assert!(!carries("anything", ""));
    }

    #[test]
    fn h05_a_device_that_nothing_names_is_not_proven_by_its_size() {
        let nothing = SysfsFacts::default();
        assert!(kernel_name(&nothing).is_none());
        let named = |f: fn(&mut SysfsFacts)| {
            let mut facts = SysfsFacts::default();
            f(&mut facts);
            kernel_name(&facts)
        };
        assert_eq!(named(|f| f.backing_file = Some("/x/volume-1".into())).as_deref(), Some("volume-1"));
        assert_eq!(named(|f| f.mapped_name = Some("vg-volume".into())).as_deref(), Some("vg-volume"));
    }
}
