//! Durable intent log and host state: one small JSON file per object.
//!
//! OpenStack is the truth about resources and the kernel about this host; the journal is the truth about
//! our *intentions*. A service writes an entry before it acts and again when it has acted, so that after
//! `kill -9` the next start knows what was half done. Files are human-readable on purpose: an operator can
//! look at `/var/lib/kuryr/endpoints/<id>.json` and understand.
//!
//! Every change is durable when the call returns: written to a temporary file, fsynced, renamed over the
//! old one, and the directory fsynced.

mod collection;
mod error;
mod fact;
mod lock;

pub use collection::{Collection, Loaded, Unreadable};
pub use error::Error;
pub use lock::StateDir;

/// Result of a journal operation.
pub type Result<T> = std::result::Result<T, Error>;
