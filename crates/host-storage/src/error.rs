//! What can go wrong with devices, filesystems and mounts.

use std::path::{Path, PathBuf};

use crate::connector::IscsiFailure;

/// A storage failure; each variant names the device or directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on a device or directory failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The path is no block device.
    #[error("{path} is no block device; check the volume type's back end")]
    NotABlockDevice {
        /// The path.
        path: PathBuf,
    },
    /// The device is not the volume it is said to be.
    #[error("{path} is not volume {volume}: {reason}; nothing was touched, detach the volume and try again")]
    WrongDevice {
        /// The device.
        path: PathBuf,
        /// The volume it should be.
        volume: String,
        /// What does not fit.
        reason: String,
    },
    /// The connection information cannot be used on this host.
    #[error("volume {volume}: cannot connect: {reason}")]
    Connection {
        /// The volume.
        volume: String,
        /// What does not fit.
        reason: String,
    },
    /// open-iscsi did not do it.
    #[error("{path}: {failure}")]
    Iscsi {
        /// Which way to which volume.
        path: String,
        /// Why, and what to do.
        failure: IscsiFailure,
    },
    /// Somebody else has the device or mount in use.
    #[error("{path} is in use by another process or mount; stop what uses it, then try again")]
    Busy {
        /// Device or mountpoint.
        path: PathBuf,
    },
    /// A program of a Debian package is missing.
    #[error("cannot run {program}: not found; install the Debian package {package}")]
    ToolMissing {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A program failed.
    #[error("{program} on {path} failed: {reason}")]
    Tool {
        /// The program.
        program: &'static str,
        /// The device.
        path: PathBuf,
        /// Its message, one line.
        reason: String,
    },
    /// A filesystem with errors that take a person's decision.
    #[error(
        "the filesystem on {path} is damaged and nothing was changed that needs a decision: {reason}; attach the volume to a server and run e2fsck on it"
    )]
    Damaged {
        /// The device.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A filesystem that its writer left without unmounting it, and that a reader may not put right.
    #[error(
        "the filesystem on {path} was not unmounted in good order, which only a writer can put right; mount it once without ro, then try again"
    )]
    Unfinished {
        /// The device.
        path: PathBuf,
    },
    /// The kernel refuses to mount a filesystem.
    #[error("cannot mount {filesystem} of {device} on {path}: {source}; {advice}")]
    Mount {
        /// The device.
        device: PathBuf,
        /// The mountpoint.
        path: PathBuf,
        /// The filesystem.
        filesystem: crate::Filesystem,
        /// The kernel's answer.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The mount is not what was asked for.
    #[error("{path} does not show {device}: {reason}; unmount it and try again")]
    NotMounted {
        /// The mountpoint.
        path: PathBuf,
        /// The device that should be there.
        device: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A name that cannot be a directory of ours.
    #[error(
        "`{name}` cannot name a mountpoint: letters, digits, `_`, `.`, `-`, the first a letter or digit, at most 200"
    )]
    Name {
        /// The offending name.
        name: String,
    },
    /// An export location that is not one, or a directory that is not in a share.
    #[error("`{export}` is refused: {reason}")]
    Export {
        /// The text.
        export: String,
        /// What does not fit.
        reason: String,
    },
    /// A mount option that may not be given.
    #[error("mount option `{option}` is refused: {reason}")]
    MountOption {
        /// The option.
        option: String,
        /// What is allowed.
        reason: String,
    },
    /// The server of a share does not answer.
    #[error(
        "the server of {path} did not answer within {seconds} s; check it and the network, then try again"
    )]
    NotAnswering {
        /// The mountpoint.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A line of the kernel's mount table that is not understood.
    #[error("cannot understand line {line} of {path}")]
    MountTable {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// The failure is that somebody uses the device or mount.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
