//! What starting or stopping the cloud can end in.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A failed start or a failed save. One line: what, on which resource, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listening socket could not be opened.
    #[error("cannot listen on {address}: {source}; choose a free address of this host")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A service to stand in front of is not described as it must be.
    #[error(
        "cannot stand in front of `{text}`: {reason}; write identity=http://HOST:PORT or networking=http://HOST:PORT"
    )]
    Upstream {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state file exists but cannot be read.
    #[error("cannot read the cloud's state from {path}: {reason}; repair the file or move it away")]
    Load {
        /// The state file.
        path: PathBuf,
        /// What did not fit.
        reason: String,
    },
    /// The state could not be written.
    #[error("cannot save the cloud's state to {path}: {source}; check the directory and free space")]
    Save {
        /// The state file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A part of the cloud refused to start.
    #[error("cannot start {part}: {reason}")]
    Part {
        /// Which one.
        part: &'static str,
        /// Why.
        reason: String,
    },
}

/// Result of a cloud operation.
pub type Result<T> = std::result::Result<T, Error>;
