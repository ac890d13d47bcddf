//! Loop devices: files that look like block devices.
//!
//! Source: `linux/loop.h` and `loop(4)`. The devices made here can clear themselves (`LO_FLAGS_AUTOCLEAR`), so a
//! killed process leaves none behind unless somebody else still uses it.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{self, Getter, Ioctl, IoctlOutput, NoArg, Opcode, Setter};

const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_GET_STATUS64: Opcode = 0x4C05;
const LOOP_SET_CAPACITY: Opcode = 0x4C07;
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;
/// `_IO(0x12, 93)` of `linux/fs.h`.
const BLKROSET: Opcode = 0x125D;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// Block major number of loop devices.
pub const LOOP_MAJOR: u32 = 7;

/// Somebody else may take the free device between the question and the claim; that is repeated so often.
const CLAIM_ATTEMPTS: u32 = 64;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
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

/// A failed operation on a loop device.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}{}", path.display(), advice(*source))]
pub struct LoopError {
    /// What was tried, such as `open`.
    pub operation: &'static str,
    /// The device.
    pub path: PathBuf,
    /// The system's answer.
    pub source: Errno,
}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => "; run as root",
        Errno::NOENT | Errno::NODEV => "; load the kernel module loop",
        Errno::BUSY => "; something still uses it",
        _ => "",
    }
}

/// Result of an operation on a loop device.
pub type Result<T> = std::result::Result<T, LoopError>;

/// How a file becomes a loop device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoopOptions {
    /// Refuse writes. The file may then be opened for reading only.
    pub read_only: bool,
    /// Free the device when its last opener closes it.
    pub autoclear: bool,
    /// Bypass the page cache of the backing file, where its filesystem can; otherwise silently not.
    pub direct_io: bool,
    /// Label kept by the kernel (`lo_file_name`), at most 63 bytes; the rest is cut.
    pub label: String,
}

/// What the kernel says about an attached loop device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopStatus {
    /// Device number of the backing file's filesystem, as `st_dev`.
    pub device: u64,
    /// Inode number of the backing file.
    pub inode: u64,
    /// The label given when it was attached.
    pub label: String,
    /// Frees itself on last close.
    pub autoclear: bool,
    /// Bypasses the page cache.
    pub direct_io: bool,
}

/// `/dev/loop-control`, which hands out free devices.
#[derive(Debug)]
pub struct LoopControl {
    fd: OwnedFd,
}

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

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<u32> {
        u32::try_from(out).map_err(|_| Errno::RANGE)
    }
}

impl LoopControl {
    /// Opens the control device.
    ///
    /// # Errors
    /// The kernel has no loop driver, or the caller is not root.
    pub fn open() -> Result<Self> {
        let path = Path::new("/dev/loop-control");
        let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|source| LoopError { operation: "open", path: path.into(), source })?;
        Ok(Self { fd })
    }

    /// Makes a block device of `file` on the next free loop device, making its device node if it is missing.
    ///
    /// # Errors
    /// No free device, or the file cannot back one.
    pub fn attach(&self, file: &File, options: &LoopOptions) -> Result<LoopDevice> {
        let mut last = Errno::BUSY;
        for _ in 0..CLAIM_ATTEMPTS {
            // SAFETY: the descriptor is the loop control device, for which the request is defined; see `GetFree`.
            let number = unsafe { ioctl::ioctl(&self.fd, GetFree) }.map_err(|source| LoopError {
                operation: "get a free device from",
                path: PathBuf::from("/dev/loop-control"),
                source,
            })?;
            let device = LoopDevice::open(number)?;
            match device.configure(file, options) {
                Ok(()) => return Ok(device),
                Err(Errno::BUSY) => last = Errno::BUSY,
                Err(source) => {
                    return Err(LoopError { operation: "attach a file to", path: device.path, source });
                }
            }
        }
        Err(LoopError {
            operation: "claim a free device of",
            path: PathBuf::from("/dev/loop-control"),
            source: last,
        })
    }
}

/// An open loop device. With autoclear, dropping the last open one frees it.
#[derive(Debug)]
pub struct LoopDevice {
    fd: OwnedFd,
    number: u32,
    path: PathBuf,
}

impl LoopDevice {
    /// Opens `/dev/loop<number>`, attached or not, making its node if it is missing.
    ///
    /// # Errors
    /// The path exists and is something else, or the system refuses.
    pub fn open(number: u32) -> Result<Self> {
        let path = PathBuf::from(format!("/dev/loop{number}"));
        ensure_node(&path, number)?;
        let fail = |source| LoopError { operation: "open", path: path.clone(), source };
        // A read-only device refuses to be opened for writing.
        let fd = match rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::ACCESS | Errno::ROFS | Errno::PERM) => {
                rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            }
            other => other,
        }
        .map_err(fail)?;
        Ok(Self { fd, number, path })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its device node.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn configure(&self, file: &File, options: &LoopOptions) -> std::result::Result<(), Errno> {
        let mut flags = 0;
        for (wanted, flag) in [
            (options.read_only, LO_FLAGS_READ_ONLY),
            (options.autoclear, LO_FLAGS_AUTOCLEAR),
            (options.direct_io, LO_FLAGS_DIRECT_IO),
        ] {
            flags |= if wanted { flag } else { 0 };
        }
        let mut file_name = [0; 64];
        // One byte stays zero: the kernel treats it as a C string.
        for (to, from) in file_name.iter_mut().take(63).zip(options.label.bytes()) {
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
        unsafe { ioctl::ioctl(&self.fd, Setter::<LOOP_CONFIGURE, Config>::new(config)) }
    }

    /// What is attached; `None` when nothing is.
    ///
    /// # Errors
    /// The system refuses.
    pub fn status(&self) -> Result<Option<LoopStatus>> {
        // SAFETY: the descriptor is a loop device; on success the request fills one whole `struct loop_info64`, whose
        // layout `Info` has (checked above), and any bytes are valid for its integer fields.
        let info = match unsafe { ioctl::ioctl(&self.fd, Getter::<LOOP_GET_STATUS64, Info>::new()) } {
            Ok(info) => info,
            Err(Errno::NXIO) => return Ok(None),
            Err(source) => return Err(self.error("read the state of", source)),
        };
        let name: Vec<u8> = info.file_name.iter().copied().take_while(|byte| *byte != 0).collect();
        Ok(Some(LoopStatus {
            device: info.device,
            inode: info.inode,
            label: String::from_utf8_lossy(&name).into_owned(),
            autoclear: info.flags & LO_FLAGS_AUTOCLEAR != 0,
            direct_io: info.flags & LO_FLAGS_DIRECT_IO != 0,
        }))
    }

    /// Takes the file off. While others have the device open the kernel only marks it to be freed when the last of
    /// them closes it, and does not say so: ask sysfs afterwards.
    ///
    /// # Errors
    /// Nothing was attached, or the system refuses.
    pub fn detach(self) -> Result<()> {
        // SAFETY: the descriptor is a loop device; the request takes no argument.
        let done = unsafe { ioctl::ioctl(&self.fd, NoArg::<LOOP_CLR_FD>::new()) };
        done.map_err(|source| self.error("detach", source))
    }

    /// Makes the device as large as its file has become.
    ///
    /// # Errors
    /// Nothing is attached, or the system refuses.
    pub fn set_capacity(&self) -> Result<()> {
        // SAFETY: the descriptor is a loop device; the request takes no argument.
        let done = unsafe { ioctl::ioctl(&self.fd, NoArg::<LOOP_SET_CAPACITY>::new()) };
        done.map_err(|source| self.error("resize", source))
    }

    /// Refuses or allows writes from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_read_only(&self, read_only: bool) -> Result<()> {
        // SAFETY: the descriptor is a block device; the request reads one C int.
        let done = unsafe { ioctl::ioctl(&self.fd, Setter::<BLKROSET, i32>::new(i32::from(read_only))) };
        done.map_err(|source| self.error("set the write protection of", source))
    }

    /// Writes what was written to the device, but is still in memory, to the file's filesystem.
    ///
    /// # Errors
    /// An I/O error.
    pub fn flush(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(|source| self.error("flush", source))
    }

    /// Whether a filesystem, a mapping or swap uses the device, in whichever mount namespace.
    ///
    /// # Errors
    /// The system refuses for another reason.
    pub fn is_claimed(&self) -> Result<bool> {
        match rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()) {
            Ok(_) => Ok(false),
            Err(Errno::BUSY) => Ok(true),
            Err(source) => Err(self.error("look who uses", source)),
        }
    }

    fn error(&self, operation: &'static str, source: Errno) -> LoopError {
        LoopError { operation, path: self.path.clone(), source }
    }
}

/// In a container, or without devtmpfs, nodes of new devices do not appear by themselves.
fn ensure_node(path: &Path, number: u32) -> Result<()> {
    let fail = |operation, source| LoopError { operation, path: path.to_owned(), source };
    let wanted = rustix::fs::makedev(LOOP_MAJOR, number);
    for _ in 0..2 {
        match fs::metadata(path) {
            Ok(found) if found.file_type().is_block_device() && found.rdev() == wanted => return Ok(()),
            // Never replace what is not ours.
            Ok(_) => return Err(fail("use as a loop device", Errno::EXIST)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(fail("look at", Errno::from_io_error(&error).unwrap_or(Errno::IO)));
            }
        }
        match rustix::fs::mknodat(CWD, path, FileType::BlockDevice, Mode::from_raw_mode(0o600), wanted) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(fail("make the device node", source)),
        }
    }
    Err(fail("make the device node", Errno::NODEV))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::time::{Duration, Instant};

    use super::*;

    /// A gibibyte of holes and a control device; says clearly when the machine cannot do it.
    fn bench() -> (LoopControl, tempfile::NamedTempFile) {
        let control = match LoopControl::open() {
            Ok(control) => control,
            Err(error) => panic!("these tests need root and the kernel's loop driver: {error}"),
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 << 20).unwrap();
        (control, file)
    }

    fn options() -> LoopOptions {
        LoopOptions {
            autoclear: true,
            direct_io: true,
            label: "volume-test".into(),
            ..LoopOptions::default()
        }
    }

    fn backing(number: u32) -> Option<String> {
        fs::read_to_string(format!("/sys/block/loop{number}/loop/backing_file")).ok()
    }

    fn gone_within_a_second(number: u32, path: &Path) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            if backing(number).is_none_or(|name| name.trim() != path.to_str().unwrap()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn what_is_written_to_the_device_is_read_from_the_file() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        let mut block = File::options().write(true).open(device.path()).unwrap();
        block.seek(SeekFrom::Start(4096)).unwrap();
        block.write_all(b"hello, block").unwrap();
        block.sync_all().unwrap();
        drop(block);
        device.flush().unwrap();
        let mut text = [0; 12];
        let mut reader = File::open(file.path()).unwrap();
        reader.seek(SeekFrom::Start(4096)).unwrap();
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello, block");
    }

    #[test]
    fn the_status_proves_the_backing_file() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        let status = device.status().unwrap().unwrap();
        let meta = file.as_file().metadata().unwrap();
        assert_eq!((status.device, status.inode), (meta.dev(), meta.ino()));
        assert_eq!(status.label, "volume-test");
        assert!(status.autoclear);
        let again = LoopDevice::open(device.number()).unwrap();
        assert_eq!(again.status().unwrap(), Some(status));
    }

    #[test]
    fn dropping_the_last_opener_frees_the_device() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        let number = device.number();
        let second = LoopDevice::open(number).unwrap();
        drop(device);
        assert!(backing(number).is_some(), "the second opener keeps it");
        drop(second);
        assert!(gone_within_a_second(number, file.path()));
    }

    #[test]
    fn detach_frees_the_device_even_without_autoclear() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &LoopOptions::default()).unwrap();
        let number = device.number();
        assert_eq!(backing(number).unwrap().trim(), file.path().to_str().unwrap());
        device.detach().unwrap();
        assert!(gone_within_a_second(number, file.path()));
    }

    #[test]
    fn the_device_follows_its_file_when_told() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        let sectors = || {
            let text = fs::read_to_string(format!("/sys/block/loop{}/size", device.number())).unwrap();
            text.trim().parse::<u64>().unwrap()
        };
        assert_eq!(sectors() * 512, 8 << 20);
        file.as_file().set_len(16 << 20).unwrap();
        device.set_capacity().unwrap();
        assert_eq!(sectors() * 512, 16 << 20);
    }

    #[test]
    fn a_write_protected_device_refuses_writes_until_released() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        let write = || -> std::io::Result<()> {
            let mut block = File::options().write(true).open(device.path())?;
            block.write_all(&[1; 512])?;
            block.sync_all()
        };
        device.set_read_only(true).unwrap();
        assert!(write().is_err());
        device.set_read_only(false).unwrap();
        write().unwrap();
    }

    #[test]
    fn a_claimed_device_says_so() {
        let (control, file) = bench();
        let device = control.attach(file.as_file(), &options()).unwrap();
        assert!(!device.is_claimed().unwrap());
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
        let claim = rustix::fs::open(device.path(), flags, Mode::empty()).unwrap();
        assert!(device.is_claimed().unwrap());
        drop(claim);
        assert!(!device.is_claimed().unwrap());
    }
}
