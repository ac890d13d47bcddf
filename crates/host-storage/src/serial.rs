//! Disks that a hypervisor gives to this machine, found by what they say of themselves.
//!
//! Nova tells the hypervisor a volume's id as the disk's serial number; which name the disk gets is anybody's guess. A
//! virtio disk shows the first 20 characters of it, a SCSI disk all. Source: virtio's specification (serial of 20 bytes),
//! SPC (vital product data pages 80h and 83h), the kernel's sysfs.

use std::path::{Path, PathBuf};

use crate::connector::Machine;
use crate::{DeviceNumber, Error, Result};

/// What a virtio or ATA disk shows of a serial number.
const SHORT: usize = 20;
/// The unit of `size` in sysfs, whatever the disk's own sectors are, in bytes.
const SECTOR: u64 = 512;

/// A disk that is the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Below `/dev`.
    pub path: PathBuf,
    /// Its number.
    pub number: DeviceNumber,
}

/// What a disk's own words say of it being the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The whole id.
    Whole,
    /// All of the id that fits, and nothing against it.
    Beginning,
    /// Somebody else's serial number.
    Other,
    /// No serial number.
    Silent,
}

/// The disk that carries the volume's id and has exactly `size` bytes; `None` while there is none.
///
/// # Errors
/// [`Error::Connection`] when several disks carry it, [`Error::WrongDevice`] when the one that does has another size,
/// [`Error::Io`] when the disks cannot be listed.
pub fn find(machine: &Machine, volume: &str, size: u64) -> Result<Option<Disk>> {
    let blocks = machine.path("/sys/block");
    let (mut whole, mut beginning) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(&blocks).map_err(|e| Error::io("list", &blocks, e))? {
        let entry = entry.map_err(|e| Error::io("list", &blocks, e))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match judge(&entry.path(), volume) {
            Evidence::Whole => whole.push(name),
            Evidence::Beginning => beginning.push(name),
            Evidence::Other | Evidence::Silent => {}
        }
    }
    // The whole id tells two volumes apart whose ids begin alike.
    let mut found = if whole.is_empty() { beginning } else { whole };
    found.sort();
    match found.as_slice() {
        [] => Ok(None),
        [name] => measured(machine, &blocks.join(name), name, volume, size),
        several => Err(Error::Connection {
            volume: volume.to_owned(),
            reason: format!(
                "{} all carry its serial number, so none is proven to be it; detach what is not needed",
                several.join(", ")
            ),
        }),
    }
}

/// Paths of all disks that carry the volume's id, or as much of it as fits, whatever their size.
#[must_use]
pub fn candidates(machine: &Machine, volume: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(machine.path("/sys/block")).into_iter().flatten().flatten();
    entries
        .filter(|entry| matches!(judge(&entry.path(), volume), Evidence::Whole | Evidence::Beginning))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|name| PathBuf::from("/dev").join(name.replace('!', "/")))
        .collect()
}

/// Whether the disk that is at this path by now positively is not the volume.
#[must_use]
pub fn is_another(machine: &Machine, path: &Path, volume: &str) -> bool {
    let name = path.strip_prefix("/dev").map(|p| p.to_string_lossy().replace('/', "!")).unwrap_or_default();
    !name.is_empty() && judge(&machine.path("/sys/block").join(name), volume) == Evidence::Other
}

fn measured(machine: &Machine, dir: &Path, name: &str, volume: &str, size: u64) -> Result<Option<Disk>> {
    let path = PathBuf::from("/dev").join(name.replace('!', "/"));
    let sectors = text(&dir.join("size")).and_then(|t| t.parse::<u64>().ok()).unwrap_or_default();
    let number = text(&dir.join("dev")).and_then(|t| {
        let (major, minor) = t.split_once(':')?;
        Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
    });
    // A disk that just came has no size, or no node, for a moment.
    let (Some(number), 1.., true) = (number, sectors, machine.path(&path.to_string_lossy()).exists()) else {
        return Ok(None);
    };
    let bytes = sectors.saturating_mul(SECTOR);
    if bytes != size {
        return Err(Error::WrongDevice {
            path,
            volume: volume.to_owned(),
            reason: format!("it has {bytes} bytes instead of {size}"),
        });
    }
    Ok(Some(Disk { path, number }))
}

fn judge(dir: &Path, volume: &str) -> Evidence {
    if volume.is_empty() {
        return Evidence::Silent;
    }
    let (serials, ids) = (serials(dir), ids(dir));
    if serials.iter().chain(&ids).any(|w| carries(w, volume)) {
        return Evidence::Whole;
    }
    // The whole serial of another volume outweighs a beginning: that may be the same by chance.
    let short = volume.get(..SHORT).unwrap_or(volume).to_lowercase();
    if serials.contains(&short) && !serials.iter().any(|w| names_a_uuid(w)) {
        return Evidence::Beginning;
    }
    if serials.is_empty() && ids.is_empty() { Evidence::Silent } else { Evidence::Other }
}

/// What somebody outside wanted the disk to be called, in lower case.
fn serials(dir: &Path) -> Vec<String> {
    // A deleted backing file's blocks vanish with the last user.
    let backing = text(&dir.join("loop/backing_file")).filter(|t| !t.ends_with(" (deleted)"));
    let backing = backing.and_then(|t| Some(Path::new(&t).file_name()?.to_string_lossy().into_owned()));
    let mut words = texts(dir, &["serial", "device/serial"]);
    words.extend(backing);
    words.extend(std::fs::read(dir.join("device/vpd_pg80")).ok().and_then(|page| unit_serial(&page)));
    words.extend(
        std::fs::read(dir.join("device/vpd_pg83")).map(|page| designators(&page)).unwrap_or_default(),
    );
    words.iter().map(|w| w.trim().to_lowercase()).filter(|w| !w.is_empty()).collect()
}

/// Names that are unique in the world, of which a disk makes up some by itself; in lower case.
fn ids(dir: &Path) -> Vec<String> {
    texts(dir, &["uuid", "nguid", "wwid", "device/wwid"]).iter().map(|w| w.to_lowercase()).collect()
}

fn texts(dir: &Path, files: &[&str]) -> Vec<String> {
    files.iter().filter_map(|name| text(&dir.join(name))).collect()
}

fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text of a unit serial number page: its length stands in bytes 2 and 3.
fn unit_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let text = page.get(4..)?.get(..length).or(page.get(4..))?;
    Some(String::from_utf8_lossy(text).trim_matches(['\0', ' ']).to_owned())
}

/// The designators of a device identification page: four bytes of header each, the last of which is the length.
fn designators(page: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page.get(4..).unwrap_or_default();
    while let [code_set, _, _, length, after @ ..] = rest {
        let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
        // 1 is binary; 2 and 3 are ASCII and UTF-8.
        found.push(match code_set & 0x0f {
            1 => value.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned(),
        });
        rest = next;
    }
    found
}

/// Whether a word holds the whole id, with its dashes or without, and not as part of a longer number.
fn carries(word: &str, volume: &str) -> bool {
    let volume = volume.to_lowercase();
    [volume.replace('-', ""), volume].iter().any(|id| {
        word.match_indices(id.as_str()).any(|(at, _)| {
            let before = word.get(..at).and_then(|t| t.chars().next_back());
            let after = word.get(at + id.len()..).and_then(|t| t.chars().next());
            ![before, after].into_iter().flatten().any(|c| c.is_ascii_hexdigit())
        })
    })
}

/// Whether a word is, or ends in, an id like Cinder's.
fn names_a_uuid(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .any(|part| part.len() == 36 && uuid::Uuid::try_parse(part).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
    /// Begins like it, for 20 characters.
    const TWIN: &str = "5f0f0f0f-1111-4222-8777-888888888888";
    const GIB: u64 = 1 << 30;

    /// A directory that looks like a machine.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir_all(tree.0.path().join("sys/block")).unwrap();
            std::fs::create_dir_all(tree.0.path().join("dev")).unwrap();
            tree
        }

        fn disk(&self, name: &str, bytes: u64, files: &[(&str, &[u8])]) {
            let dir = self.0.path().join("sys/block").join(name);
            let minor = std::fs::read_dir(self.0.path().join("sys/block")).unwrap().count();
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("size"), format!("{}\n", bytes / 512)).unwrap();
            std::fs::write(dir.join("dev"), format!("254:{minor}\n")).unwrap();
            std::fs::write(self.0.path().join("dev").join(name), "").unwrap();
            for (file, content) in files {
                std::fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
                std::fs::write(dir.join(file), content).unwrap();
            }
        }

        fn find(&self, size: u64) -> Result<Option<String>> {
            let found = find(&Machine::at(self.0.path()), VOLUME, size)?;
            Ok(found.map(|d| d.path.display().to_string()))
        }

        fn found(&self) -> Option<String> {
            self.find(GIB).unwrap()
        }

        fn refused(&self, size: u64) -> String {
            self.find(size).unwrap_err().to_string()
        }
    }

    fn page(code: u8, body: &[u8]) -> Vec<u8> {
        let mut page = vec![0, code, 0, u8::try_from(body.len()).unwrap()];
        page.extend(body);
        page
    }

    fn designator(code_set: u8, value: &[u8]) -> Vec<u8> {
        let mut one = vec![code_set, 0, 0, u8::try_from(value.len()).unwrap()];
        one.extend(value);
        one
    }

    #[test]
    fn every_bus_has_its_own_place_for_the_id() {
        let (simple, capitals) = (VOLUME.replace('-', ""), VOLUME.to_uppercase());
        let pg80 = page(0x80, VOLUME.as_bytes());
        let pg83 = page(0x83, &[designator(1, &[0x50, 1]), designator(2, VOLUME.as_bytes())].concat());
        let padded = page(0x80, format!("{:<24}", &VOLUME[..20]).as_bytes());
        let wwid = format!("t10.QEMU    QEMU HARDDISK   {VOLUME}");
        let backing = format!("/var/lib/volumes/volume-{VOLUME}");
        let places: [(&str, &str, &[u8]); 10] = [
            ("vdb", "serial", &VOLUME.as_bytes()[..20]),
            ("sda", "device/vpd_pg80", &pg80),
            ("sdb", "device/vpd_pg83", &pg83),
            ("sdc", "device/vpd_pg80", &padded),
            ("sdd", "device/wwid", wwid.as_bytes()),
            ("nvme0n1", "device/serial", &VOLUME.as_bytes()[..20]),
            ("nvme0n2", "uuid", capitals.as_bytes()),
            ("nvme0n3", "nguid", simple.as_bytes()),
            ("loop0", "loop/backing_file", backing.as_bytes()),
            ("nbd0", "serial", VOLUME.as_bytes()),
        ];
        let own_id: (&str, &[u8]) = ("uuid", b"12345678-1234-4234-8234-123456789012");
        for (name, file, content) in places {
            let tree = Tree::new();
            tree.disk("vda", 20 * GIB, &[("serial", b"")]);
            assert_eq!(tree.found(), None, "{name}");
            let made_up = if name == "nvme0n1" { own_id } else { (file, content) };
            tree.disk(name, GIB, &[(file, content), made_up]);
            assert_eq!(tree.found(), Some(format!("/dev/{name}")));
        }
    }

    #[test]
    fn h05_equal_size_and_a_new_name_prove_nothing() {
        let tree = Tree::new();
        tree.disk("vdb", GIB, &[]);
        tree.disk("vdc", GIB, &[("serial", b"someone-elses")]);
        tree.disk("vdd", GIB, &[("serial", format!("{VOLUME}0").as_bytes())]);
        tree.disk("vde", GIB, &[("serial", &VOLUME.as_bytes()[..19])]);
        tree.disk("loop0", GIB, &[("loop/backing_file", format!("/x/volume-{VOLUME} (deleted)").as_bytes())]);
        tree.disk("loop1", GIB, &[("loop/backing_file", format!("/volume-{VOLUME}/other").as_bytes())]);
        assert_eq!(tree.found(), None);
    }

    #[test]
    fn among_many_disks_the_right_one_is_found() {
        let tree = Tree::new();
        for n in 0..60_u32 {
            let name = match n {
                0..26 => format!("vd{}", char::from(b'a' + u8::try_from(n).unwrap())),
                _ => format!("vda{}", char::from(b'a' + u8::try_from(n % 26).unwrap())),
            };
            tree.disk(&name, GIB, &[("serial", format!("{n:08}-1111-4222-8").as_bytes())]);
        }
        assert_eq!(tree.found(), None);
        tree.disk("vdcz", GIB, &[("serial", &VOLUME.as_bytes()[..20])]);
        assert_eq!(tree.found().as_deref(), Some("/dev/vdcz"));
    }

    #[test]
    fn two_disks_with_one_serial_are_refused_unless_something_longer_tells_them_apart() {
        let short = &VOLUME.as_bytes()[..20];
        let tree = Tree::new();
        tree.disk("vdb", GIB, &[("serial", short)]);
        tree.disk("vdc", 2 * GIB, &[("serial", short)]);
        let text = tree.refused(GIB);
        assert!(text.contains("vdb, vdc all carry its serial number"), "{text}");

        let tree = Tree::new();
        tree.disk("sda", GIB, &[("device/vpd_pg80", &page(0x80, TWIN.as_bytes())), ("device/serial", short)]);
        assert_eq!(tree.found(), None, "the whole id names another volume");
        tree.disk("sdb", GIB, &[("device/vpd_pg80", &page(0x80, VOLUME.as_bytes()))]);
        assert_eq!(tree.found().as_deref(), Some("/dev/sdb"));
        tree.disk("vdc", GIB, &[("serial", short)]);
        assert_eq!(tree.found().as_deref(), Some("/dev/sdb"), "the whole id outweighs its beginning");
        tree.disk("sdc", GIB, &[("device/vpd_pg80", &page(0x80, VOLUME.as_bytes()))]);
        assert!(tree.refused(GIB).contains("sdb, sdc"), "as the paths of a multipath device");
    }

    #[test]
    fn the_size_must_be_exact_and_is_counted_in_units_of_512_bytes() {
        let tree = Tree::new();
        let sectors_of_4k: &[(&str, &[u8])] =
            &[("serial", &VOLUME.as_bytes()[..20]), ("queue/logical_block_size", b"4096")];
        tree.disk("vdb", GIB, sectors_of_4k);
        assert_eq!(tree.found().as_deref(), Some("/dev/vdb"));
        for size in [GIB / 8, GIB - 512, 8 * GIB] {
            let text = tree.refused(size);
            assert!(text.contains("/dev/vdb is not volume") && text.contains("1073741824 bytes"), "{text}");
        }
    }

    #[test]
    fn a_disk_that_is_half_there_is_not_there_yet() {
        let tree = Tree::new();
        tree.disk("vdb", 0, &[("serial", &VOLUME.as_bytes()[..20])]);
        assert_eq!(tree.found(), None, "no size");
        tree.disk("vdb", GIB, &[]);
        std::fs::remove_file(tree.0.path().join("dev/vdb")).unwrap();
        assert_eq!(tree.found(), None, "no node");
        std::fs::write(tree.0.path().join("dev/vdb"), "").unwrap();
        assert!(tree.found().is_some());
        let nowhere = Machine::at(&tree.0.path().join("nowhere"));
        assert!(matches!(find(&nowhere, VOLUME, GIB), Err(Error::Io { .. })));
    }

    #[test]
    fn a_name_that_went_to_another_volume_tells_nothing_about_the_first() {
        let tree = Tree::new();
        tree.disk("vdb", GIB, &[("serial", b"00000000-1111-4222-8")]);
        tree.disk("vdc", GIB, &[("serial", &VOLUME.as_bytes()[..20])]);
        tree.disk("vdd", GIB, &[]);
        let another =
            |name: &str| is_another(&Machine::at(tree.0.path()), &Path::new("/dev").join(name), VOLUME);
        assert_eq!(["vdb", "vdc", "vdd", "vde", ""].map(another), [true, false, false, false, false]);
    }

    #[test]
    fn pages_that_are_cut_short_are_read_as_far_as_they_go() {
        assert_eq!(unit_serial(&[0, 0x80]), None);
        assert_eq!(unit_serial(&[0, 0x80, 0, 9, b'a', b'b']).as_deref(), Some("ab"));
        assert_eq!(designators(&[0, 0x83, 0, 9, 2, 0, 0, 2, b'a', b'b', 2, 0, 0, 200, b'c']), ["ab"]);
        assert!(designators(&[]).is_empty());
    }
}
