//! Ioctls of block devices.

use std::os::fd::AsFd;

use rustix::ioctl::{self, Getter, NoArg, opcode};

/// `BLKGETSIZE64`, declared with the size of `size_t` although it writes 64 bits (linux/fs.h).
const GET_SIZE: ioctl::Opcode = opcode::read::<usize>(0x12, 114);
/// `BLKFLSBUF` (linux/fs.h).
const FLUSH_BUFFERS: ioctl::Opcode = opcode::none(0x12, 97);

/// The size of an open block device in bytes.
///
/// # Errors
/// `ENOTTY` when the file is no block device.
pub fn size_in_bytes<F: AsFd>(device: F) -> std::io::Result<u64> {
    // SAFETY: BLKGETSIZE64 writes exactly one u64 through its pointer, which `Getter` provides.
    let size = unsafe { ioctl::ioctl(device, Getter::<GET_SIZE, u64>::new()) }?;
    Ok(size)
}

/// Writes back and drops the device's cached blocks, so that the next reader sees the medium.
///
/// # Errors
/// `ENOTTY` when the file is no block device, `EIO` when blocks could not be written.
pub fn flush_buffers<F: AsFd>(device: F) -> std::io::Result<()> {
    // SAFETY: BLKFLSBUF takes no argument and touches no memory of ours.
    unsafe { ioctl::ioctl(device, NoArg::<FLUSH_BUFFERS>::new()) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_no_block_device() {
        let file = tempfile::tempfile().unwrap();
        assert!(size_in_bytes(&file).is_err());
        assert!(flush_buffers(&file).is_err());
    }
}
