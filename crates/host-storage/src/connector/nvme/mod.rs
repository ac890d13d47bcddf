//! Volumes behind NVMe over TCP, through the kernel alone: no nvme-cli.
//!
//! Several portals become several controllers, which the kernel joins to one device (native multipath). One subsystem
//! may hold many volumes, so a controller goes only when no other namespace is behind it.

mod fabrics;
mod host;
mod link;
mod sysfs;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) use host::{HostName, UUID_NQN};
pub use link::{NvmeLink, NvmePortal};

use self::fabrics::{Kernel, Linux};
use self::sysfs::{Controller, Namespace, controllers, joins_paths, namespaces};
use super::{Machine, turn};
use crate::{BlockDevice, Error, Result, is_open_elsewhere};

pub(super) fn connect(machine: &Machine, link: &NvmeLink, volume: &str, size: u64) -> Result<BlockDevice> {
    turn::alone(&link.nqn, || Nvme::new(machine, link, volume).connect(size))
}

pub(super) fn prove(
    machine: &Machine,
    link: &NvmeLink,
    path: &Path,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    Nvme::new(machine, link, volume).prove(path, size)
}

pub(super) fn disconnect(machine: &Machine, link: &NvmeLink, volume: &str) -> Result<()> {
    turn::alone(&link.nqn, || Nvme::new(machine, link, volume).disconnect())
}

pub(super) fn rescan(machine: &Machine, link: &NvmeLink, volume: &str) -> Result<()> {
    Nvme::new(machine, link, volume).rescan()
}

/// Whether the device is a namespace that is known to be none of the link's.
pub(super) fn is_anothers(machine: &Machine, link: &NvmeLink, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let found = namespaces(machine).ok().and_then(|all| all.into_iter().find(|n| n.name == name));
    found.is_some_and(|n| {
        n.nqn != link.nqn || (n.uuid.is_some() && link.uuid.is_some() && n.uuid != link.uuid)
    })
}

struct Nvme<'a> {
    machine: &'a Machine,
    link: &'a NvmeLink,
    volume: &'a str,
    kernel: &'a dyn Kernel,
    /// How long a namespace may take to come or go.
    patience: Duration,
}

impl<'a> Nvme<'a> {
    fn new(machine: &'a Machine, link: &'a NvmeLink, volume: &'a str) -> Self {
        Self { machine, link, volume, kernel: &Linux, patience: Duration::from_secs(30) }
    }

    fn refused(&self, reason: String) -> Error {
        Error::Connection { volume: self.volume.to_owned(), reason }
    }

    fn wrong(&self, path: &Path, reason: String) -> Error {
        Error::WrongDevice { path: path.to_owned(), volume: self.volume.to_owned(), reason }
    }

    fn connect(&self, size: u64) -> Result<BlockDevice> {
        self.kernel.prepare(self.machine)?;
        self.reach(&HostName::read(self.machine)?)?;
        let name = self.await_namespace(size)?;
        self.prove(&self.machine.path("/dev").join(name), size)
    }

    /// A controller for each portal, at least one; an existing one is used.
    fn reach(&self, host: &HostName) -> Result<()> {
        let existing = self.controllers(host)?;
        self.look_again(&existing);
        let reach = |portal: NvmePortal| -> std::io::Result<()> {
            if existing.iter().any(|c| c.portal == Some(portal) && !c.is_ending()) {
                return Ok(());
            }
            self.kernel.answers(portal)?;
            match self.kernel.connect(self.machine, &fabrics::options(self.link, portal, host)) {
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::ALREADY.raw_os_error()) => Ok(()),
                other => other,
            }
        };
        let portals = &self.link.portals;
        let results: Vec<std::io::Result<()>> = if joins_paths(self.machine) {
            // Side by side, because each may wait for a dead path.
            std::thread::scope(|scope| {
                let running: Vec<_> = portals.iter().map(|p| scope.spawn(|| reach(*p))).collect();
                let ended = running.into_iter().map(|r| r.join());
                ended.map(|r| r.unwrap_or_else(|_| Err(std::io::Error::other("it panicked")))).collect()
            })
        } else {
            // Each controller would show the volume as a device of its own.
            let mut results = Vec::new();
            for portal in portals {
                results.push(reach(*portal));
                if results.last().is_some_and(|r| r.is_ok()) {
                    break;
                }
            }
            results
        };
        let reached = results.iter().any(|r| r.is_ok());
        let failed: Vec<_> = portals
            .iter()
            .zip(&results)
            .filter_map(|(p, r)| Some(format!("{} port {}: {}", p.address, p.port, r.as_ref().err()?)))
            .collect();
        if !reached {
            return Err(self.refused(format!(
                "no portal of {} could be connected: {}; check the storage network",
                self.link.nqn,
                failed.join(", ")
            )));
        }
        for portal in failed {
            tracing::warn!(nqn = self.link.nqn, portal, "one path is missing");
        }
        Ok(())
    }

    /// The device's name, once it is there and has its size.
    fn await_namespace(&self, size: u64) -> Result<String> {
        let started = Instant::now();
        let mut again = Duration::from_secs(1);
        loop {
            let found = self.ours()?.into_iter().next();
            let node = |n: &Namespace| self.machine.path("/dev").join(&n.name).exists();
            if let Some(namespace) = found.as_ref().filter(|n| n.size == size && node(n)) {
                return Ok(namespace.name.clone());
            }
            let waited = started.elapsed();
            // A size that does not fit is soon looked at again, but hardly ever changes.
            let patience = if found.is_some() { self.patience / 8 } else { self.patience };
            if waited >= patience {
                return Err(match found {
                    Some(n) if n.size != size => self.wrong(
                        &self.machine.path("/dev").join(&n.name),
                        format!("it has {} bytes instead of {size}", n.size),
                    ),
                    Some(n) => self.refused(format!("/dev/{} does not appear; check udev", n.name)),
                    None => self.refused(format!(
                        "{} is connected, but shows no namespace {}",
                        self.link.nqn,
                        self.link.wanted()
                    )),
                });
            }
            if waited >= again {
                again = again.saturating_mul(2);
                self.look_again(&controllers(self.machine, &self.link.nqn)?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn prove(&self, path: &Path, size: u64) -> Result<BlockDevice> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let all = namespaces(self.machine)?;
        let Some(found) = all.iter().find(|n| n.name == name) else {
            return Err(self.wrong(path, "the kernel has no such namespace".into()));
        };
        if !self.link.is(found, self.volume) {
            return Err(self.wrong(
                path,
                format!(
                    "it is namespace {} of {}, UUID {}",
                    found.nsid.unwrap_or_default(),
                    found.nqn,
                    found.uuid.as_deref().unwrap_or("none")
                ),
            ));
        }
        let device = BlockDevice::open(path)?;
        if found.number != Some(device.number()) {
            return Err(self.wrong(path, format!("the path is device {}", device.number())));
        }
        if device.size() != size {
            return Err(self.wrong(path, format!("it has {} bytes instead of {size}", device.size())));
        }
        Ok(device)
    }

    fn disconnect(&self) -> Result<()> {
        let (ours, others): (Vec<_>, Vec<_>) = namespaces(self.machine)?
            .into_iter()
            .filter(|n| n.nqn == self.link.nqn)
            .partition(|n| self.link.is(n, self.volume));
        for namespace in &ours {
            self.let_go(&self.machine.path("/dev").join(&namespace.name))?;
        }
        if !others.is_empty() {
            // The storage takes the namespace away when it ends the attachment, and the kernel notices.
            let others: Vec<_> = others.iter().map(|n| n.name.as_str()).collect();
            tracing::debug!(nqn = self.link.nqn, ?others, "kept connected for other volumes");
            return Ok(());
        }
        // Without a name this host has connected nothing.
        let controllers = match HostName::read(self.machine) {
            Ok(host) => self.controllers(&host)?,
            Err(_) => Vec::new(),
        };
        for controller in controllers.iter().filter(|c| !c.is_ending()) {
            let attribute = controller.dir.join("delete_controller");
            match self.kernel.order(&attribute) {
                Err(e) if !is_gone(&e) => return Err(Error::io("disconnect through", &attribute, e)),
                _ => {}
            }
        }
        self.await_gone()
    }

    /// Nobody holds the device, and all of it is written.
    fn let_go(&self, path: &Path) -> Result<()> {
        let device = match BlockDevice::open(path) {
            Ok(device) => device,
            Err(Error::Io { source, .. }) if is_gone(&source) => return Ok(()),
            Err(e) => return Err(e),
        };
        if is_open_elsewhere(&device)? { Err(Error::Busy { path: path.to_owned() }) } else { Ok(()) }
    }

    fn await_gone(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let Some(left) = self.ours()?.into_iter().next() else { return Ok(()) };
            if started.elapsed() >= self.patience {
                return Err(self.refused(format!(
                    "/dev/{} stays after all our controllers of {} went: another host NQN of this machine holds it",
                    left.name, self.link.nqn
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn rescan(&self) -> Result<()> {
        for controller in controllers(self.machine, &self.link.nqn)?.iter().filter(|c| c.is_live()) {
            let attribute = controller.dir.join("rescan_controller");
            self.kernel.order(&attribute).map_err(|e| Error::io("rescan through", &attribute, e))?;
        }
        Ok(())
    }

    /// A rescan that fails shows in what does not come.
    fn look_again(&self, controllers: &[Controller]) {
        for controller in controllers.iter().filter(|c| c.is_live()) {
            if let Err(error) = self.kernel.order(&controller.dir.join("rescan_controller")) {
                tracing::debug!(controller = %controller.dir.display(), %error, "no rescan");
            }
        }
    }

    fn ours(&self) -> Result<Vec<Namespace>> {
        let all = namespaces(self.machine)?;
        Ok(all.into_iter().filter(|n| self.link.is(n, self.volume)).collect())
    }

    fn controllers(&self, host: &HostName) -> Result<Vec<Controller>> {
        let all = controllers(self.machine, &self.link.nqn)?;
        Ok(all.into_iter().filter(|c| c.host == host.nqn).collect())
    }
}

/// ENOENT, ENXIO and ENODEV.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || matches!(error.raw_os_error(), Some(6 | 19))
}
