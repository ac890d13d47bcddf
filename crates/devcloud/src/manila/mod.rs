//! Manila: the Shared File Systems API v2, microversions 2.0 to 2.63, over one in-memory model.
//!
//! Source: the Shared File Systems API reference and the behaviour of Manila's master branch. Each module holds one
//! family of requests; `model` is what they change, `transitions` and `rule_transitions` what happens after the answer.

mod access;
mod access_check;
mod access_metadata;
mod actions;
mod call;
mod exports;
mod fault;
mod listing;
mod messages;
mod metadata;
mod microversion;
mod model;
mod new_share;
mod options;
mod quotas;
mod router;
mod rule_transitions;
mod share_filters;
mod share_networks;
mod share_types;
mod shares;
mod snapshots;
mod storage;
mod transitions;
mod versions;
mod views;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;

pub use options::{ManilaFaults, ManilaOptions, Quota};
pub use router::router;

use crate::datapath::ShareExport;
use microversion::Microversion;
use model::State;

/// The shared file system service.
#[derive(Debug)]
pub struct Manila {
    options: ManilaOptions,
    export: Option<Arc<dyn ShareExport>>,
    state: Mutex<State>,
    faults: Mutex<ManilaFaults>,
    /// One back end operation at a time: those of a share must not overtake each other.
    back_end: tokio::sync::Mutex<()>,
    public_url: RwLock<Option<String>>,
    changed: watch::Sender<u64>,
}

impl Manila {
    /// An empty service with its seeded share types. Without an export shares are modelled but cannot be mounted.
    #[must_use]
    pub fn new(options: ManilaOptions, export: Option<Arc<dyn ShareExport>>) -> Arc<Self> {
        let state = State { share_types: share_types::seeded(), ..State::default() };
        Arc::new(Self {
            options,
            export,
            state: Mutex::new(state),
            faults: Mutex::default(),
            back_end: tokio::sync::Mutex::default(),
            public_url: RwLock::default(),
            changed: watch::Sender::new(0),
        })
    }

    /// Where the service is reached, such as `http://127.0.0.1:9876/share`, for the links it hands out. Without it links
    /// are made from the request's `Host`.
    pub fn set_public_url(&self, url: &str) {
        let mut held = self.public_url.write().unwrap_or_else(PoisonError::into_inner);
        *held = Some(url.trim_end_matches('/').to_owned());
    }

    fn base_url(&self, headers: &HeaderMap) -> String {
        let held = self.public_url.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.unwrap_or_else(|| {
            let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
            format!("http://{}", host.unwrap_or("localhost"))
        })
    }

    /// Everything the service remembers, to be saved or shown to an administrator: `shares`, `share_rules`,
    /// `share_snapshots`, `share_networks`, `share_messages`, `share_types` and `share_quotas`, each by id.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        self.read(|state| serde_json::to_value(state).unwrap_or_default())
    }

    /// Goes on from a saved state, as a restarted share service does: interrupted creations and extensions become errors,
    /// interrupted deletions and rules are finished, and what was exported is exported again. Needs a Tokio runtime.
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

    /// How long things take and the failures still to come.
    #[must_use]
    pub fn faults(&self) -> ManilaFaults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how long things take, and lets the next back end operations fail.
    pub fn set_faults(&self, faults: ManilaFaults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The newest microversion it offers now.
    fn newest(&self) -> Microversion {
        Microversion(self.faults().newest_microversion).min(Microversion::MAX)
    }

    /// Uses up one planned failure, if there is one.
    fn fails(&self, pick: impl FnOnce(&mut ManilaFaults) -> &mut u32) -> bool {
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
}
