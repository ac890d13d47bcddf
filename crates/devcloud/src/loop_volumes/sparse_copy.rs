//! Copying a file's data without filling its holes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes moved at once where the kernel cannot copy by itself.
const CHUNK: usize = 1 << 20;

/// Copies `from` to `to`, which is replaced if it exists, and makes it `size` bytes long, durably. Blocks are shared
/// where the filesystem can.
pub(super) fn copy(from: &Path, to: &Path, size: u64) -> io::Result<()> {
    let source = File::open(from)?;
    let length = source.metadata()?.len();
    if length > size {
        let text = format!("its source has {length} bytes, more than the {size} asked for");
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    // Bytes that are still only in memory have no place a reader of the disk could find.
    source.sync_data()?;
    let target = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
        let mut offset = 0;
        while let Some((start, end)) = next_data(&source, offset, length)? {
            copy_range(&source, &target, start, end)?;
            offset = end;
        }
    }
    target.set_len(size)?;
    target.sync_all()
}

/// The next stretch of data at or after `offset`.
fn next_data(file: &File, offset: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    if offset >= length {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        // Nothing but a hole is left.
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
    Ok(Some((start, end.min(length))))
}

fn copy_range(source: &File, target: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let wanted = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(source, Some(&mut read_at), target, Some(&mut write_at), wanted) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                return copy_by_hand(source, target, read_at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(source: &File, target: &File, mut offset: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(CHUNK).min(CHUNK);
        let read = source.read_at(buffer.get_mut(..wanted).unwrap_or_default(), offset)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        target.write_all_at(buffer.get(..read).unwrap_or_default(), offset)?;
        offset += u64::try_from(read).unwrap_or(u64::MAX);
    }
    Ok(())
}
