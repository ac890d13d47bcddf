//! Our own look for signatures, independent of blkid.
//!
//! It need not name everything: whatever is not zero is not blank either way. It exists so that one wrong answer of
//! one tool cannot cost data, and so that the refusal names what was found.

/// A magic number: where it stands and what it means.
struct Magic {
    offset: usize,
    bytes: &'static [u8],
    what: &'static str,
}

const fn magic(offset: usize, bytes: &'static [u8], what: &'static str) -> Magic {
    Magic { offset, bytes, what }
}

/// Magic numbers within the first MiB. Sources: the on-disk format descriptions of each.
const HEAD: &[Magic] = &[
    magic(0x438, &[0x53, 0xef], "an ext2/3/4 filesystem"),
    magic(0, b"XFSB", "an XFS filesystem"),
    magic(0x1_0040, b"_BHRfS_M", "a btrfs filesystem"),
    magic(0, b"LUKS\xba\xbe", "a LUKS encrypted volume"),
    magic(0x4000, b"SKUL\xba\xbe", "a LUKS encrypted volume"),
    magic(0x200, b"LABELONE", "an LVM2 physical volume"),
    magic(0, b"LABELONE", "an LVM2 physical volume"),
    magic(0x400, b"LABELONE", "an LVM2 physical volume"),
    magic(0x600, b"LABELONE", "an LVM2 physical volume"),
    magic(0x1000, &[0xfc, 0x4e, 0x2b, 0xa9], "an md RAID member"),
    magic(0, &[0xfc, 0x4e, 0x2b, 0xa9], "an md RAID member"),
    magic(0xff6, b"SWAPSPACE2", "swap space"),
    magic(0xff6, b"SWAP-SPACE", "swap space"),
    magic(0x3ff6, b"SWAPSPACE2", "swap space"),
    magic(0xfff6, b"SWAPSPACE2", "swap space"),
    magic(0x200, b"EFI PART", "a GPT partition table"),
    magic(0x1000, b"EFI PART", "a GPT partition table"),
    magic(0x1fe, &[0x55, 0xaa], "an MBR partition table or boot sector"),
    magic(
        0x1018,
        &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
        "a bcache device",
    ),
    magic(
        0x1018,
        &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef],
        "a bcachefs filesystem",
    ),
    magic(0, b"bluestore block device", "a Ceph BlueStore device"),
    magic(0x8001, b"CD001", "an ISO 9660 filesystem"),
    magic(0x8001, b"NSR0", "a UDF filesystem"),
    magic(3, b"NTFS    ", "an NTFS filesystem"),
    magic(3, b"EXFAT   ", "an exFAT filesystem"),
    magic(0x36, b"FAT1", "a FAT filesystem"),
    magic(0x52, b"FAT32", "a FAT filesystem"),
    magic(0, b"hsqs", "a squashfs image"),
    magic(0x400, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS filesystem"),
    magic(0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "an EROFS filesystem"),
    magic(0x1_0034, b"ReIsErFs", "a ReiserFS filesystem"),
    magic(0x1_0034, b"ReIsEr2Fs", "a ReiserFS filesystem"),
    magic(0x8000, b"JFS1", "a JFS filesystem"),
    magic(0x1_0000, &[0x01, 0x16, 0x19, 0x70], "a GFS2 filesystem"),
    magic(0x2000, b"OCFSV2", "an OCFS2 filesystem"),
    magic(0x1000, b"OCFSV2", "an OCFS2 filesystem"),
    magic(0x406, &[0x34, 0x34], "a NILFS2 filesystem"),
    magic(0, b"QFI\xfb", "a qcow2 image"),
    magic(0, b"KDMV", "a VMDK image"),
    magic(0, b"DRBD", "a DRBD device"),
    magic(0, b"STRATIS!", "a Stratis pool member"),
    magic(4, b"!Stra0tis\x86\xff\x02^A\rh", "a Stratis pool member"),
    magic(0, b"VDO", "a VDO device"),
    magic(0, b"ceph fsid", "a Ceph device"),
];

/// ZFS writes its uberblocks every KiB from 128 KiB on, in either byte order.
const ZFS: [[u8; 8]; 2] = [0x00ba_b10c_u64.to_le_bytes(), 0x00ba_b10c_u64.to_be_bytes()];

/// What stands in the first bytes of a device, if it is something known.
pub(crate) fn in_head(head: &[u8]) -> Option<&'static str> {
    let known =
        HEAD.iter().find(|m| head.get(m.offset..m.offset + m.bytes.len()) == Some(m.bytes)).map(|m| m.what);
    known.or_else(|| {
        (0x2_0000..0x4_0000)
            .step_by(1024)
            .any(|at| head.get(at..at + 8).is_some_and(|b| ZFS.iter().any(|z| z == b)))
            .then_some("a ZFS pool member")
    })
}

/// What stands in the last bytes of a device, if it is something known.
pub(crate) fn in_tail(tail: &[u8]) -> Option<&'static str> {
    let from_end = |distance: usize| tail.len().checked_sub(distance).and_then(|at| tail.get(at..));
    let starts = |distance: usize, bytes: &[u8]| from_end(distance).is_some_and(|t| t.starts_with(bytes));
    if starts(512, b"EFI PART") || starts(4096, b"EFI PART") {
        return Some("a backup GPT partition table");
    }
    // md 0.90 sits in the last whole 64 KiB block but one, md 1.0 8 KiB before the end.
    let md = [0xfc, 0x4e, 0x2b, 0xa9];
    let aligned = tail.len() - tail.len() % 65536;
    let md90 = aligned.checked_sub(65536).and_then(|at| tail.get(at..));
    if md90.is_some_and(|t| t.starts_with(&md)) || (8192..=12288).step_by(512).any(|d| starts(d, &md)) {
        return Some("an md RAID member");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic_number_is_found_where_it_belongs() {
        for m in HEAD {
            let mut head = vec![0; 1 << 20];
            head[m.offset..m.offset + m.bytes.len()].copy_from_slice(m.bytes);
            assert!(in_head(&head).is_some(), "{}", m.what);
        }
        let mut head = vec![0; 1 << 20];
        head[0x2_1000..0x2_1008].copy_from_slice(&ZFS[1]);
        assert_eq!(in_head(&head), Some("a ZFS pool member"));
    }

    #[test]
    fn signatures_at_the_end_are_found() {
        let mut tail = vec![0; 1 << 20];
        let at = tail.len() - 512;
        tail[at..at + 8].copy_from_slice(b"EFI PART");
        assert!(in_tail(&tail).is_some());
        let mut tail = vec![0; 1 << 20];
        let at = tail.len() - 65536;
        tail[at..at + 4].copy_from_slice(&[0xfc, 0x4e, 0x2b, 0xa9]);
        assert!(in_tail(&tail).is_some());
    }

    #[test]
    fn zeros_and_stubs_carry_nothing() {
        for length in [0, 1, 511, 4096, 1 << 20] {
            assert_eq!(in_head(&vec![0; length]), None);
            assert_eq!(in_tail(&vec![0; length]), None);
        }
    }
}
