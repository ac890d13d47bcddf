//! Virtual functions in sysfs (Documentation/ABI/testing/sysfs-bus-pci of the kernel: `physfn`, `virtfnN`).

use std::fs;
use std::io;
use std::path::Path;

use crate::{Error, Result};

/// A virtual function of a network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFunction {
    /// The physical function's link.
    pub pf: String,
    /// Its number at the physical function, from 0.
    pub index: u32,
    /// Its own link; `None` when it has none in this network namespace, for it is in a container or given to a
    /// driver without network links.
    pub link: Option<String>,
}

impl VirtualFunction {
    /// The virtual function with this PCI address (`0000:3b:10.2`), as a port's `binding:profile` names it in
    /// `pci_slot`. `sysfs` is `/sys`.
    ///
    /// # Errors
    /// [`Error::PciSlot`] when it is no PCI address, [`Error::VirtualFunction`] when the address is no virtual
    /// function of a network card with a driver.
    pub fn find(sysfs: &Path, pci_slot: &str) -> Result<Self> {
        if !is_pci_slot(pci_slot) {
            return Err(Error::PciSlot { slot: pci_slot.to_owned() });
        }
        let not = |cause: String| Error::VirtualFunction { slot: pci_slot.to_owned(), cause };
        let unread = |error: io::Error| not(format!("sysfs cannot be read: {error}"));
        let device = sysfs.join("bus/pci/devices").join(pci_slot);
        if fs::symlink_metadata(&device).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(not("this host has no such PCI device".into()));
        }
        let physical = device.join("physfn");
        if fs::symlink_metadata(&physical).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(not("it is no virtual function".into()));
        }
        let pf = uplink(&physical)
            .map_err(unread)?
            .ok_or_else(|| not("its physical function has no network link".into()))?;
        let index = index_at(&physical, pci_slot)
            .map_err(unread)?
            .ok_or_else(|| not("its physical function does not list it".into()))?;
        let link = links_of(&device).map_err(unread)?.into_iter().next();
        Ok(Self { pf, index, link })
    }
}

/// Four hexadecimal digits of a domain, two of a bus, two of a device, one octal digit of a function; lower case, as
/// sysfs spells it. What is more cannot leave the directory it is joined to.
fn is_pci_slot(text: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 12
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b':',
            10 => byte == b'.',
            11 => matches!(byte, b'0'..=b'7'),
            _ => hex(byte),
        })
}

/// The link through which the physical function is configured. A card in switch mode has the links that represent
/// its virtual functions in the same directory; their port names tell (`pf0vf3`), those of uplinks are `p0`.
fn uplink(physical: &Path) -> io::Result<Option<String>> {
    let represents = |link: &String| {
        let name = fs::read_to_string(physical.join("net").join(link).join("phys_port_name"));
        name.is_ok_and(|name| name.contains("vf") || name.contains("sf"))
    };
    Ok(links_of(physical)?.into_iter().find(|link| !represents(link)))
}

/// The N of the `virtfnN` that leads to the address.
fn index_at(physical: &Path, pci_slot: &str) -> io::Result<Option<u32>> {
    for entry in fs::read_dir(physical)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("virtfn"));
        let Some(index) = number.and_then(|number| number.parse().ok()) else { continue };
        if fs::read_link(entry.path())?.file_name().is_some_and(|target| target == pci_slot) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Network links of a PCI device, in the order of their names.
fn links_of(device: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(device.join("net")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A card below a bridge with two virtual functions, as the kernel lays it out: devices in `devices`, links
    /// with relative targets everywhere else.
    fn card() -> tempfile::TempDir {
        let sysfs = tempfile::tempdir().unwrap();
        let root = sysfs.path();
        fs::create_dir_all(root.join("bus/pci/devices")).unwrap();
        for (slot, links) in [
            ("0000:3b:00.0", vec!["enp59s0f0"]),
            ("0000:3b:02.0", vec!["enp59s0f0v0"]),
            ("0000:3b:02.1", vec![]),
            ("0000:3c:00.0", vec!["eno1"]),
        ] {
            fs::create_dir_all(device(root, slot)).unwrap();
            for link in links {
                fs::create_dir_all(device(root, slot).join("net").join(link)).unwrap();
            }
            let target = Path::new("../../../devices/pci0000:3a/0000:3a:00.0").join(slot);
            symlink(target, root.join("bus/pci/devices").join(slot)).unwrap();
        }
        for (index, slot) in [(0, "0000:3b:02.0"), (1, "0000:3b:02.1")] {
            let physical = device(root, "0000:3b:00.0");
            symlink(format!("../{slot}"), physical.join(format!("virtfn{index}"))).unwrap();
            symlink("../0000:3b:00.0", device(root, slot).join("physfn")).unwrap();
        }
        sysfs
    }

    fn device(root: &Path, slot: &str) -> PathBuf {
        root.join("devices/pci0000:3a/0000:3a:00.0").join(slot)
    }

    fn cause(outcome: Result<VirtualFunction>) -> String {
        match outcome.unwrap_err() {
            Error::VirtualFunction { cause, .. } => cause,
            other => other.to_string(),
        }
    }

    #[test]
    fn a_virtual_function_is_found_by_its_address() {
        let sysfs = card();
        let found = VirtualFunction::find(sysfs.path(), "0000:3b:02.0").unwrap();
        let wanted = VirtualFunction { pf: "enp59s0f0".into(), index: 0, link: Some("enp59s0f0v0".into()) };
        assert_eq!(found, wanted);
        let without_link = VirtualFunction::find(sysfs.path(), "0000:3b:02.1").unwrap();
        assert_eq!((without_link.index, without_link.link), (1, None));
    }

    #[test]
    fn the_links_that_represent_virtual_functions_are_not_the_physical_one() {
        let sysfs = card();
        let net = device(sysfs.path(), "0000:3b:00.0").join("net");
        for (link, port) in [("enp59s0f0", "p0\n"), ("a_rep0", "pf0vf0\n"), ("a_sub0", "pf0sf88\n")] {
            fs::create_dir_all(net.join(link)).unwrap();
            fs::write(net.join(link).join("phys_port_name"), port).unwrap();
        }
        assert_eq!(VirtualFunction::find(sysfs.path(), "0000:3b:02.0").unwrap().pf, "enp59s0f0");
    }

    #[test]
    fn what_is_no_address_never_becomes_a_path() {
        let sysfs = card();
        let long = format!("0000:3b:02.0{}", "/".repeat(4000));
        for bad in [
            "",
            "3b:02.0",
            "0000:3b:02.8",
            "0000:3B:02.0",
            "0000:3b:02.0/",
            "0000:3b:02:0",
            "../../../etc",
            "/etc/passwd\0",
            "0000:3b:02.\u{660}",
            long.as_str(),
        ] {
            let error = VirtualFunction::find(sysfs.path(), bad).unwrap_err();
            assert!(matches!(error, Error::PciSlot { .. }), "{bad:?}: {error}");
        }
    }

    #[test]
    fn other_devices_are_told_apart() {
        let sysfs = card();
        let find = |slot| cause(VirtualFunction::find(sysfs.path(), slot));
        assert!(find("0000:ff:00.0").contains("no such PCI device"));
        assert!(find("0000:3b:00.0").contains("no virtual function"));
        assert!(find("0000:3c:00.0").contains("no virtual function"));
        fs::remove_dir_all(device(sysfs.path(), "0000:3b:00.0").join("net")).unwrap();
        assert!(find("0000:3b:02.0").contains("no network link"));
        fs::create_dir_all(device(sysfs.path(), "0000:3b:00.0").join("net/enp59s0f0")).unwrap();
        fs::remove_file(device(sysfs.path(), "0000:3b:00.0").join("virtfn0")).unwrap();
        assert!(find("0000:3b:02.0").contains("does not list it"));
    }
}
