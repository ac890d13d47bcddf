//! Nova: servers of the compute API v2.1 up to microversion 2.96, as far as volumes need them.
//!
//! A server here is a name: whoever runs the cloud says through `/admin/servers` that it exists and how it is. What it has
//! are volumes, through Cinder, with the states and in the order of the real services. The disk a server gets is the block
//! device that the volume data path exports on this machine.
//!
//! Source: the compute API reference and the behaviour of Nova's master branch.

mod attaching;
mod call;
mod metadata;
mod microversion;
mod model;
mod registry;
mod router;
mod servers;
mod volume_attachments;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

pub(crate) use registry::Registration;
pub(crate) use router::router;

use crate::cinder::{Cinder, Compute};
use model::State;

/// What can be changed while the cloud runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerOptions {
    /// How long each step towards a server takes, in milliseconds: `reserved` to `attaching`, and that to `in-use`.
    pub(crate) attach_delay_ms: u64,
    /// How long a server takes to give a disk back, in milliseconds.
    pub(crate) detach_delay_ms: u64,
    /// `max_disk_devices_to_attach`: most disks of a server, its first one included; 0: as many as one likes.
    pub(crate) most_disks: usize,
    /// How many of the next disks never come: the attachment vanishes and the volume is `available` again.
    pub(crate) next_attach_fails: u32,
    /// How many of the next disks are kept: the volume is `in-use` again.
    pub(crate) next_detach_fails: u32,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            attach_delay_ms: 20,
            detach_delay_ms: 20,
            most_disks: 0,
            next_attach_fails: 0,
            next_detach_fails: 0,
        }
    }
}

/// The compute service.
#[derive(Debug)]
pub(crate) struct Nova {
    cinder: Arc<Cinder>,
    state: Mutex<State>,
    options: Mutex<ServerOptions>,
    changed: watch::Sender<u64>,
    public_url: String,
}

impl Nova {
    /// A service without servers. `public_url` ends in `/compute`.
    pub(crate) fn new(cinder: Arc<Cinder>, public_url: String) -> Arc<Self> {
        let nova = Arc::new(Self {
            cinder,
            state: Mutex::default(),
            options: Mutex::default(),
            changed: watch::Sender::new(0),
            public_url,
        });
        nova.cinder.set_compute(Arc::downgrade(&nova));
        nova
    }

    /// Everything the service remembers: `servers` by id.
    pub(crate) fn snapshot(&self) -> Value {
        self.read(|state| serde_json::to_value(state).unwrap_or_default())
    }

    /// Goes on from a saved state: what was on its way to or from a server arrives. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The text of what does not fit.
    pub(crate) fn restore(self: &Arc<Self>, saved: Value) -> Result<(), String> {
        let state: State = serde_json::from_value(saved).map_err(|error| error.to_string())?;
        self.write(|current| *current = state);
        self.resume();
        Ok(())
    }

    /// Changes its value whenever there is something new to save.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn options(&self) -> ServerOptions {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_options(&self, options: ServerOptions) {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Uses up one planned failure, if there is one.
    fn fails(&self, pick: impl FnOnce(&mut ServerOptions) -> &mut u32) -> bool {
        let mut options = self.options.lock().unwrap_or_else(PoisonError::into_inner);
        let left = pick(&mut options);
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        fails
    }

    async fn pause(&self, pick: impl FnOnce(&ServerOptions) -> u64) {
        tokio::time::sleep(Duration::from_millis(pick(&self.options()))).await;
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

impl Compute for Weak<Nova> {
    fn uses(&self, server_id: &str, volume_id: &str, attachment_id: &str) -> bool {
        let Some(nova) = self.upgrade() else { return true };
        let ours = |disk: &model::Disk| disk.volume_id == volume_id && disk.attachment_id == attachment_id;
        nova.read(|state| state.servers.get(server_id).is_some_and(|server| server.disks.iter().any(ours)))
    }
}
