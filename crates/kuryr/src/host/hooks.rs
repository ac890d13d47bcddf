//! A site's own scripts, one per vif type.

use async_trait::async_trait;

use super::HostError;

/// Executables of `[DEFAULT] bindir`.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Whether there is one for the vif type. Reads one directory entry.
    fn has(&self, vif_type: &str) -> bool;
    /// Runs it to its end; what it complains about is the error. `false`: there is none.
    async fn run(&self, vif_type: &str, arguments: &[String]) -> Result<bool, HostError>;
}
