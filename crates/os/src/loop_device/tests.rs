//! Loop devices of this machine: needs root.

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use super::*;

/// A file of holes (8 MiB) and a control device; says clearly when the machine cannot do it.
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
    LoopOptions { autoclear: true, direct_io: true, label: "volume-test".into(), ..LoopOptions::default() }
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
