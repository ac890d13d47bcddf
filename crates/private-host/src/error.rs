//! What can go wrong.

use std::path::PathBuf;

/// A failure to make or use a private host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host's first process could not set it up.
    #[error("cannot make a private host: {reason}; it needs root and namespaces")]
    Init {
        /// The step and the system's answer.
        reason: String,
    },
    /// A file or process operation failed.
    #[error("cannot {action} {what}: {source}")]
    Io {
        /// The verb.
        action: &'static str,
        /// The file or program.
        what: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A process inside ended, or did not get ready in time.
    #[error("{program} did not get ready: {reason}; see {log}")]
    NotReady {
        /// The program.
        program: String,
        /// What was seen.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// A command inside failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command as typed.
        command: String,
        /// What it printed on standard error.
        output: String,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        what: impl Into<PathBuf>,
        source: impl Into<std::io::Error>,
    ) -> Self {
        Self::Io { action, what: what.into(), source: source.into() }
    }
}
