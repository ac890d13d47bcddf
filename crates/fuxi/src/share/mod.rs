//! Shares of Manila as Docker volumes.
//!
//! A share is mounted at the first Mount and unmounted after the last Unmount. What lets this host use it, an access
//! rule, is made at the first Mount too unless there is one, and taken away again only if we made it. What we made is
//! deleted by Remove unless another host has a rule for it, what was adopted is given back as it was found. The
//! journal and the turns work as for Cinder's volumes.

mod access;
mod adopt;
mod create;
mod exports;
mod extend;
mod identity;
mod local;
mod lookup;
mod manage;
mod manila;
mod marks;
mod mount;
mod record;
mod recover;
mod remove;
mod request;
mod seams;
mod settings;
mod status;
mod unmount;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use identity::{AccessType, Identities};
pub use seams::{ShareHost, SharedFileSystems};
pub use settings::ShareSettings;
pub use status::ShareStatus;

use crate::ledger::{Ledger, Turns};
use crate::{Result, Settings, VolumeInfo};
use marks::Marks;
pub(crate) use record::ShareRecord;

/// Manila's half of the service. Its operations run in the turn of their Docker name.
#[derive(Debug)]
pub(crate) struct Shares {
    /// `volume_providers` names Manila; otherwise what the journal knows is kept and nothing is asked.
    served: bool,
    /// What both halves go by.
    common: Settings,
    settings: ShareSettings,
    marks: Marks,
    pub(crate) ledger: Ledger<ShareRecord>,
    cloud: Arc<dyn SharedFileSystems>,
    host: Arc<dyn ShareHost>,
    /// Held by the one list call under way.
    refreshing: tokio::sync::Mutex<()>,
    exports_checked: Times,
}

/// When something was last done, per share.
#[derive(Debug, Default)]
struct Times(Mutex<HashMap<String, tokio::time::Instant>>);

impl Times {
    fn is_fresh(&self, name: &str, within: Duration) -> bool {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(name).is_some_and(|at| at.elapsed() < within)
    }

    fn note(&self, name: &str) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(name.to_owned(), tokio::time::Instant::now());
    }
}

impl Shares {
    pub(crate) fn open(
        common: Settings,
        settings: ShareSettings,
        served: bool,
        state: &journal::StateDir,
        turns: Turns,
        cloud: Arc<dyn SharedFileSystems>,
        host: Arc<dyn ShareHost>,
    ) -> Result<Self> {
        if served {
            settings.check()?;
        }
        let marks = Marks::new(&common.label);
        let ledger = Ledger::open(state, turns)?;
        Ok(Self {
            served,
            common,
            settings,
            marks,
            ledger,
            cloud,
            host,
            refreshing: Default::default(),
            exports_checked: Times::default(),
        })
    }

    /// Where the share is mounted, if it is.
    pub(crate) fn mountpoint(&self, record: &ShareRecord) -> Option<PathBuf> {
        record.is_mounted().then(|| self.host.mountpoint(&record.name))
    }

    pub(crate) fn info(&self, record: &ShareRecord) -> VolumeInfo {
        status::info(record, self.mountpoint(record))
    }

    pub(crate) fn status(&self) -> Vec<ShareStatus> {
        self.ledger.all().iter().map(|r| ShareStatus::of(r, self.mountpoint(r))).collect()
    }

    async fn wait(&self, pause: &mut Duration) {
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(self.common.poll_longest);
    }
}
