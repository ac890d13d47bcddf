//! Cinder: the Block Storage API v3, microversions 3.0 to 3.71, over one in-memory model.
//!
//! Source: the Block Storage API reference and the behaviour of Cinder's master branch. Each module holds one family
//! of requests; `model` is what they change, `transitions` what happens after the answer.

mod actions;
mod attachments;
mod call;
mod connection;
mod fault;
mod for_servers;
mod legacy_attach;
mod listing;
mod metadata;
mod microversion;
mod model;
mod new_volume;
mod options;
mod quotas;
mod router;
mod snapshots;
mod transitions;
mod versions;
mod views;
mod volume_filters;
mod volume_types;
mod volumes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::{OwnedMutexGuard, watch};

pub(crate) use fault::Fault;
pub use options::{CinderFaults, CinderOptions, Latencies, Quota};
pub use router::router;

use crate::datapath::VolumeDataPath;
use model::State;

/// Request extension for requests that carry a valid service token (role `service`): another service, such as Nova,
/// speaks for the caller. Only such requests may take away what belongs to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCaller;

/// Whom this service asks about servers: Nova. Never while its own state is locked, which Nova may want.
pub(crate) trait Compute: std::fmt::Debug + Send + Sync {
    /// Whether the server exists and has the volume by that attachment.
    fn uses(&self, server_id: &str, volume_id: &str, attachment_id: &str) -> bool;
}

/// The block storage service.
#[derive(Debug)]
pub struct Cinder {
    options: CinderOptions,
    data_path: Option<Arc<dyn VolumeDataPath>>,
    compute: OnceLock<Box<dyn Compute>>,
    state: Mutex<State>,
    /// One back end operation per volume at a time.
    gates: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    faults: Mutex<CinderFaults>,
    public_url: RwLock<Option<String>>,
    changed: watch::Sender<u64>,
}

impl Cinder {
    /// An empty service with its seeded volume types. Without a data path volumes are modelled but cannot be
    /// connected.
    #[must_use]
    pub fn new(options: CinderOptions, data_path: Option<Arc<dyn VolumeDataPath>>) -> Arc<Self> {
        let state = State { types: volume_types::seeded(), ..State::default() };
        Arc::new(Self {
            options,
            data_path,
            compute: OnceLock::new(),
            state: Mutex::new(state),
            gates: Mutex::default(),
            faults: Mutex::default(),
            public_url: RwLock::default(),
            changed: watch::Sender::new(0),
        })
    }

    /// Where the service is reached, such as `http://127.0.0.1:9876/volume`, for the links it hands out. Without it
    /// links are made from the request's `Host`.
    pub fn set_public_url(&self, url: &str) {
        let mut held = self.public_url.write().unwrap_or_else(PoisonError::into_inner);
        *held = Some(url.trim_end_matches('/').to_owned());
    }

    /// Who knows the servers; the first one told stays. Without anybody each server is believed to use what it has.
    pub(crate) fn set_compute(&self, compute: impl Compute + 'static) {
        let _ = self.compute.set(Box::new(compute));
    }

    fn public_url(&self) -> Option<String> {
        self.public_url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything the service remembers, to be saved or shown to an administrator: `volumes`, `attachments`,
    /// `snapshots`, `types` and `quotas`, each by id.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        self.read(|state| serde_json::to_value(state).unwrap_or_default())
    }

    /// Goes on from a saved state, as a restarted volume service does: interrupted creations and extensions become
    /// errors, interrupted deletions are finished, and what was connected is exported again. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The text of what does not fit; the service then remembers what it did before.
    pub fn restore(self: &Arc<Self>, saved: Value) -> Result<(), String> {
        let state: State = serde_json::from_value(saved).map_err(|error| error.to_string())?;
        self.write(|current| *current = state);
        self.resume();
        Ok(())
    }

    /// Changes its value whenever there is something new to save.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The failures still to come.
    #[must_use]
    pub fn faults(&self) -> CinderFaults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next back end operations fail.
    pub fn set_faults(&self, faults: CinderFaults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Uses up one planned failure, if there is one.
    fn fails(&self, pick: impl FnOnce(&mut CinderFaults) -> &mut u32) -> bool {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let left = pick(&mut faults);
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails
    }

    fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Waits for the volume's turn at the back end.
    async fn gate(&self, volume_id: &str) -> OwnedMutexGuard<()> {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            // Forgets the gates nobody stands at.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            Arc::clone(gates.entry(volume_id.to_owned()).or_default())
        };
        gate.lock_owned().await
    }
}

#[cfg(test)]
mod tests;
