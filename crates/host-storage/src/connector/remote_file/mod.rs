//! Volumes that are files of a network filesystem (NFS, GlusterFS), through loop devices.
//!
//! Raw files only: what another program reads as qcow2 must not become a filesystem of ours. The loop driver keeps the
//! file open, so the kernel itself counts who needs the export.

mod export;
mod link;
#[cfg(test)]
mod tests;

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use os::loop_device::{LOOP_MAJOR, LoopControl, LoopDevice, LoopError, LoopOptions};

pub use link::{RemoteFileLink, RemoteFilesystem};

use self::export::{Export, Helpers, Mounter};
use super::{Machine, turn};
use crate::sysfs::{names, text};
use crate::{BlockDevice, Error, Result, is_open_elsewhere};

/// udev may look at a device for a moment, which then ends when it is done.
const GONE_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn connect(
    machine: &Machine,
    link: &RemoteFileLink,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    RemoteFile::new(machine, link, volume, &Helpers).connect(size)
}

pub(super) fn prove(
    machine: &Machine,
    link: &RemoteFileLink,
    path: &Path,
    volume: &str,
    size: u64,
) -> Result<BlockDevice> {
    RemoteFile::new(machine, link, volume, &Helpers).prove(path, size)
}

pub(super) fn disconnect(machine: &Machine, link: &RemoteFileLink, volume: &str) -> Result<()> {
    RemoteFile::new(machine, link, volume, &Helpers).disconnect()
}

pub(super) fn rescan(machine: &Machine, link: &RemoteFileLink, volume: &str) -> Result<()> {
    RemoteFile::new(machine, link, volume, &Helpers).rescan()
}

/// Whether the device is a loop device of another file by now.
pub(super) fn is_anothers(machine: &Machine, link: &RemoteFileLink, path: &Path) -> bool {
    let file = Export::new(machine, link, &Helpers).file();
    let found = BlockDevice::open(path).ok().and_then(|d| d.facts().backing_file);
    found.is_some_and(|f| f != file)
}

struct RemoteFile<'a> {
    export: Export<'a>,
    link: &'a RemoteFileLink,
    volume: &'a str,
}

impl<'a> RemoteFile<'a> {
    fn new(
        machine: &'a Machine,
        link: &'a RemoteFileLink,
        volume: &'a str,
        mounter: &'a dyn Mounter,
    ) -> Self {
        Self { export: Export::new(machine, link, mounter), link, volume }
    }

    fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        turn::alone(&self.export.directory().to_string_lossy(), work)
    }

    fn wrong(&self, path: &Path, reason: String) -> Error {
        Error::WrongDevice { path: path.to_owned(), volume: self.volume.to_owned(), reason }
    }

    fn connect(&self, size: u64) -> Result<BlockDevice> {
        self.alone(|| {
            self.export.mount()?;
            let file = self.look(size)?;
            let number = match self.device_of(&file)? {
                Some(number) => number,
                None => {
                    let options = LoopOptions { direct_io: true, ..LoopOptions::default() };
                    let made = LoopControl::open().and_then(|c| c.attach(&file, &options));
                    made.map_err(loop_failed)?.number()
                }
            };
            self.prove(Path::new(&format!("/dev/loop{number}")), size)
        })
    }

    /// The file, if it is a raw one of exactly that size.
    fn look(&self, size: u64) -> Result<std::fs::File> {
        let (file, path) = (self.export.open()?, self.export.file());
        let metadata = file.metadata().map_err(|e| Error::io("look at", &path, e))?;
        if !metadata.is_file() {
            return Err(self.wrong(&path, "it is no regular file".into()));
        }
        if !self.link.raw {
            let mut head = vec![0; 512];
            let read = file.read_at(&mut head, 0).map_err(|e| Error::io("read", &path, e))?;
            head.truncate(read);
            if let Some(format) = link::image_format(&head) {
                return Err(Error::Connection {
                    volume: self.volume.to_owned(),
                    reason: format!(
                        "{} is {format}, and only raw files can be devices; choose another volume type",
                        path.display()
                    ),
                });
            }
        }
        if metadata.len() != size {
            return Err(self.wrong(&path, format!("it has {} bytes instead of {size}", metadata.len())));
        }
        Ok(file)
    }

    /// The loop device that has the file already. One that came to it by another way would be a second device of the same
    /// blocks.
    fn device_of(&self, file: &std::fs::File) -> Result<Option<u32>> {
        let path = self.export.file();
        let metadata = file.metadata().map_err(|e| Error::io("look at", &path, e))?;
        let mut ours = None;
        for (number, backing) in loops() {
            // The question goes to the file's server, so it is asked of likely ones only.
            if Path::new(&backing).file_name() != path.file_name() {
                continue;
            }
            let status = LoopDevice::open(number).and_then(|d| d.status()).map_err(loop_failed)?;
            if status.is_none_or(|s| (s.device, s.inode) != (metadata.dev(), metadata.ino())) {
                continue;
            }
            if Path::new(&backing) != path {
                return Err(Error::Busy { path: format!("/dev/loop{number}").into() });
            }
            ours = ours.or(Some(number));
        }
        Ok(ours)
    }

    /// Asks the kernel only, so that it is answered while the server is away: the device's file is ours by its path, and
    /// that leads through our mount of the export.
    fn prove(&self, path: &Path, size: u64) -> Result<BlockDevice> {
        if !self.export.is_mounted()? {
            return Err(self.wrong(path, format!("{} is not mounted", self.link.export)));
        }
        let device = BlockDevice::open(path)?;
        let backing = device.facts().backing_file;
        if device.number().major != LOOP_MAJOR || backing.as_deref() != Some(&self.export.file()) {
            let what = backing.map_or("no loop device in use".into(), |b| b.display().to_string());
            return Err(self.wrong(path, format!("it is {what}")));
        }
        if device.size() != size {
            return Err(self.wrong(path, format!("it has {} bytes instead of {size}", device.size())));
        }
        Ok(device)
    }

    fn disconnect(&self) -> Result<()> {
        self.alone(|| {
            if self.export.is_mounted()? {
                for number in self.devices() {
                    self.detach(number)?;
                }
            }
            self.export.unmount()
        })
    }

    fn devices(&self) -> Vec<u32> {
        let file = self.export.file();
        loops()
            .into_iter()
            .filter(|(_, backing)| Path::new(backing) == file)
            .map(|(number, _)| number)
            .collect()
    }

    fn detach(&self, number: u32) -> Result<()> {
        // Open from here on, so that the number is not given to another file.
        let handle = LoopDevice::open(number).map_err(loop_failed)?;
        if !self.devices().contains(&number) {
            return Ok(());
        }
        let device = BlockDevice::open(handle.path())?;
        let path = device.path().to_owned();
        if is_open_elsewhere(&device)? {
            return Err(Error::Busy { path });
        }
        drop(device);
        handle.detach().map_err(loop_failed)?;
        let started = Instant::now();
        while self.devices().contains(&number) {
            if started.elapsed() > GONE_WITHIN {
                return Err(Error::Busy { path });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn rescan(&self) -> Result<()> {
        self.alone(|| {
            if !self.export.is_mounted()? {
                return Ok(());
            }
            // Opening it asks the server for its size.
            let file = self.export.open()?;
            file.metadata().map_err(|e| Error::io("look at", &self.export.file(), e))?;
            for number in self.devices() {
                LoopDevice::open(number).and_then(|d| d.set_capacity()).map_err(loop_failed)?;
            }
            Ok(())
        })
    }
}

/// Loop devices in use: number and file.
fn loops() -> Vec<(u32, String)> {
    let block = Path::new("/sys/block");
    names(block)
        .into_iter()
        .filter_map(|name| {
            let number = name.strip_prefix("loop")?.parse().ok()?;
            Some((number, text(&block.join(&name).join("loop/backing_file"))?))
        })
        .collect()
}

fn loop_failed(error: LoopError) -> Error {
    let action = error.operation;
    Error::Io { action, path: error.path, source: error.source.into() }
}
