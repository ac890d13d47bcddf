//! The disk of a virtual machine: the hypervisor brings it and takes it away, by Nova's order.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Machine;
use crate::{BlockDevice, Error, Result, serial};

/// The volume is attached for Nova before the kernel of the machine has looked at the disk.
const PATIENCE: Duration = Duration::from_secs(30);
/// First and longest pause between two looks, and when the machine's SCSI hosts are asked to look as well.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(500);
const SCAN: Duration = Duration::from_secs(3);

/// Waits for the disk.
pub(super) fn connect(machine: &Machine, volume: &str, size: u64) -> Result<BlockDevice> {
    connect_within(machine, volume, size, PATIENCE)
}

fn connect_within(machine: &Machine, volume: &str, size: u64, patience: Duration) -> Result<BlockDevice> {
    let started = Instant::now();
    let (mut pause, mut scanned) = (SOON, false);
    loop {
        match look(machine, volume, size) {
            Ok(Some(device)) => return Ok(device),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        if started.elapsed() >= patience {
            return Err(Error::Connection {
                volume: volume.to_owned(),
                reason: format!(
                    "the server has it, but no disk here carries its serial number after {} s; check that this machine \
                     sees new disks (dmesg)",
                    patience.as_secs()
                ),
            });
        }
        if !scanned && started.elapsed() >= SCAN {
            scanned = true;
            scan(machine);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LATER);
    }
}

/// Opens the disk if it is there.
fn look(machine: &Machine, volume: &str, size: u64) -> Result<Option<BlockDevice>> {
    let Some(disk) = serial::find(machine, volume, size)? else { return Ok(None) };
    let device = match BlockDevice::open(machine.path(&disk.path.to_string_lossy())) {
        Ok(device) => device,
        // ENOENT and ENXIO: it came or went at this moment.
        Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(2 | 6)) => return Ok(None),
        Err(error) => return Err(error),
    };
    if device.number() != disk.number || device.size() != size {
        return Err(Error::WrongDevice {
            path: disk.path,
            volume: volume.to_owned(),
            reason: format!(
                "it is device {} of {} bytes instead of {} of {size}",
                device.number(),
                device.size(),
                disk.number
            ),
        });
    }
    Ok(Some(device))
}

/// Proves that the disk at `path` is the volume still.
pub(super) fn prove(machine: &Machine, path: &Path, volume: &str, size: u64) -> Result<BlockDevice> {
    let wrong =
        |reason: String| Error::WrongDevice { path: path.to_owned(), volume: volume.to_owned(), reason };
    match look(machine, volume, size)? {
        Some(device) if device.path() == machine.path(&path.to_string_lossy()) => Ok(device),
        Some(device) => Err(wrong(format!("{} is it by now", device.path().display()))),
        None => Err(wrong("no disk here carries its serial number".into())),
    }
}

/// Proves that nobody on this machine has the disk, if it is here: the hypervisor takes it away without asking.
pub(super) fn release(machine: &Machine, volume: &str) -> Result<()> {
    for path in serial::candidates(machine, volume) {
        match BlockDevice::open(machine.path(&path.to_string_lossy())) {
            Ok(device) if crate::is_open_elsewhere(&device)? => return Err(Error::Busy { path }),
            Ok(_) => {}
            // ENOENT, ENXIO, ENODEV: it is gone.
            Err(Error::Io { source, .. }) if matches!(source.raw_os_error(), Some(2 | 6 | 19)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Has all SCSI hosts look for disks they missed.
fn scan(machine: &Machine) {
    let hosts = std::fs::read_dir(machine.path("/sys/class/scsi_host")).into_iter().flatten().flatten();
    for host in hosts {
        if let Err(error) = std::fs::write(host.path().join("scan"), "- - -") {
            tracing::debug!(host = %host.path().display(), %error, "cannot scan for disks");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_does_not_come_is_waited_for_and_no_other_taken() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("sys/block/vdb");
        std::fs::create_dir_all(&disk).unwrap();
        for (file, text) in [("serial", "someone-elses"), ("size", "2097152"), ("dev", "254:16")] {
            std::fs::write(disk.join(file), text).unwrap();
        }
        let machine = Machine::at(dir.path());
        let volume = "5f0f0f0f-1111-4222-8333-444444444444";
        let (started, patience) = (Instant::now(), Duration::from_millis(100));
        let error = connect_within(&machine, volume, 1 << 30, patience).unwrap_err().to_string();
        assert!(
            started.elapsed() >= patience && error.contains("no disk here carries its serial"),
            "{error}"
        );
        let error = prove(&machine, Path::new("/dev/vdb"), volume, 1 << 30).unwrap_err();
        assert!(matches!(error, Error::WrongDevice { .. }), "{error}");
    }
}
