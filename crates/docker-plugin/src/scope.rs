//! How far a driver's objects reach.

use serde::{Deserialize, Serialize};

/// How far networks or volumes reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One host.
    #[default]
    Local,
    /// All hosts of a cluster.
    Global,
}
