//! This host behind [`HostStorage`]: every call on a blocking thread, every device proven anew.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use host_storage::connector::{self, Connection, Link, Machine};
use host_storage::{BlockDevice, Error as HostError, Filesystem, Probe, Root, Subdirectory, Usage};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Content, Device, HostResult, HostStorage};

/// How long a device may take to show that its volume grew.
const GROWS_WITHIN: Duration = Duration::from_secs(30);

/// This machine, with one directory below which volumes are mounted.
#[derive(Debug, Clone)]
pub struct LocalHost {
    base: PathBuf,
    host: String,
    ip: Option<IpAddr>,
}

impl LocalHost {
    /// Takes `base` (created if absent) for mountpoints and shares its mounts with dockerd. `host` is what Cinder
    /// records; it must be unique and stable. `ip` is this host's address on the storage network.
    ///
    /// # Errors
    /// The directory cannot be made or shared.
    pub fn open(base: &Path, host: &str, ip: Option<IpAddr>) -> HostResult<Self> {
        for warning in connector::warnings(&Machine::default()) {
            tracing::warn!("{warning}");
        }
        Ok(Self { base: host_storage::share(base)?, host: host.to_owned(), ip })
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> HostResult<T> + Send + 'static,
) -> HostResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(HostError::Io {
            action: "finish work on",
            path: PathBuf::from("a storage thread"),
            source: std::io::Error::other(error),
        }),
    }
}

/// The device, if it is still the one that was proven.
fn reopen(device: &Device) -> HostResult<BlockDevice> {
    // A volume may be extended while it is attached, by anybody; it never shrinks.
    let size = BlockDevice::open(&device.path).map_or(device.size, |d| d.size().max(device.size));
    let found = connector::prove(&Machine::default(), &device.link, &device.path, &device.volume, size)?;
    if found.number() == device.number {
        return Ok(found);
    }
    Err(another_number(device, &found))
}

fn is_smaller(path: &Path, size: u64) -> bool {
    BlockDevice::open(path).is_ok_and(|device| device.size() < size)
}

fn another_number(device: &Device, found: &BlockDevice) -> HostError {
    HostError::WrongDevice {
        path: device.path.clone(),
        volume: device.volume.clone(),
        reason: format!("it is device {} instead of {}", found.number(), device.number),
    }
}

/// The device, or `None` when it is gone and nothing is mounted in its place: then there is nothing to let go.
fn reopen_or_gone(device: &Device, mountpoint: &Path) -> HostResult<Option<BlockDevice>> {
    match reopen(device) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            let mounts = host_storage::own_mounts()?;
            // A device that is mounted keeps its name, so one that shows another volume has let ours go.
            let reused =
                connector::is_anothers(&Machine::default(), &device.link, &device.path, &device.volume);
            let mounted =
                mounts.iter().any(|m| m.mountpoint == mountpoint || (m.source == device.path && !reused));
            let gone = match &error {
                HostError::WrongDevice { .. } | HostError::NotABlockDevice { .. } => true,
                // ENOENT, ENXIO and ENODEV are how a device that is no longer there answers.
                HostError::Io { source, .. } => matches!(source.raw_os_error(), Some(2 | 6 | 19)),
                _ => false,
            };
            if gone && !mounted { Ok(None) } else { Err(error) }
        }
    }
}

#[async_trait]
impl HostStorage for LocalHost {
    async fn boot_id(&self) -> HostResult<String> {
        host_storage::boot_id()
    }

    async fn connector(&self) -> HostResult<Map<String, Value>> {
        let (host, ip) = (self.host.clone(), self.ip);
        blocking(move || {
            let machine = Machine::default();
            let multipath = connector::joins_paths(&machine);
            Ok(connector::properties(&machine, &host, ip, multipath))
        })
        .await
    }

    fn link(&self, connection: &Map<String, Value>, volume: &str) -> HostResult<Link> {
        Ok(Connection::parse(connection, volume)?.link)
    }

    async fn connect(&self, connection: &Map<String, Value>, volume: &str, size: u64) -> HostResult<Device> {
        let (connection, volume) = (Connection::parse(connection, volume)?, volume.to_owned());
        blocking(move || {
            let machine = Machine::default();
            let device = connector::connect(&machine, &connection, &volume, size)?;
            let link = connector::identify(&machine, connection.link, &device);
            Ok(Device { path: device.path().to_owned(), number: device.number(), size, volume, link })
        })
        .await
    }

    async fn inspect(&self, device: &Device) -> HostResult<Content> {
        let device = device.clone();
        blocking(move || {
            Ok(match host_storage::probe(reopen(&device)?)? {
                Probe::Filesystem { kind, uuid, .. } => Content::Filesystem { kind, uuid },
                Probe::Foreign { what } => Content::Foreign(what),
                Probe::Blank(_) => Content::Blank,
                Probe::Unreadable { reason } => Content::Unreadable(reason),
            })
        })
        .await
    }

    async fn format(
        &self,
        device: &Device,
        filesystem: Filesystem,
        uuid: Uuid,
        options: &str,
    ) -> HostResult<()> {
        let (device, options) = (device.clone(), options.to_owned());
        blocking(move || match host_storage::probe(reopen(&device)?)? {
            Probe::Blank(proof) => host_storage::make_filesystem(proof, filesystem, uuid, &options),
            other => Err(HostError::WrongDevice {
                path: device.path,
                volume: device.volume,
                reason: format!("it was blank a moment ago and is not now: {other:?}"),
            }),
        })
        .await
    }

    async fn mount(
        &self,
        device: &Device,
        filesystem: Filesystem,
        options: &str,
        name: &str,
    ) -> HostResult<PathBuf> {
        let (device, base) = (device.clone(), self.base.clone());
        let (options, name) = (options.to_owned(), name.to_owned());
        blocking(move || {
            let found = reopen(&device)?;
            let path = host_storage::create_mountpoint(&base, &name)?;
            host_storage::mount(&found, filesystem, &options, &path).inspect_err(|_| {
                let _ = host_storage::remove_mountpoint(&base, &name);
            })?;
            Ok(path)
        })
        .await
    }

    async fn check(&self, device: &Device, filesystem: Filesystem, reader: bool) -> HostResult<()> {
        let device = device.clone();
        blocking(move || {
            let found = reopen(&device)?;
            if reader {
                host_storage::check_for_reader(&found, filesystem)
            } else {
                host_storage::check(&found, filesystem).map(drop)
            }
        })
        .await
    }

    async fn arrange(
        &self,
        name: &str,
        root: &Root,
        subdirectory: &Subdirectory,
    ) -> HostResult<Option<String>> {
        let (path, root, subdirectory) = (self.base.join(name), root.clone(), subdirectory.clone());
        blocking(move || host_storage::arrange(&path, &root, &subdirectory)).await
    }

    async fn usage(&self, device: &Device, name: &str) -> HostResult<Usage> {
        let (device, path) = (device.clone(), self.base.join(name));
        blocking(move || match reopen_or_gone(&device, &path)? {
            Some(found) => host_storage::usage(&found, &path),
            None => Ok(Usage::default()),
        })
        .await
    }

    async fn unmount(&self, device: &Device, name: &str) -> HostResult<()> {
        let (device, base, name) = (device.clone(), self.base.clone(), name.to_owned());
        blocking(move || {
            let path = base.join(&name);
            if let Some(found) = reopen_or_gone(&device, &path)? {
                host_storage::unmount(&found, &path)?;
            }
            // An empty directory that cannot be removed is a blemish, not a reason to stay attached.
            if let Err(error) = host_storage::remove_mountpoint(&base, &name) {
                tracing::warn!(%error, "mountpoint left");
            }
            Ok(())
        })
        .await
    }

    async fn release(&self, device: &Device) -> HostResult<()> {
        let device = device.clone();
        blocking(move || match reopen_or_gone(&device, Path::new(""))? {
            Some(found) if host_storage::is_open_elsewhere(&found)? => {
                Err(HostError::Busy { path: device.path })
            }
            _ => Ok(()),
        })
        .await
    }

    async fn disconnect(&self, link: &Link, volume: &str) -> HostResult<()> {
        let (link, volume) = (link.clone(), volume.to_owned());
        blocking(move || connector::disconnect(&Machine::default(), &link, &volume)).await
    }

    async fn sync(&self, name: &str) -> HostResult<()> {
        let path = self.base.join(name);
        blocking(move || host_storage::flush(&path)).await
    }

    async fn resize(&self, device: &Device, size: u64) -> HostResult<Device> {
        let device = device.clone();
        blocking(move || {
            let machine = Machine::default();
            let until = Instant::now() + GROWS_WITHIN;
            let found = loop {
                connector::rescan(&machine, &device.link, &device.volume)?;
                match connector::prove(&machine, &device.link, &device.path, &device.volume, size) {
                    // Cinder knows the new size first; the kernel, or the hypervisor, follows.
                    Err(_) if Instant::now() < until && is_smaller(&device.path, size) => {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    other => break other?,
                }
            };
            if found.number() != device.number {
                return Err(another_number(&device, &found));
            }
            Ok(Device { size, ..device })
        })
        .await
    }

    async fn grow(&self, device: &Device, filesystem: Filesystem, name: &str) -> HostResult<()> {
        let (device, path) = (device.clone(), self.base.join(name));
        blocking(move || host_storage::grow(&reopen(&device)?, filesystem, &path)).await
    }

    fn mountpoint(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }
}
