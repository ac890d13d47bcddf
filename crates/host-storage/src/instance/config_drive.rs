//! The config drive: a small disk that Nova gives a machine at its making, with the same document as the metadata service.
//!
//! Source: Nova's config drive, a filesystem labelled `config-2` (iso9660 or vfat).

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use serde::Deserialize;
use uuid::Uuid;

use super::Said;
use crate::connector::Machine;
use crate::{BlockDevice, DeviceNumber, Error, Result, own_mounts};

/// As udev shows it; vfat's tools like capitals.
const LABELS: [&str; 2] = ["/dev/disk/by-label/config-2", "/dev/disk/by-label/CONFIG-2"];
const KINDS: [&str; 2] = ["iso9660", "vfat"];
const DOCUMENT: &str = "openstack/latest/meta_data.json";
/// Largest document read, in bytes.
const LARGEST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Document {
    uuid: Uuid,
}

/// What the config drive says. It is read where it is mounted already, or else through a mount that nobody else can see.
#[must_use]
pub fn config_drive(machine: &Machine) -> Said {
    read(machine, &KINDS)
}

fn read(machine: &Machine, kinds: &[&str]) -> Said {
    let Some(link) = LABELS.iter().map(|l| machine.path(l)).find(|l| l.exists()) else {
        return Said::Nothing("no disk is labelled config-2".into());
    };
    match document(&link, kinds) {
        Ok(text) => match serde_json::from_slice::<Document>(&text) {
            Ok(document) => Said::Server(document.uuid),
            Err(_) => Said::Nonsense(format!("{DOCUMENT} names no server")),
        },
        Err(error) => Said::Nonsense(error.to_string()),
    }
}

fn document(link: &Path, kinds: &[&str]) -> Result<Vec<u8>> {
    let path = std::fs::canonicalize(link).map_err(|e| Error::io("look at", link, e))?;
    let device = BlockDevice::open(&path)?;
    for mount in own_mounts()? {
        if mount.device == device.number()
            && mount.root == Path::new("/")
            && kinds.contains(&mount.kind.as_str())
            && let Ok(root) = open_directory(&mount.mountpoint)
            && root.metadata().is_ok_and(|m| DeviceNumber::from_raw(m.dev()) == device.number())
        {
            return read_below(&root, &mount.mountpoint);
        }
    }
    let mut last = None;
    for kind in kinds {
        match mounted_privately(&path, kind) {
            Ok(root) => return read_below(&root, &path),
            Err(error) => last = Some(Error::io("read as config drive", &path, error)),
        }
    }
    Err(last.unwrap_or(Error::NotABlockDevice { path }))
}

/// A mount that has no place in any directory tree, and ends with its descriptor.
fn mounted_privately(device: &Path, kind: &str) -> rustix::io::Result<OwnedFd> {
    let filesystem = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(filesystem.as_fd(), "source", device)?;
    rustix::mount::fsconfig_set_flag(filesystem.as_fd(), "ro")?;
    rustix::mount::fsconfig_create(filesystem.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(filesystem.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn open_directory(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The document below a directory, without a way out of it.
fn read_below(root: impl AsFd, shown: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::io("read the config drive", shown, error);
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file =
        rustix::fs::openat2(root, DOCUMENT, flags, Mode::empty(), within).map_err(|e| failed(e.into()))?;
    let mut text = Vec::new();
    File::from(file).take(LARGEST).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const ID: &str = "5f0f0f0f-1122-4233-8333-444444444444";

    /// A disk with a filesystem that this kernel surely has, in place of iso9660; gone when it is dropped.
    struct Drive {
        device: String,
        dir: tempfile::TempDir,
    }

    impl Drive {
        fn new(document: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let content = dir.path().join("content");
            std::fs::create_dir_all(content.join("openstack/latest")).unwrap();
            std::fs::write(content.join(DOCUMENT), document).unwrap();
            let image = dir.path().join("image");
            File::create(&image).unwrap().set_len(4 << 20).unwrap();
            run(Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-L", "config-2", "-d"])
                .arg(&content)
                .arg(&image));
            let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&image));
            let labels = dir.path().join("dev/disk/by-label");
            std::fs::create_dir_all(&labels).unwrap();
            std::os::unix::fs::symlink(&device, labels.join("config-2")).unwrap();
            Self { device, dir }
        }

        fn says(&self) -> Said {
            read(&Machine::at(self.dir.path()), &["iso9660", "ext4"])
        }
    }

    impl Drop for Drive {
        fn drop(&mut self) {
            let _ = Command::new("losetup").args(["--detach", &self.device]).status();
        }
    }

    fn run(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn a_config_drive_is_read_without_a_mount_that_others_see() {
        let drive = Drive::new(&format!(r#"{{"uuid": "{ID}", "name": "n"}}"#));
        assert_eq!(drive.says().to_string(), ID);
        let device = BlockDevice::open(&drive.device).unwrap();
        assert!(own_mounts().unwrap().iter().all(|m| m.device != device.number()));
        assert!(!crate::is_open_elsewhere(&device).unwrap(), "nothing holds it any more");
        // The kinds of the real ones do not read it: nobody else's filesystem is a config drive.
        assert!(matches!(config_drive(&Machine::at(drive.dir.path())), Said::Nonsense(_)));
    }

    #[test]
    fn a_drive_that_names_no_server_is_not_ignored() {
        for document in ["{}", "", r#"{"uuid": "none"}"#] {
            assert!(matches!(Drive::new(document).says(), Said::Nonsense(_)), "{document}");
        }
    }

    #[test]
    fn a_machine_without_a_config_drive_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(config_drive(&Machine::at(dir.path())), Said::Nothing(_)));
    }
}
