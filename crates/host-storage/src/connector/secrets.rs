//! What a storage system wants to hear before it serves.

use std::fmt;

/// User and password (CHAP, cephx). Never shown, never written down.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Of the session with the storage.
    pub user: Option<String>,
    /// Its password or key.
    pub password: Option<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}
