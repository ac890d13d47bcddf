//! What can go wrong with the state directory.

use std::path::PathBuf;

/// A journal failure; each variant names the file or directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file-system call failed.
    #[error(
        "cannot {action} {path}: {source}; check that the disk is not full and the directory is writable"
    )]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A value could not be turned into JSON.
    #[error("cannot encode the entry {path}: {source}")]
    Encode {
        /// The entry's file.
        path: PathBuf,
        /// The encoder's answer.
        source: serde_json::Error,
    },
    /// A key that cannot be a file name.
    #[error(
        "`{key}` cannot name a journal entry: only letters, digits, `.`, `_`, `-` and at most 200 characters"
    )]
    Key {
        /// The offending key.
        key: String,
    },
    /// Another process holds the state directory.
    #[error("{path} is in use by another process; stop it first, two of us would undo each other's work")]
    InUse {
        /// The state directory.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<std::io::Error>,
    ) -> Self {
        Self::Io { action, path: path.into(), source: source.into() }
    }
}
