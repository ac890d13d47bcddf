//! "Is this device blank?": the most dangerous question of the product.
//!
//! Blank means that three independent looks agree: blkid finds nothing, our own signature check finds nothing, and
//! the first MiB, the last MiB and samples of all that lies between were *read without error* and are zero. What
//! could not be read is not blank, it is unreadable.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::{BlockDevice, DeviceNumber, Error, Result, signature};

const LOOKS_WITHIN: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;
/// Blocks read between the first and the last MiB.
const SAMPLES: u64 = 1024;

/// What is on a device.
#[derive(Debug)]
pub enum Probe {
    /// One filesystem and nothing that contradicts it.
    Filesystem {
        /// blkid's name of it, such as `ext4`.
        kind: String,
        /// Its UUID, as blkid prints it; empty if it has none.
        uuid: String,
        /// Its label; empty if it has none.
        label: String,
    },
    /// Something that is no filesystem, several things at once, or data nobody knows.
    Foreign {
        /// For the user: what was found.
        what: String,
    },
    /// Nothing at all, proven.
    Blank(BlankProof),
    /// Parts cannot be read, so nothing is known.
    Unreadable {
        /// For the user: what failed and where.
        reason: String,
    },
}

/// Evidence that a device was blank when it was probed, with the device still held exclusively since. Only [`probe`]
/// makes one and only [`crate::make_filesystem`] takes one.
#[derive(Debug)]
pub struct BlankProof {
    pub(crate) device: BlockDevice,
    pub(crate) exclusive: File,
}

impl BlankProof {
    /// The device it speaks of.
    #[must_use]
    pub fn number(&self) -> DeviceNumber {
        self.device.number()
    }
}

/// Looks at the device, which it keeps (inside the proof) only if it is blank.
///
/// # Errors
/// [`Error::Busy`] when it seems blank but somebody else has it open exclusively; [`Error::ToolMissing`] without
/// blkid; [`Error::Io`] when it cannot be opened at all.
pub fn probe(device: BlockDevice) -> Result<Probe> {
    // Exclusive from before the first read, so that nobody writes between the look and the proof.
    let exclusive = match device.open_exclusively() {
        Ok(file) => Some(file),
        Err(e) if e.is_busy() => None,
        Err(e) => return Err(e),
    };
    let file = exclusive.as_ref().unwrap_or_else(|| device.file());
    // Another host may have written since this kernel last read: look at the medium, not at its memory.
    if exclusive.is_some()
        && let Err(e) = os::block::flush_buffers(file)
    {
        return Ok(Probe::Unreadable { reason: format!("flushing its buffers failed: {e}") });
    }
    let ends = match timed(&device, || read_ends(file, device.size())) {
        Ok(ends) => ends,
        Err(reason) => return Ok(Probe::Unreadable { reason }),
    };
    match blkid(&device)? {
        Blkid::Filesystem { kind, uuid, label } => return Ok(Probe::Filesystem { kind, uuid, label }),
        Blkid::Foreign { what } => return Ok(Probe::Foreign { what }),
        Blkid::Nothing => {}
    }
    if let Some(what) = signature::in_head(&ends.head).or_else(|| signature::in_tail(&ends.tail)) {
        return Ok(Probe::Foreign { what: what.to_owned() });
    }
    let facts = device.facts();
    if let Some(name) = facts.holders.first().or_else(|| facts.partitions.first()) {
        return Ok(Probe::Foreign { what: format!("a device in use as part of {name}") });
    }
    let zero = match timed(&device, || samples_are_zero(file, device.size())) {
        Ok(samples) => samples && is_zero(&ends.head) && is_zero(&ends.tail),
        Err(reason) => return Ok(Probe::Unreadable { reason }),
    };
    if !zero {
        return Ok(Probe::Foreign { what: "data without a known signature".into() });
    }
    match exclusive {
        Some(exclusive) => Ok(Probe::Blank(BlankProof { device, exclusive })),
        None => Err(Error::Busy { path: device.path().to_owned() }),
    }
}

/// Says in the log how long the storage took.
fn timed<T>(device: &BlockDevice, read: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = read();
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(on = %device.path().display(), elapsed_ms, "read");
    result
}

struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
}

fn read_ends(file: &File, size: u64) -> std::result::Result<Ends, String> {
    if size == 0 {
        return Err("it has no blocks".into());
    }
    let length = size.min(MIB);
    Ok(Ends { head: read(file, 0, length)?, tail: read(file, size - length, length)? })
}

/// Reads `SAMPLES` blocks spread over the device; a small device is read whole.
fn samples_are_zero(file: &File, size: u64) -> std::result::Result<bool, String> {
    let blocks = size / BLOCK;
    if blocks <= SAMPLES {
        return Ok(is_zero(&read(file, 0, size)?));
    }
    let step = blocks / SAMPLES;
    for sample in 0..SAMPLES {
        // A different place within each stretch, so that no regular layout hides between the samples.
        let wander = sample.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
        let block = sample * step + wander % step;
        if !is_zero(&read(file, block * BLOCK, BLOCK)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(file: &File, at: u64, length: u64) -> std::result::Result<Vec<u8>, String> {
    let length = usize::try_from(length).map_err(|e| e.to_string())?;
    let mut buffer = vec![0xff; length];
    file.read_exact_at(&mut buffer, at).map_err(|e| format!("reading at byte {at} failed: {e}"))?;
    Ok(buffer)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

enum Blkid {
    Nothing,
    Filesystem { kind: String, uuid: String, label: String },
    Foreign { what: String },
}

/// Low-level probing by util-linux's blkid, which bypasses its cache with `-p`. Exit codes as in blkid(8).
fn blkid(device: &BlockDevice) -> Result<Blkid> {
    let path = device.path();
    let blkid = Program { name: "blkid", package: "util-linux", on: path, within: LOOKS_WITHIN };
    let ended = blkid.run(&["-p", "-o", "export", &path.to_string_lossy()])?;
    match ended.status.code() {
        Some(0) => Ok(found(&ended.stdout)),
        Some(2) => Ok(Blkid::Nothing),
        Some(8) => Ok(Blkid::Foreign { what: "several contradicting signatures".into() }),
        _ => Err(Error::Tool { program: blkid.name, path: path.to_owned(), reason: ended.said }),
    }
}

fn found(text: &str) -> Blkid {
    let value = |key: &str| {
        text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().to_owned()
    };
    let (kind, usage, table) = (value("TYPE"), value("USAGE"), value("PTTYPE"));
    if usage == "filesystem" && !kind.ends_with("_member") {
        Blkid::Filesystem { kind, uuid: value("UUID"), label: value("LABEL") }
    } else if !kind.is_empty() {
        Blkid::Foreign { what: kind }
    } else if !table.is_empty() {
        Blkid::Foreign { what: format!("a partition table ({table})") }
    } else {
        // It found something it does not name; that is enough not to be blank.
        Blkid::Foreign { what: "an unnamed signature".into() }
    }
}
