//! What is known of the running lab.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use private_host::Place;
use serde::{Deserialize, Serialize};

use super::layout;

/// How far the supervisor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Starting,
    Up,
    Failed(String),
}

/// As the supervisor writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) supervisor: u32,
    /// First process of the host; 0 while there is none.
    pub(crate) init: u32,
    pub(crate) phase: Phase,
}

impl State {
    pub(crate) fn read() -> Option<Self> {
        serde_json::from_slice(&fs::read(file()).ok()?).ok()
    }

    pub(crate) fn write(&self) -> Result<()> {
        let part = file().with_extension("part");
        fs::write(&part, serde_json::to_vec(self)?).context("write the lab's state")?;
        fs::rename(&part, file()).context("write the lab's state")
    }
}

/// The state's file.
pub(crate) fn file() -> PathBuf {
    layout::home().join("state.json")
}

/// A lab that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Pid of the host's first process.
    pub init: u32,
    /// Where the services log.
    pub logs: PathBuf,
}

impl Running {
    /// The host as a place to run things in; `dir` is a directory that lies in one of the shared ones.
    ///
    /// # Errors
    /// When it has ended in the meantime.
    pub fn place(&self, dir: &std::path::Path) -> Result<Place> {
        Ok(Place::join(self.init, dir)?)
    }
}

/// The lab that is up.
///
/// # Errors
/// When none is.
pub fn running() -> Result<Running> {
    match running_state()? {
        Some(State { phase: Phase::Up, init, .. }) => Ok(Running { init, logs: layout::logs() }),
        Some(State { phase, .. }) => bail!("the lab is not up ({phase:?}); see {}", layout::logs().display()),
        None => bail!("the lab does not run; start it with `cargo xtask lab openstack up`"),
    }
}

/// The state of a supervisor that lives.
pub(crate) fn running_state() -> Result<Option<State>> {
    Ok(if layout::supervisor_lock()?.is_some() { None } else { State::read() })
}
