//! What a filesystem says of itself in its superblock.
//!
//! Sources: the on-disk formats as the kernel's documentation of ext4, XFS and btrfs gives them.

use std::os::unix::fs::FileExt;

use crate::{BlockDevice, Error, Filesystem, Result};

/// The superblock of an ext filesystem, 1024 bytes into the device.
#[derive(Debug)]
pub(crate) struct Ext4 {
    bytes: [u8; 1024],
}

impl Ext4 {
    /// `None` if there is none.
    pub(crate) fn read(device: &BlockDevice) -> Result<Option<Self>> {
        let bytes = read::<1024>(device, 1024)?;
        Ok(Some(Self { bytes }).filter(|s| s.u16(0x38) == 0xef53))
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(field(&self.bytes, at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(field(&self.bytes, at))
    }

    /// It was unmounted in good order, and no error was noted while it was mounted.
    pub(crate) fn is_clean(&self) -> bool {
        const VALID: u16 = 1;
        const ERRORS: u16 = 2;
        self.u16(0x3a) & VALID != 0 && self.u16(0x3a) & ERRORS == 0 && !self.has_journal_to_replay()
    }

    /// It was mounted for writing when its host went away.
    pub(crate) fn has_journal_to_replay(&self) -> bool {
        self.u32(0x60) & 0x4 != 0
    }

    fn size(&self) -> Option<u64> {
        let high = if self.u32(0x60) & 0x80 != 0 { u64::from(self.u32(0x150)) << 32 } else { 0 };
        let block = 1024_u64.checked_shl(self.u32(0x18).min(16))?;
        (high | u64::from(self.u32(0x4))).checked_mul(block)
    }
}

/// How many bytes of its device the filesystem takes; `None` if it does not say.
pub(crate) fn size(device: &BlockDevice, filesystem: Filesystem) -> Result<Option<u64>> {
    match filesystem {
        Filesystem::Ext4 => Ok(Ext4::read(device)?.and_then(|s| s.size())),
        Filesystem::Xfs => {
            let bytes = read::<512>(device, 0)?;
            let block = u64::from(u32::from_be_bytes(field(&bytes, 4)));
            let blocks = u64::from_be_bytes(field(&bytes, 8));
            Ok(bytes.starts_with(b"XFSB").then(|| blocks.checked_mul(block)).flatten())
        }
        Filesystem::Btrfs => {
            let bytes = read::<4096>(device, 0x1_0000)?;
            // Over all its devices, so only of one that has a single one is anything known.
            let single = u64::from_le_bytes(field(&bytes, 0x88)) == 1;
            let magic = field::<8>(&bytes, 0x40) == *b"_BHRfS_M";
            Ok((magic && single).then(|| u64::from_le_bytes(field(&bytes, 0x70))))
        }
        Filesystem::Ocfs2 | Filesystem::Gfs2 => Ok(None),
    }
}

fn read<const N: usize>(device: &BlockDevice, at: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    device.file().read_exact_at(&mut bytes, at).map_err(|e| Error::io("read", device.path(), e))?;
    Ok(bytes)
}

/// Zeros beyond the end.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(found) = bytes.get(at..at.saturating_add(N)) {
        out.copy_from_slice(found);
    }
    out
}
