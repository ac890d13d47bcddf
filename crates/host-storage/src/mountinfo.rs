//! The kernel's mount table.
//!
//! Source: proc_pid_mountinfo(5). A line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::{DeviceNumber, Error, Result};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Identifier, unique among the living ones; the same as `stx_mnt_id`.
    pub id: u64,
    /// The mount it stands on.
    pub parent: u64,
    /// The filesystem's device; for btrfs an anonymous one.
    pub device: DeviceNumber,
    /// The directory of the filesystem that is shown.
    pub root: PathBuf,
    /// Where it is shown, relative to the reading process's root.
    pub mountpoint: PathBuf,
    /// Peer group, if shared.
    pub shared: Option<u64>,
    /// Peer group it receives from, if a slave.
    pub master: Option<u64>,
    /// Filesystem type.
    pub kind: String,
    /// What was mounted, as given to mount(2).
    pub source: PathBuf,
    /// Options of the filesystem, separated by commas.
    pub super_options: String,
}

/// Reads a mount table; each line that cannot be understood is an error, because it might be the one that matters.
///
/// # Errors
/// The number of the first bad line, from 1.
pub fn parse(text: &[u8]) -> std::result::Result<Vec<Mount>, usize> {
    text.split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| parse_line(line).ok_or(index + 1))
        .collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let mut device = fields.next()?.split(|b| *b == b':');
    let (major, minor) = (number(device.next()?)?, number(device.next()?)?);
    if device.next().is_some() {
        return None;
    }
    let device = DeviceNumber { major: major.try_into().ok()?, minor: minor.try_into().ok()? };
    let root = path(fields.next()?);
    let mountpoint = path(fields.next()?);
    fields.next()?;
    let (mut shared, mut master) = (None, None);
    loop {
        let tag = fields.next()?;
        if tag == b"-" {
            break;
        } else if let Some(group) = tag.strip_prefix(b"shared:") {
            shared = Some(number(group)?);
        } else if let Some(group) = tag.strip_prefix(b"master:") {
            master = Some(number(group)?);
        }
    }
    let kind = String::from_utf8(unescape(fields.next()?)).ok()?;
    let source = path(fields.next()?);
    let super_options = String::from_utf8_lossy(&unescape(fields.next().unwrap_or_default())).into_owned();
    Some(Mount { id, parent, device, root, mountpoint, shared, master, kind, source, super_options })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn path(text: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(unescape(text)).into()
}

/// Space, tab, newline and backslash stand as a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let octal = tail.get(..3).filter(|d| first == b'\\' && d.iter().all(|c| (b'0'..=b'7').contains(c)));
        let value = octal.map(|d| d.iter().fold(0_u32, |v, c| v * 8 + u32::from(c - b'0')));
        match value.and_then(|v| u8::try_from(v).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => out.push(first),
        }
    }
    out
}

pub(crate) fn read(path: &Path) -> Result<Vec<Mount>> {
    let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    parse(&text).map_err(|line| Error::MountTable { path: path.to_owned(), line })
}

/// The mounts this process sees.
///
/// # Errors
/// [`Error::Io`] without procfs, [`Error::MountTable`] for a line nobody understands.
pub fn own_mounts() -> Result<Vec<Mount>> {
    read(Path::new("/proc/thread-self/mountinfo"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_with_every_field_is_read() {
        let text = b"36 35 98:0 /a\\040b /mnt\\134\\011x rw,noatime shared:7 master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n";
        let mounts = parse(text).unwrap();
        assert_eq!(
            mounts,
            [Mount {
                id: 36,
                parent: 35,
                device: DeviceNumber { major: 98, minor: 0 },
                root: "/a b".into(),
                mountpoint: "/mnt\\\tx".into(),
                shared: Some(7),
                master: Some(1),
                kind: "ext3".into(),
                source: "/dev/root".into(),
                super_options: "rw,errors=continue".into(),
            }]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_not_skipped() {
        assert_eq!(parse(b"1 0 0:1 / / rw - proc proc rw\ngarbage\n"), Err(2));
        assert_eq!(parse(b"1 0 0:1 / / rw proc proc rw\n"), Err(1));
    }

    #[test]
    fn the_table_of_this_process_is_read() {
        assert!(own_mounts().unwrap().iter().any(|m| m.mountpoint == Path::new("/")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&text);
        }

        #[test]
        fn any_path_survives_the_kernels_escaping(name in "[ -~\t\n]{1,40}") {
            let escaped: String = name.bytes().map(|b| match b {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}"),
                _ => char::from(b).to_string(),
            }).collect();
            let line = format!("1 2 8:1 / /{escaped} rw - ext4 /dev/x rw\n");
            let mounts = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(&mounts[0].mountpoint, &PathBuf::from(format!("/{name}")));
        }
    }
}
