//! One lock per object, so that two requests about the same thing follow one another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

/// Locks by name; unused ones are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for the object's turn. Order to avoid deadlock: range, network, spares, mac, address, pool, adoption, stand-in,
    /// subnets, endpoint, record, group, device.
    pub(crate) async fn lock(&self, kind: &str, id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(format!("{kind} {id}")).or_default())
        };
        lock.lock_owned().await
    }

    /// As [`Self::lock`], but waits no longer than `patience`.
    pub(crate) async fn lock_within(
        &self,
        patience: Duration,
        kind: &str,
        id: &str,
    ) -> Option<OwnedMutexGuard<()>> {
        tokio::time::timeout(patience, self.lock(kind, id)).await.ok()
    }
}
