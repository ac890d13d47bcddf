//! Volumes that hold bytes: one sparse file each, exported as a loop device.
//!
//! The file is `<dir>/volume-<id>.raw`. A host proves which volume a device is by
//! `/sys/block/loopN/loop/backing_file`. While exported, this process holds the device open; the device frees itself
//! when the process is gone and nobody has it mounted.

mod holders;
mod sparse_copy;

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use os::loop_device::{LoopControl, LoopDevice, LoopOptions};
use rustix::fs::FlockOperation;

use crate::datapath::{DataPathError, Result, VolumeDataPath};

/// Bytes of a GiB.
const GIB: u64 = 1 << 30;
/// Something like udev may look at a device for a moment; after this it counts as busy.
const RELEASE_WAIT: Duration = Duration::from_secs(2);
/// How often the kernel is asked whether it let go.
const RELEASE_POLL: Duration = Duration::from_millis(10);

/// Volumes as sparse files on loop devices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoopVolumes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    control: LoopControl,
    /// By volume id. Held for the whole of an export or unexport: they must not overlap.
    exported: Mutex<HashMap<String, LoopDevice>>,
    /// Two processes on one directory would take each other's devices away.
    _lock: File,
}

impl LoopVolumes {
    /// Uses `dir`, making it if it is missing, and takes over the devices an earlier process left attached to files
    /// in it.
    ///
    /// # Errors
    /// Not root, no loop driver, directory not writable, or another process uses it.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at("make", dir, &e))?;
        let dir = dir.canonicalize().map_err(|e| at("resolve", dir, &e))?;
        let lock_path = dir.join(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|e| at("open", &lock_path, &e))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            DataPathError(format!(
                "cannot use {}: {errno}; another development cloud uses it, stop that or give another directory",
                dir.display()
            ))
        })?;
        let control = LoopControl::open().map_err(|e| DataPathError(e.to_string()))?;
        let inner = Inner { dir, control, exported: Mutex::default(), _lock: lock };
        inner.remove_unfinished_copies()?;
        inner.adopt()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Directory of the backing files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Device nodes of what is exported, by volume id.
    #[must_use]
    pub fn exports(&self) -> HashMap<String, PathBuf> {
        let exported = self.inner.exported();
        exported.iter().map(|(id, device)| (id.clone(), device.path().to_owned())).collect()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(DataPathError(format!("a volume operation died: {error}"))))
    }
}

#[async_trait]
impl VolumeDataPath for LoopVolumes {
    async fn create(&self, id: &str, size: u64) -> Result<()> {
        let id = id.to_owned();
        self.blocking(move |inner| inner.create(&id, size)).await
    }

    async fn clone_from(&self, id: &str, size: u64, source: &str) -> Result<()> {
        let (id, source) = (id.to_owned(), source.to_owned());
        self.blocking(move |inner| inner.clone_from(&id, size, &source)).await
    }

    async fn delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.blocking(move |inner| inner.delete(&id)).await
    }

    async fn export(&self, id: &str, read_only: bool) -> Result<PathBuf> {
        let id = id.to_owned();
        self.blocking(move |inner| inner.export(&id, read_only)).await
    }

    async fn unexport(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.blocking(move |inner| inner.unexport(&id)).await
    }

    async fn extend(&self, id: &str, size: u64) -> Result<()> {
        let id = id.to_owned();
        self.blocking(move |inner| inner.extend(&id, size)).await
    }
}

impl Inner {
    fn exported(&self) -> MutexGuard<'_, HashMap<String, LoopDevice>> {
        self.exported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_name(id: &str) -> Result<String> {
        let plain =
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if plain {
            Ok(format!("volume-{id}.raw"))
        } else {
            Err(DataPathError(format!("not a volume id: {id:?}")))
        }
    }

    fn path(&self, id: &str) -> Result<PathBuf> {
        Ok(self.dir.join(Self::file_name(id)?))
    }

    fn sync_dir(&self) -> Result<()> {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|e| at("sync", &self.dir, &e))
    }

    fn create(&self, id: &str, size: u64) -> Result<()> {
        let path = self.path(id)?;
        let bytes = bytes_of(size)?;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| at("create", &path, &e))?;
        if let Err(error) = file.set_len(bytes).and_then(|()| file.sync_all()) {
            // Made a moment ago and empty: nothing is lost, and a repeat must not find it.
            let _ = fs::remove_file(&path);
            return Err(at("size", &path, &error));
        }
        self.sync_dir()
    }

    fn clone_from(&self, id: &str, size: u64, source: &str) -> Result<()> {
        let path = self.path(id)?;
        let from = self.path(source)?;
        let bytes = bytes_of(size)?;
        if let Some(device) = self.exported().get(source) {
            device.flush().map_err(|e| DataPathError(e.to_string()))?;
        }
        let part = path.with_extension("part");
        let copied = sparse_copy::copy(&from, &part, bytes).map_err(|e| at("copy to", &part, &e));
        // A link, unlike a rename, never replaces what is there.
        let linked = copied.and_then(|()| fs::hard_link(&part, &path).map_err(|e| at("create", &path, &e)));
        let _ = fs::remove_file(&part);
        linked?;
        self.sync_dir()
    }

    fn delete(&self, id: &str) -> Result<()> {
        let path = self.path(id)?;
        let exported = self.exported();
        if let Some(device) = exported.get(id) {
            return Err(DataPathError(format!(
                "cannot delete volume {id}: it is exported as {}; unexport it first",
                device.path().display()
            )));
        }
        if let Some(device) = attached_to(&path)?.first() {
            return Err(DataPathError(format!(
                "cannot delete volume {id}: {} is still attached to it, used by {}",
                device.path().display(),
                holders::of(device.number())
            )));
        }
        match fs::remove_file(&path) {
            Ok(()) => self.sync_dir(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at("delete", &path, &error)),
        }
    }

    fn export(&self, id: &str, read_only: bool) -> Result<PathBuf> {
        let path = self.path(id)?;
        let mut exported = self.exported();
        let text = |e: os::loop_device::LoopError| DataPathError(e.to_string());
        if let Some(device) = exported.get(id) {
            if !read_only {
                device.set_read_only(false).map_err(text)?;
            }
            return Ok(device.path().to_owned());
        }
        // Two devices on one file would each cache it and overwrite each other's blocks.
        if let Some(other) = attached_to(&path)?.first() {
            return Err(DataPathError(format!(
                "cannot export volume {id}: {} is attached to its file already, used by {}; detach that first",
                other.path().display(),
                holders::of(other.number())
            )));
        }
        let file = File::options().read(true).write(true).open(&path).map_err(|e| at("open", &path, &e))?;
        let options = LoopOptions {
            read_only: false,
            autoclear: true,
            direct_io: true,
            // Also how a later process tells our devices from those of an operator's losetup.
            label: Self::file_name(id)?,
        };
        let device = self.control.attach(&file, &options).map_err(text)?;
        device.set_read_only(read_only).map_err(text)?;
        let node = device.path().to_owned();
        exported.insert(id.to_owned(), device);
        Ok(node)
    }

    fn unexport(&self, id: &str) -> Result<()> {
        let path = self.path(id)?;
        let mut exported = self.exported();
        let text = |e: os::loop_device::LoopError| DataPathError(e.to_string());
        let Some(device) = exported.get(id) else { return Ok(()) };
        let number = device.number();
        let busy = |node: &Path| {
            DataPathError(format!(
                "cannot take {} of volume {id} away: it is used by {}; unmount or close it and try again",
                node.display(),
                holders::of(number)
            ))
        };
        if device.is_claimed().map_err(text)? {
            return Err(busy(device.path()));
        }
        device.flush().map_err(text)?;
        let Some(device) = exported.remove(id) else { return Ok(()) };
        if let Err(error) = device.detach() {
            tracing::warn!(volume = id, %error, "a loop device was gone before it was detached");
        }
        let start = Instant::now();
        loop {
            let still = attached_to(&path)?.into_iter().find(|device| device.number() == number);
            match still {
                None => return Ok(()),
                // Its user keeps it alive; keep it too, so that a repeat can finish the work.
                Some(device) if start.elapsed() >= RELEASE_WAIT => {
                    let error = busy(device.path());
                    exported.insert(id.to_owned(), device);
                    return Err(error);
                }
                // Not to be the last user oneself.
                Some(device) => drop(device),
            }
            std::thread::sleep(RELEASE_POLL);
        }
    }

    fn extend(&self, id: &str, size: u64) -> Result<()> {
        let path = self.path(id)?;
        let bytes = bytes_of(size)?;
        let exported = self.exported();
        let file = File::options().write(true).open(&path).map_err(|e| at("open", &path, &e))?;
        let now = file.metadata().map_err(|e| at("look at", &path, &e))?.len();
        if bytes < now {
            return Err(DataPathError(format!(
                "cannot extend volume {id} to {size} GiB: it has {now} bytes already, and volumes never shrink"
            )));
        }
        file.set_len(bytes).and_then(|()| file.sync_all()).map_err(|e| at("grow", &path, &e))?;
        match exported.get(id) {
            Some(device) => device.set_capacity().map_err(|e| DataPathError(e.to_string())),
            None => Ok(()),
        }
    }

    /// Half a copy has a name no volume has; its maker is dead, since we hold the lock.
    fn remove_unfinished_copies(&self) -> Result<()> {
        let entries = fs::read_dir(&self.dir).map_err(|e| at("list", &self.dir, &e))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("volume-"));
            if ours && path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(&path).map_err(|e| at("remove", &path, &e))?;
            }
        }
        Ok(())
    }

    fn adopt(&self) -> Result<()> {
        let mut exported = self.exported();
        let entries = fs::read_dir(&self.dir).map_err(|e| at("list", &self.dir, &e))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(id) = name.strip_prefix("volume-").and_then(|rest| rest.strip_suffix(".raw")) else {
                continue;
            };
            for device in attached_to(&path)? {
                let status = device.status().map_err(|e| DataPathError(e.to_string()))?;
                if status.is_some_and(|status| status.label == name) {
                    tracing::info!(volume = id, device = %device.path().display(), "took over an export");
                    exported.insert(id.to_owned(), device);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Open loop devices whose backing file is this very file, by inode, not by name.
fn attached_to(path: &Path) -> Result<Vec<LoopDevice>> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("look at", path, &error)),
    };
    let sys = Path::new("/sys/block");
    let mut found = Vec::new();
    for entry in fs::read_dir(sys).map_err(|e| at("list", sys, &e))?.flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|n| n.strip_prefix("loop")).and_then(|n| n.parse().ok())
        else {
            continue;
        };
        // Only a candidate is opened: opening a stranger's device would keep it alive for that long.
        let Ok(backing) = fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        if Path::new(backing.trim_end()).file_name() != path.file_name() {
            continue;
        }
        let Ok(device) = LoopDevice::open(number) else { continue };
        let status = device.status().map_err(|e| DataPathError(e.to_string()))?;
        if status.is_some_and(|status| (status.device, status.inode) == (meta.dev(), meta.ino())) {
            found.push(device);
        }
    }
    Ok(found)
}

fn bytes_of(gib: u64) -> Result<u64> {
    // File offsets are signed.
    gib.checked_mul(GIB)
        .filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok())
        .ok_or_else(|| DataPathError(format!("{gib} GiB is not a size a file can have")))
}

fn at(operation: &str, path: &Path, error: &std::io::Error) -> DataPathError {
    DataPathError(format!("cannot {operation} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
