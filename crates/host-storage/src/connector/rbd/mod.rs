//! Images of a Ceph cluster, mapped by the kernel.
//!
//! Ceph's own `rbd` maps and unmaps. The kernel's `/sys/bus/rbd/add` would do without it, but takes the key in its text and
//! shows that text again in `config_info`; `rbd` reads the keyring itself and gives the key to the kernel's key store, so no
//! secret passes through this process or any argument. It also knows `ceph.conf`, versions of the wire and why an image is
//! refused. What is mapped is read from sysfs alone: that is the proof.

mod link;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use link::RbdLink;

use super::program::Program;
use super::{Machine, turn};
use crate::sysfs::{names, text};
use crate::{BlockDevice, DeviceNumber, Error, Result, is_open_elsewhere};

const RBD: Program = Program { name: "rbd", package: "ceph-common" };
/// A cluster that is away is asked for five minutes by itself.
const MAPPED_WITHIN: Duration = Duration::from_secs(60);
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn connect(machine: &Machine, link: &RbdLink, volume: &str, size: u64) -> Result<BlockDevice> {
    let rbd = Rbd { machine, link, volume };
    turn::alone(&link.spec(), || rbd.connect(size))
}

pub(super) fn prove(
    machine: &Machine,
    link: &RbdLink,
    path: &Path,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    Rbd { machine, link, volume }.prove(path, size)
}

pub(super) fn disconnect(machine: &Machine, link: &RbdLink, volume: &str) -> Result<()> {
    let rbd = Rbd { machine, link, volume };
    turn::alone(&link.spec(), || rbd.disconnect())
}

/// Whether the device is another image by now.
pub(super) fn is_anothers(machine: &Machine, link: &RbdLink, path: &Path) -> bool {
    let all = mapped(machine);
    let found = all.iter().find(|m| machine.path(&m.path()) == path);
    found.is_some_and(|m| (&m.pool, &m.image) != (&link.pool, &link.image))
}

/// Has the kernel ask for the image's size, which it also hears of by itself.
pub(super) fn rescan(machine: &Machine, link: &RbdLink) -> Result<()> {
    for found in mapped(machine).iter().filter(|m| m.is(link)) {
        let attribute = machine.path(&format!("/sys/bus/rbd/devices/{}/refresh", found.id));
        std::fs::write(&attribute, "1").map_err(|e| Error::io("rescan through", &attribute, e))?;
    }
    Ok(())
}

/// An image that the kernel has mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mapped {
    id: u32,
    pool: String,
    /// Empty for the pool's own.
    namespace: String,
    image: String,
    /// `-` for the image itself.
    snapshot: String,
    number: Option<DeviceNumber>,
    /// Of its cluster, without ports; empty where the kernel does not tell.
    monitors: Vec<String>,
}

impl Mapped {
    /// A mirrored image has the same names in another cluster.
    fn is(&self, link: &RbdLink) -> bool {
        let wanted: Vec<_> = link.monitors.iter().filter_map(|m| address(m)).collect();
        let told = !self.monitors.is_empty() && !wanted.is_empty();
        self.pool == link.pool
            && self.image == link.image
            && self.namespace.is_empty()
            && self.snapshot == "-"
            && (!told || self.monitors.iter().any(|m| wanted.contains(m)))
    }

    fn path(&self) -> String {
        format!("/dev/rbd{}", self.id)
    }
}

/// Source: linux/Documentation/ABI/testing/sysfs-bus-rbd.
fn mapped(machine: &Machine) -> Vec<Mapped> {
    let base = machine.path("/sys/bus/rbd/devices");
    let read = |id: &str| {
        let get = |attribute: &str| text(&base.join(id).join(attribute));
        Some(Mapped {
            id: id.parse().ok()?,
            pool: get("pool")?,
            namespace: get("pool_ns").unwrap_or_default(),
            image: get("name")?,
            snapshot: get("current_snap").unwrap_or_default(),
            number: get("major").and_then(|major| {
                Some(DeviceNumber { major: major.parse().ok()?, minor: get("minor")?.parse().ok()? })
            }),
            // Addresses come first. What follows may hold a secret and goes nowhere.
            monitors: get("config_info")
                .and_then(|t| Some(t.split_whitespace().next()?.split(',').filter_map(address).collect()))
                .unwrap_or_default(),
        })
    };
    names(&base).iter().filter_map(|id| read(id)).collect()
}

/// `10.0.0.1` of `10.0.0.1:6789`, `fd00::1` of `[fd00::1]:6789`; nothing of a name.
fn address(monitor: &str) -> Option<String> {
    let host = monitor.rsplit_once(':').map_or(monitor, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().ok().map(|a| a.to_string())
}

struct Rbd<'a> {
    machine: &'a Machine,
    link: &'a RbdLink,
    volume: &'a str,
}

impl Rbd<'_> {
    fn refused(&self, reason: String) -> Error {
        Error::Connection { volume: self.volume.to_owned(), reason }
    }

    fn wrong(&self, path: &Path, reason: String) -> Error {
        Error::WrongDevice { path: path.to_owned(), volume: self.volume.to_owned(), reason }
    }

    fn ours(&self) -> Vec<Mapped> {
        mapped(self.machine).into_iter().filter(|m| m.is(self.link)).collect()
    }

    fn connect(&self, size: u64) -> Result<BlockDevice> {
        if self.ours().is_empty() {
            self.map()?;
        }
        let started = Instant::now();
        loop {
            let node = self.ours().first().map(|m| self.machine.path(&m.path())).filter(|p| p.exists());
            if let Some(path) = node {
                return self.prove(&path, size);
            }
            if started.elapsed() > SHOWS_WITHIN {
                return Err(
                    self.refused(format!("rbd mapped {}, but no device shows; check udev", self.link.spec()))
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn map(&self) -> Result<()> {
        let spec = self.link.spec();
        let mut arguments = self.access()?;
        arguments.extend(["map".into(), spec.clone()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = RBD.run(self.machine, &arguments, &spec, MAPPED_WITHIN)?;
        if ended.code == Some(0) {
            return Ok(());
        }
        let reason = if ended.stderr.is_empty() { ended.stdout } else { ended.stderr };
        let lower = reason.to_ascii_lowercase();
        // EINVAL, ENXIO and this text are how the kernel's driver says that it lacks a feature.
        if lower.contains("feature set mismatch") || lower.contains("unsupported features") {
            return Err(self.refused(format!(
                "this kernel lacks a feature of image {spec}; rbd feature disable {spec} object-map fast-diff \
                 deep-flatten journaling, and set rbd_default_features = 5 for Cinder's new ones ({reason})"
            )));
        }
        if lower.contains("modprobe") || lower.contains("/sys/bus/rbd") {
            return Err(
                self.refused(format!("this kernel cannot map images; load its module rbd ({reason})"))
            );
        }
        Err(Error::Tool { program: RBD.name, path: spec.into(), reason })
    }

    /// Which cluster, as whom. The keyring is named, not read.
    fn access(&self) -> Result<Vec<String>> {
        let link = self.link;
        let mut arguments = self.settings();
        arguments.extend(["--mon_host".into(), link.monitors.join(",")]);
        if let Some(user) = &link.user {
            let keyring = format!("/etc/ceph/{}.client.{user}.keyring", link.cluster);
            if !self.machine.path(&keyring).exists() {
                return Err(self.refused(format!(
                    "{keyring} is missing: put the key of client.{user} there, readable by root only"
                )));
            }
            arguments.extend(["--id".into(), user.clone(), "--keyring".into(), keyring]);
        }
        Ok(arguments)
    }

    /// Without a file it complains at such length that its reason would not be heard.
    fn settings(&self) -> Vec<String> {
        let file = format!("/etc/ceph/{}.conf", self.link.cluster);
        let file = if self.machine.path(&file).exists() { file } else { "/dev/null".into() };
        vec!["--conf".into(), file]
    }

    fn prove(&self, path: &Path, size: u64) -> Result<BlockDevice> {
        let all = mapped(self.machine);
        let Some(found) = all.iter().find(|m| self.machine.path(&m.path()) == path) else {
            return Err(self.wrong(path, "the kernel has mapped no image there".into()));
        };
        if !found.is(self.link) {
            let Mapped { pool, image, snapshot, .. } = found;
            return Err(self.wrong(path, format!("it is image {pool}/{image}, snapshot {snapshot}")));
        }
        let device = BlockDevice::open(path)?;
        // Minor 0 is the whole device whichever way minors are dealt out.
        if found.number.is_some_and(|n| n != device.number()) {
            return Err(self.wrong(path, format!("the path is device {}", device.number())));
        }
        if device.size() != size {
            return Err(self.wrong(path, format!("it has {} bytes instead of {size}", device.size())));
        }
        Ok(device)
    }

    fn disconnect(&self) -> Result<()> {
        for found in self.ours() {
            let path = self.machine.path(&found.path());
            match BlockDevice::open(&path) {
                Ok(device) if is_open_elsewhere(&device)? => return Err(Error::Busy { path }),
                Ok(_) => {}
                Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(2 | 6 | 19)) => {}
                Err(e) => return Err(e),
            }
            self.unmap(&found)?;
        }
        Ok(())
    }

    fn unmap(&self, found: &Mapped) -> Result<()> {
        let started = Instant::now();
        let mut arguments = self.settings();
        arguments.extend(["unmap".into(), found.path()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        loop {
            let ended = RBD.run(self.machine, &arguments, &found.path(), MAPPED_WITHIN)?;
            if !mapped(self.machine).contains(found) {
                return Ok(());
            }
            // udev may look at a device for a moment.
            if started.elapsed() > SHOWS_WITHIN {
                let reason = if ended.stderr.is_empty() { "it stays mapped".into() } else { ended.stderr };
                let path = PathBuf::from(found.path());
                return Err(match ended.code {
                    // EBUSY
                    Some(16) => Error::Busy { path },
                    _ => Error::Tool { program: RBD.name, path, reason },
                });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
