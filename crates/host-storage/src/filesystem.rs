//! The filesystems a volume may carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A filesystem this project mounts; it makes those of [`Filesystem::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// ext4; also mounts what blkid calls ext2 and ext3.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs on one device.
    Btrfs,
    /// OCFS2, which several hosts write at once; mounted where it is, never made.
    Ocfs2,
    /// GFS2, likewise.
    Gfs2,
}

impl Filesystem {
    /// Those that are made.
    pub const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// The kernel's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Ocfs2 => "ocfs2",
            Self::Gfs2 => "gfs2",
        }
    }

    /// Several hosts may write to it at once, because they come to terms among themselves.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Ocfs2 | Self::Gfs2)
    }

    /// The filesystem of that name, of those that are mounted.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Ocfs2, Self::Gfs2]).find(|f| f.name() == name)
    }

    /// The filesystem that mounts what blkid reports as `kind`, if it is one of ours.
    #[must_use]
    pub fn of_probed_kind(kind: &str) -> Option<Self> {
        match kind {
            // The ext4 driver serves all three, and mounts them without changing their format.
            "ext2" | "ext3" | "ext4" => Some(Self::Ext4),
            "xfs" => Some(Self::Xfs),
            "btrfs" => Some(Self::Btrfs),
            "ocfs2" => Some(Self::Ocfs2),
            "gfs2" => Some(Self::Gfs2),
            _ => None,
        }
    }
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a filesystem this project makes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no filesystem for a volume; use ext4, xfs or btrfs")]
pub struct UnknownFilesystem(pub String);

impl FromStr for Filesystem {
    type Err = UnknownFilesystem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| UnknownFilesystem(text.to_owned()))
    }
}
