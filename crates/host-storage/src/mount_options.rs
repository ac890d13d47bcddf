//! Words for mounting: which a user may give, and how the kernel takes them.
//!
//! Sources: mount(8), and the kernel's documentation of ext4, XFS and btrfs.

use rustix::mount::MountFlags;

use crate::Filesystem;

/// Words that every filesystem takes; the kernel wants them as flags.
const FLAGS: &[(&str, MountFlags)] = &[
    ("dirsync", MountFlags::DIRSYNC),
    ("lazytime", MountFlags::LAZYTIME),
    ("noatime", MountFlags::NOATIME),
    ("nodev", MountFlags::NODEV),
    ("nodiratime", MountFlags::NODIRATIME),
    ("noexec", MountFlags::NOEXEC),
    ("nosuid", MountFlags::NOSUID),
    ("relatime", MountFlags::RELATIME),
    ("ro", MountFlags::RDONLY),
    ("strictatime", MountFlags::STRICTATIME),
    ("sync", MountFlags::SYNCHRONOUS),
];

/// Words of each filesystem; with `=` they take a value.
const EXT4: &[&str] = &[
    "acl",
    "auto_da_alloc",
    "commit=",
    "data=",
    "delalloc",
    "discard",
    "errors=",
    "grpquota",
    "inode_readahead_blks=",
    "journal_checksum",
    "max_batch_time=",
    "min_batch_time=",
    "noacl",
    "noauto_da_alloc",
    "nodelalloc",
    "nodiscard",
    "noquota",
    "nouser_xattr",
    "prjquota",
    "quota",
    "stripe=",
    "user_xattr",
    "usrquota",
];
const XFS: &[&str] = &[
    "allocsize=",
    "discard",
    "gquota",
    "grpquota",
    "inode32",
    "inode64",
    "largeio",
    "logbsize=",
    "logbufs=",
    "noalign",
    "nodiscard",
    "nolargeio",
    "noquota",
    "pquota",
    "prjquota",
    "quota",
    "sunit=",
    "swalloc",
    "swidth=",
    "uquota",
    "usrquota",
    "wsync",
];
const BTRFS: &[&str] = &[
    "acl",
    "autodefrag",
    "commit=",
    "compress",
    "compress-force",
    "compress-force=",
    "compress=",
    "datacow",
    "datasum",
    "discard",
    "discard=",
    "enospc_debug",
    "flushoncommit",
    "max_inline=",
    "metadata_ratio=",
    "noacl",
    "noautodefrag",
    "nodatacow",
    "nodatasum",
    "nodiscard",
    "noflushoncommit",
    "nossd",
    "space_cache=",
    "ssd",
    "ssd_spread",
    "thread_pool=",
    "user_subvol_rm_allowed",
];
const SHARED: &[&str] = &["acl", "data=", "discard", "noacl", "errors=", "localflocks", "quota="];

/// Values that would take this host down, or lose what was said to be written.
const REFUSED: &[&str] = &["errors=panic", "errors=fatal_errors", "data=writeback"];

fn words_of(filesystem: Filesystem) -> &'static [&'static str] {
    match filesystem {
        Filesystem::Ext4 => EXT4,
        Filesystem::Xfs => XFS,
        Filesystem::Btrfs => BTRFS,
        Filesystem::Ocfs2 | Filesystem::Gfs2 => SHARED,
    }
}

/// Checks a user's words, comma-separated, against what the filesystem takes; without one, against what any takes.
/// `ro` is not among them, because a reader is more than a mount; nor is what would skip a journal.
///
/// # Errors
/// For the user: which word is not taken, and which are.
pub fn check_mount_options(filesystem: Option<Filesystem>, text: &str) -> Result<(), String> {
    let known: Vec<&str> = match filesystem {
        Some(filesystem) => words_of(filesystem).to_vec(),
        None => [EXT4, XFS, BTRFS, SHARED].concat(),
    };
    for word in text.split(',') {
        let wanted = match word.split_once('=') {
            Some((key, value)) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-');
                let fits = !value.is_empty() && value.len() <= 32 && value.bytes().all(plain);
                fits && known.contains(&format!("{key}=").as_str()) && !REFUSED.contains(&word)
            }
            None => known.contains(&word) || FLAGS.iter().any(|(f, _)| *f == word && word != "ro"),
        };
        if !wanted {
            let flags = FLAGS.iter().map(|(f, _)| *f).filter(|f| *f != "ro");
            let all: Vec<_> = flags.chain(known.iter().copied()).collect();
            return Err(match filesystem {
                Some(filesystem) => {
                    format!("`{word}` is not taken for {filesystem}; known are {}", all.join(", "))
                }
                None => format!("`{word}` is not taken; known are {}", all.join(", ")),
            });
        }
    }
    Ok(())
}

/// What keeps a reader from writing: not even the journal is replayed.
#[must_use]
pub fn reader_options(filesystem: Filesystem) -> &'static str {
    match filesystem {
        Filesystem::Ext4 => "ro,noload",
        Filesystem::Xfs => "ro,norecovery",
        Filesystem::Btrfs => "ro,rescue=nologreplay",
        Filesystem::Ocfs2 | Filesystem::Gfs2 => "ro",
    }
}

/// The kernel's flags among the words, and the others, which are the filesystem's.
pub(crate) fn split(text: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut rest: Vec<&str> = Vec::new();
    for word in text.split(',').filter(|w| !w.is_empty()) {
        match FLAGS.iter().find(|(f, _)| *f == word) {
            Some((_, flag)) => flags |= *flag,
            None => rest.push(word),
        }
    }
    (flags, rest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_filesystem_and_of_all_are_taken() {
        for (filesystem, text) in [
            (Some(Filesystem::Ext4), "noatime,commit=30,errors=remount-ro"),
            (Some(Filesystem::Xfs), "nosuid,logbufs=8,prjquota"),
            (Some(Filesystem::Btrfs), "compress=zstd:3,discard=async"),
            (None, "noatime,compress=zstd"),
        ] {
            assert_eq!(check_mount_options(filesystem, text), Ok(()), "{text}");
        }
    }

    #[test]
    fn h22_foreign_and_dangerous_words_are_refused() {
        for text in [
            "",
            "ro",
            "rw",
            "noload",
            "norecovery",
            "nouuid",
            "loop",
            "bind",
            "remount",
            "context=x",
            "commit",
            "commit=",
            "noatime,",
            "logdev=/dev/sda",
            "journal_path=/dev/sda",
            "device=/dev/sda",
            "errors=panic",
            "compress=zstd",
            "commit=30 x",
            "subvol=/etc",
            "nobarrier",
            "degraded",
            "data=writeback",
            "nosuid,errors=panic",
        ] {
            let error = check_mount_options(Some(Filesystem::Ext4), text).unwrap_err();
            assert!(error.contains("known are dirsync"), "{text}: {error}");
        }
        assert!(check_mount_options(None, "device=/dev/sda").is_err());
    }

    #[test]
    fn the_kernels_own_words_become_flags() {
        let (flags, rest) = split("ro,noload,noatime,commit=30");
        assert_eq!((flags, rest.as_str()), (MountFlags::RDONLY | MountFlags::NOATIME, "noload,commit=30"));
        assert_eq!(split("").1, "");
    }
}
