//! Keeping the model in one file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cinder::Cinder;
use crate::error::{Error, Result};
use crate::manila::Manila;
use crate::model::Model;
use crate::neutron::NeutronService;
use crate::nova::Nova;

/// How long changes are gathered before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// Counts changes that are worth saving.
#[derive(Debug, Clone)]
pub(crate) struct Changed(Arc<watch::Sender<u64>>);

impl Changed {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(crate) fn mark(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Networks, ports and groups.
    pub(crate) network: Model,
    /// Volumes, as the volume service keeps them.
    pub(crate) volume: Value,
    /// Servers, as the compute service keeps them; absent in files of earlier releases.
    #[serde(default)]
    pub(crate) compute: Option<Value>,
    /// Shares, as the share service keeps them; null in files from before there was one.
    #[serde(default)]
    pub(crate) share: Value,
}

/// Writes the file after changes.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) path: Option<PathBuf>,
    pub(crate) changed: Changed,
    pub(crate) neutron: Arc<NeutronService>,
    pub(crate) cinder: Arc<Cinder>,
    pub(crate) nova: Arc<Nova>,
    pub(crate) manila: Arc<Manila>,
}

/// Reads the file; `None` if there is none yet.
pub(crate) fn load(path: &Path) -> Result<Option<Saved>> {
    let fail = |reason: String| Error::Load { path: path.into(), reason };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| fail(e.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error.to_string())),
    }
}

impl Store {
    /// Saves after changes until the cloud stops, and once more then.
    pub(crate) async fn follow(self, stop: CancellationToken) -> Result<()> {
        let mut network = self.changed.0.subscribe();
        let mut volume = self.cinder.changed();
        let mut compute = self.nova.changed();
        let mut share = self.manila.changed();
        loop {
            tokio::select! {
                _ = network.changed() => {}
                _ = volume.changed() => {}
                _ = compute.changed() => {}
                _ = share.changed() => {}
                () = stop.cancelled() => return self.save().await,
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = stop.cancelled() => return self.save().await,
            }
            network.mark_unchanged();
            volume.mark_unchanged();
            compute.mark_unchanged();
            share.mark_unchanged();
            if let Err(error) = self.save().await {
                tracing::warn!(%error, "the cloud's state is not saved");
            }
        }
    }

    async fn save(&self) -> Result<()> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        let network = self.neutron.read(Model::clone);
        let saved = Saved {
            network,
            volume: self.cinder.snapshot(),
            share: self.manila.snapshot(),
            compute: Some(self.nova.snapshot()),
        };
        let write = tokio::task::spawn_blocking(move || {
            write(&path, &saved).map_err(|source| Error::Save { path, source })
        });
        write
            .await
            .unwrap_or_else(|error| Err(Error::Part { part: "the state writer", reason: error.to_string() }))
    }
}

/// Replaces the file so that a reader, or a crash, sees the old or the new content.
fn write(path: &Path, saved: &Saved) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(saved)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(folder)?.sync_all()
}
