//! Who shows a device, in any mount namespace of this host.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::{BlockDevice, DeviceNumber, Error, Mount, Result, mountinfo, own_mounts};

/// Where a device is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// It is mounted on the given mountpoint in our own namespace.
    pub mounted: bool,
    /// It shows anywhere else: a container's bind mount, another namespace, another directory. One line each.
    pub others: Vec<String>,
}

/// Looks through the mount tables of all processes for `device`.
///
/// Copies of our own mount which the kernel propagated to peer namespaces at the same place go away with it, and do
/// not count as others.
///
/// # Errors
/// [`Error::Io`] when the process table cannot be read: then nobody may conclude that the device is free.
pub fn usage(device: &BlockDevice, mountpoint: &Path) -> Result<Usage> {
    let own = own_mounts()?;
    let tables = foreign_tables(Path::new("/proc"))?;
    let mut numbers = BTreeSet::from([device.number()]);
    for mount in own.iter().chain(tables.iter().flat_map(|t| t.mounts.iter())) {
        // btrfs shows an anonymous number; its source still names the device.
        if mount.kind == "btrfs" && names_device(&mount.source, device.number()) {
            numbers.insert(mount.device);
        }
    }
    Ok(users(&own, &tables, mountpoint, |m| numbers.contains(&m.device)))
}

/// As [`usage()`], for the mounts that `shows` picks.
pub(crate) fn usage_of(mountpoint: &Path, shows: impl Fn(&Mount) -> bool) -> Result<Usage> {
    Ok(users(&own_mounts()?, &foreign_tables(Path::new("/proc"))?, mountpoint, shows))
}

fn users(own: &[Mount], tables: &[Table], mountpoint: &Path, shows: impl Fn(&Mount) -> bool) -> Usage {
    let ours: Vec<_> = own.iter().filter(|m| shows(m)).collect();
    let our_mount = ours.iter().rev().find(|m| m.mountpoint == mountpoint);
    let our_parent = our_mount.and_then(|ours| own.iter().find(|m| m.id == ours.parent));
    let mut usage = Usage { mounted: our_mount.is_some(), others: Vec::new() };
    for mount in &ours {
        if our_mount.is_none_or(|m| m.id != mount.id) {
            usage.others.push(format!("{} (mounted)", mount.mountpoint.display()));
        }
    }
    for table in tables {
        for mount in table.mounts.iter().filter(|m| shows(m)) {
            let goes_with_ours = |ours: &Mount| {
                let parent = table.mounts.iter().find(|m| m.id == mount.parent);
                ours.id == mount.id
                    || is_propagated_copy(ours, mount)
                    || is_copy_elsewhere((ours, our_parent), (mount, parent))
            };
            if !our_mount.is_some_and(|ours| goes_with_ours(ours)) {
                usage.others.push(format!("process {} at {}", table.pid, mount.mountpoint.display()));
            }
        }
    }
    usage
}

fn is_propagated_copy(ours: &Mount, other: &Mount) -> bool {
    ours.shared.is_some()
        && (other.shared == ours.shared || other.master == ours.shared)
        && other.mountpoint == ours.mountpoint
        && other.root == ours.root
}

/// The same where the shared directory itself is shown in two places, as that of a plugin with a root of its own is: the
/// kernel unmounts what stands at the same place of a peer of the mount that ours stands on.
fn is_copy_elsewhere(ours: (&Mount, Option<&Mount>), other: (&Mount, Option<&Mount>)) -> bool {
    let place = |(mount, parent): (&Mount, Option<&Mount>)| {
        let parent = parent?;
        let below = mount.mountpoint.strip_prefix(&parent.mountpoint).ok()?;
        Some((parent.device, parent.root.join(below)))
    };
    let (Some(here), Some(there)) = (ours.1, other.1) else { return false };
    here.shared.is_some()
        && (there.shared == here.shared || there.master == here.shared)
        && place(ours).is_some()
        && place(ours) == place(other)
        && ours.0.root == other.0.root
}

fn names_device(source: &Path, number: DeviceNumber) -> bool {
    std::fs::metadata(source)
        .is_ok_and(|m| m.file_type().is_block_device() && DeviceNumber::from_raw(m.rdev()) == number)
}

struct Table {
    pid: u32,
    mounts: Vec<Mount>,
}

/// The mount tables of all other namespaces, one per namespace and root directory: a process in a chroot sees only
/// the part below it.
fn foreign_tables(proc: &Path) -> Result<Vec<Table>> {
    let own = namespace_of(Path::new("/proc/thread-self"))?;
    let mut seen = BTreeSet::new();
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(proc).map_err(|e| Error::io("list", proc, e))? {
        let entry = entry.map_err(|e| Error::io("list", proc, e))?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let dir = entry.path();
        match namespace_of(&dir) {
            // A process that ended meanwhile, or a zombie, shows nothing and holds nothing.
            Ok(None) => continue,
            Ok(Some(namespace)) => {
                if own.as_ref() == Some(&namespace) || !seen.insert(namespace) {
                    continue;
                }
            }
            // Of a process we may not look into, the table itself may still be readable.
            Err(_) => {}
        }
        match mountinfo::read(&dir.join("mountinfo")) {
            Ok(mounts) => tables.push(Table { pid, mounts }),
            Err(Error::Io { source, .. }) if is_gone(&source) || source.raw_os_error() == Some(22) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(tables)
}

fn namespace_of(dir: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
    let link = |name: &str| {
        let path = dir.join(name);
        match std::fs::read_link(&path) {
            Ok(target) => Ok(Some(target)),
            Err(e) if is_gone(&e) => Ok(None),
            Err(e) => Err(Error::io("look at", &path, e)),
        }
    };
    Ok(link("ns/mnt")?.zip(link("root")?))
}

/// ENOENT and ESRCH are how a process that ended answers.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(2 | 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin sees its volumes below `/fuxi/data`, its host below a directory of the plugin's.
    #[test]
    fn a_copy_in_the_same_shared_directory_goes_away_with_ours_wherever_that_is_shown() {
        let parse = |text: &str| mountinfo::parse(text.as_bytes()).unwrap();
        let own = parse(
            "2 1 8:1 /p/data /fuxi/data rw shared:7 - ext4 /dev/sda1 rw\n\
                         3 2 7:0 / /fuxi/data/v rw shared:9 - ext4 /dev/loop0 rw\n",
        );
        let shows = |m: &Mount| m.kind == "ext4" && m.source == Path::new("/dev/loop0");
        let others = |text: &str| {
            let tables = [Table { pid: 1, mounts: parse(text) }];
            users(&own, &tables, Path::new("/fuxi/data/v"), shows).others.len()
        };
        let host = "12 11 8:1 /p/data /var/p/data rw shared:7 - ext4 /dev/sda1 rw\n";
        assert_eq!(others(&format!("{host}13 12 7:0 / /var/p/data/v rw shared:9 - ext4 /dev/loop0 rw\n")), 0);
        // Elsewhere in that directory, or a part of the volume: somebody else's.
        assert_eq!(others(&format!("{host}13 12 7:0 / /var/p/data/w rw shared:9 - ext4 /dev/loop0 rw\n")), 1);
        assert_eq!(
            others(&format!("{host}13 12 7:0 /sub /var/p/data/v rw shared:9 - ext4 /dev/loop0 rw\n")),
            1
        );
        // A container's: nothing of its parent is shared with us.
        let container = "22 21 0:9 / / rw - overlay overlay rw\n";
        assert_eq!(others(&format!("{container}23 22 7:0 / /data rw - ext4 /dev/loop0 rw\n")), 1);
        let private = "12 11 8:1 /p/data /var/p/data rw - ext4 /dev/sda1 rw\n";
        assert_eq!(others(&format!("{private}13 12 7:0 / /var/p/data/v rw - ext4 /dev/loop0 rw\n")), 1);
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_is_not_taken_for_one_without_mounts() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(proc.path().join("42/ns")).unwrap();
        assert!(foreign_tables(proc.path()).unwrap().is_empty(), "it ended meanwhile");
        std::fs::write(proc.path().join("42/ns/mnt"), "not a link").unwrap();
        std::fs::write(proc.path().join("42/mountinfo"), "1 0 7:9 / /x rw - ext4 /dev/loop9 rw\n").unwrap();
        assert_eq!(foreign_tables(proc.path()).unwrap()[0].mounts.len(), 1);
        std::fs::remove_file(proc.path().join("42/mountinfo")).unwrap();
        std::fs::create_dir(proc.path().join("42/mountinfo")).unwrap();
        assert!(matches!(foreign_tables(proc.path()), Err(Error::Io { .. })));
    }
}
