//! Which options of the mkfs programs a user may give: what shapes the filesystem, and nothing that forces, names another
//! device or sets the identity we recognise it by.
//!
//! Sources: mke2fs(8), mkfs.xfs(8), mkfs.btrfs(8).

use crate::Filesystem;

/// What may follow a flag.
enum Value {
    /// Digits, with a unit or a fraction.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A label of at most that many bytes.
    Label(usize),
    /// `key=number` pairs and bare words, comma-separated.
    Pairs(&'static [&'static str]),
    /// Features to switch on, or off with `^`.
    Features(&'static [&'static str]),
}

use Value::{Features, Label, Number, Pairs, Word};

const EXT4_FEATURES: &[&str] = &[
    "64bit",
    "casefold",
    "dir_index",
    "dir_nlink",
    "encrypt",
    "ext_attr",
    "extent",
    "extra_isize",
    "filetype",
    "flex_bg",
    "has_journal",
    "huge_file",
    "inline_data",
    "large_dir",
    "large_file",
    "meta_bg",
    "metadata_csum",
    "metadata_csum_seed",
    "mmp",
    "orphan_file",
    "project",
    "quota",
    "resize_inode",
    "sparse_super",
    "sparse_super2",
    "uninit_bg",
    "verity",
];

const EXT4: &[(&str, Value)] = &[
    ("-b", Number),
    ("-C", Number),
    ("-E", Pairs(&["stride", "stripe_width", "num_backup_sb", "packed_meta_blocks", "mmp_update_interval"])),
    ("-g", Number),
    ("-G", Number),
    ("-i", Number),
    ("-I", Number),
    ("-J", Pairs(&["size"])),
    ("-L", Label(16)),
    ("-m", Number),
    ("-N", Number),
    ("-O", Features(EXT4_FEATURES)),
    ("-T", Word(&["small", "floppy", "big", "huge", "news", "largefile", "largefile4", "mail"])),
];

const XFS: &[(&str, Value)] = &[
    ("-b", Pairs(&["size"])),
    ("-d", Pairs(&["agcount", "agsize", "su", "sw", "sunit", "swidth", "noalign"])),
    ("-i", Pairs(&["size", "maxpct", "sparse", "nrext64", "projid32bit", "attr"])),
    ("-l", Pairs(&["size", "su", "sunit", "lazy-count", "version"])),
    ("-L", Label(12)),
    ("-m", Pairs(&["crc", "finobt", "rmapbt", "reflink", "bigtime", "inobtcount"])),
    ("-n", Pairs(&["size", "ftype"])),
    ("-s", Pairs(&["size"])),
];

const BTRFS: &[(&str, Value)] = &[
    ("-d", Word(&["single", "dup"])),
    ("-L", Label(255)),
    ("-m", Word(&["single", "dup"])),
    ("-n", Number),
    ("-s", Number),
    (
        "-O",
        Features(&[
            "no-holes",
            "free-space-tree",
            "block-group-tree",
            "quota",
            "squota",
            "skinny-metadata",
            "extref",
        ]),
    ),
    ("--checksum", Word(&["crc32c", "xxhash", "sha256", "blake2"])),
    ("--csum", Word(&["crc32c", "xxhash", "sha256", "blake2"])),
];

/// The arguments for the filesystem's mkfs in `text`, such as `-m 0 -i 65536`; each flag with its value after a space,
/// once.
///
/// # Errors
/// For the user: which word is not taken, and which are.
pub fn mkfs_options(filesystem: Filesystem, text: &str) -> Result<Vec<String>, String> {
    let known = match filesystem {
        Filesystem::Ext4 => EXT4,
        Filesystem::Xfs => XFS,
        Filesystem::Btrfs => BTRFS,
        Filesystem::Ocfs2 | Filesystem::Gfs2 => &[],
    };
    let mut arguments: Vec<String> = Vec::new();
    let mut words = text.split_ascii_whitespace();
    while let Some(flag) = words.next() {
        let Some((_, wanted)) = known.iter().find(|(k, _)| *k == flag) else {
            let flags: Vec<_> = known.iter().map(|(k, _)| *k).collect();
            return Err(format!(
                "`{flag}` is not taken for {filesystem}; known are {}, each with its value after a space",
                flags.join(", ")
            ));
        };
        if arguments.iter().step_by(2).any(|a| a == flag) {
            return Err(format!("`{flag}` stands there twice; join its values with commas"));
        }
        let value = words.next().unwrap_or_default();
        if !wanted.takes(value) {
            return Err(format!("`{flag} {value}` is not taken for {filesystem}: {}", wanted.describe()));
        }
        arguments.extend([flag.to_owned(), value.to_owned()]);
    }
    Ok(arguments)
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    text.len() <= 20
        && text.len() - digits.len() <= 1
        && digits.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl Value {
    fn takes(&self, text: &str) -> bool {
        match self {
            Number => is_number(text),
            Word(words) => words.contains(&text),
            Label(longest) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
                (1..=*longest).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain)
            }
            Pairs(keys) => text.split(',').all(|pair| match pair.split_once('=') {
                Some((key, value)) => keys.contains(&key) && is_number(value),
                None => keys.contains(&pair),
            }),
            Features(known) => {
                text.split(',').all(|word| known.contains(&word.strip_prefix('^').unwrap_or(word)))
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Number => "give a number".into(),
            Word(words) => format!("give one of {}", words.join(", ")),
            Label(longest) => format!("give 1 to {longest} letters, digits, `_`, `.` or `-`"),
            Pairs(keys) => format!("give key=number of {}", keys.join(", ")),
            Features(known) => format!("give features of {}", known.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shapes_a_filesystem_is_taken() {
        for (filesystem, text, arguments) in [
            (Filesystem::Ext4, "", 0),
            (
                Filesystem::Ext4,
                "-m 0.5 -i 65536 -O ^has_journal,quota -E stride=16,stripe_width=64 -L books",
                10,
            ),
            (Filesystem::Xfs, "-d su=64k,sw=4 -m reflink=0 -L books", 6),
            (Filesystem::Btrfs, "-m dup --csum xxhash", 4),
        ] {
            assert_eq!(mkfs_options(filesystem, text).map(|a| a.len()), Ok(arguments), "{text}");
        }
    }

    #[test]
    fn what_forces_or_names_another_device_or_identity_is_refused() {
        let cases = [
            (
                Filesystem::Ext4,
                &[
                    "-F",
                    "-FF",
                    "-J device=/dev/sda",
                    "-E offset=512",
                    "-U random",
                    "-O journal_dev",
                    "-c",
                    "-S",
                    "-n",
                    "-d /etc",
                    "/dev/sda",
                    "-m",
                    "-L -F",
                    "-E root_owner=1:1",
                    "-E discard",
                    "-m 0 -m 1",
                    "-b 4096;x",
                ][..],
            ),
            (
                Filesystem::Xfs,
                &[
                    "-f",
                    "-d file=1,name=/x",
                    "-l logdev=/dev/sda",
                    "-r rtdev=/dev/sda",
                    "-m uuid=1",
                    "-p /x",
                    "-d size=1g",
                    "-N",
                ],
            ),
            (Filesystem::Btrfs, &["-f", "--force", "-U x", "-r /etc", "-m raid1", "/dev/sda", "-b 1g"]),
            (Filesystem::Ocfs2, &["-N 4"]),
        ];
        for (filesystem, texts) in cases {
            for text in texts {
                let error = mkfs_options(filesystem, text).unwrap_err();
                assert!(error.contains('`'), "{text}: {error}");
            }
        }
    }
}
