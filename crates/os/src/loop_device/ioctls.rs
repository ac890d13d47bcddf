//! The requests of the loop driver, each as a function on an open device: the types stand for what the descriptor is.
//!
//! Source: `linux/loop.h` and `loop(4)`.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, Result};
use rustix::ioctl::{self, Getter, Ioctl, IoctlOutput, NoArg, Opcode, Setter};

use super::{LoopControl, LoopDevice};

const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_GET_STATUS64: Opcode = 0x4C05;
const LOOP_SET_CAPACITY: Opcode = 0x4C07;
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;
/// `_IO(0x12, 93)` of `linux/fs.h`.
const BLKROSET: Opcode = 0x125D;

pub(super) const LO_FLAGS_READ_ONLY: u32 = 1;
pub(super) const LO_FLAGS_AUTOCLEAR: u32 = 4;
pub(super) const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Info {
    pub(super) device: u64,
    pub(super) inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    pub(super) flags: u32,
    /// A C string.
    pub(super) file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

// The kernel copies exactly these sizes; a wrong layout must not compile.
const _: () = assert!(size_of::<Info>() == 232);
const _: () = assert!(size_of::<Config>() == 304);

/// `LOOP_CTL_GET_FREE` answers in its return value.
struct GetFree;

// SAFETY: the request takes no argument, writes no memory, and answers a number in its return value, which is all
// that `output_from_ptr` reads.
unsafe impl Ioctl for GetFree {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut std::ffi::c_void) -> Result<u32> {
        u32::try_from(out).map_err(|_| Errno::RANGE)
    }
}

/// `LOOP_CTL_GET_FREE`: the number of a device nobody uses yet.
pub(super) fn get_free(control: &LoopControl) -> Result<u32> {
    // SAFETY: the descriptor is the loop control device, for which the request is defined; see `GetFree`.
    unsafe { ioctl::ioctl(&control.fd, GetFree) }
}

/// `LOOP_CONFIGURE`: attaches `file`, with `LO_FLAGS_*` and a label of which 63 bytes are kept.
pub(super) fn configure(device: &LoopDevice, file: &File, flags: u32, label: &str) -> Result<()> {
    let mut file_name = [0; 64];
    // One byte stays zero: the kernel treats it as a C string.
    for (to, from) in file_name.iter_mut().take(63).zip(label.bytes()) {
        *to = from;
    }
    let config = Config {
        fd: u32::try_from(file.as_fd().as_raw_fd()).map_err(|_| Errno::BADF)?,
        block_size: 0,
        info: Info {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags,
            file_name,
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: the descriptor is a loop device and the request reads one `struct loop_config`, whose layout
    // `Config` has (checked above); `file` is borrowed, so its descriptor is open throughout the call, and the
    // kernel takes a reference of its own.
    unsafe { ioctl::ioctl(&device.fd, Setter::<LOOP_CONFIGURE, Config>::new(config)) }
}

/// `LOOP_GET_STATUS64`: `ENXIO` when nothing is attached.
pub(super) fn status(device: &LoopDevice) -> Result<Info> {
    // SAFETY: the descriptor is a loop device; on success the request fills one whole `struct loop_info64`, whose
    // layout `Info` has (checked above), and any bytes are valid for its integer fields.
    unsafe { ioctl::ioctl(&device.fd, Getter::<LOOP_GET_STATUS64, Info>::new()) }
}

/// `LOOP_CLR_FD`: takes the file off, at once or on last close.
pub(super) fn clear(device: &LoopDevice) -> Result<()> {
    // SAFETY: the descriptor is a loop device; the request takes no argument.
    unsafe { ioctl::ioctl(&device.fd, NoArg::<LOOP_CLR_FD>::new()) }
}

/// `LOOP_SET_CAPACITY`: reads the file's size again.
pub(super) fn set_capacity(device: &LoopDevice) -> Result<()> {
    // SAFETY: the descriptor is a loop device; the request takes no argument.
    unsafe { ioctl::ioctl(&device.fd, NoArg::<LOOP_SET_CAPACITY>::new()) }
}

/// `BLKROSET`: refuses or allows writes.
pub(super) fn set_read_only(device: &LoopDevice, read_only: bool) -> Result<()> {
    // SAFETY: the descriptor is a block device; the request reads one C int.
    unsafe { ioctl::ioctl(&device.fd, Setter::<BLKROSET, i32>::new(i32::from(read_only))) }
}
