//! What one try of an operation can end with, and which of it is worth another try.

use std::io;

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection.
    Unreachable(io::Error),
    /// The connection broke; whether the transaction happened is unknown.
    Lost(io::Error),
    /// A `wait` of the transaction did not come true, so nothing of it happened.
    WaitTimedOut,
    /// ovs-vswitchd has not taken the change over in time.
    NotProcessed,
    /// The server's own words.
    Refused(String),
    /// The server does not speak the protocol.
    Malformed(String),
    /// Settled without the server.
    Final(crate::Error),
}

impl Failure {
    pub(super) fn malformed(what: &str) -> Self {
        Self::Malformed(what.to_owned())
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Final(error)
    }
}
