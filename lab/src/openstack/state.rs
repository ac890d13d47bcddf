//! What is known of the running lab.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use private_host::Place;
use serde::{Deserialize, Serialize};

use super::{HOST, KEYSTONE, NEUTRON, layout};

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

/// A lab that is up, as its users need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Pid of the host's first process.
    pub pid: u32,
    /// A directory with the same path inside and outside.
    pub share: PathBuf,
    /// Where Keystone listens inside.
    pub identity: &'static str,
    /// Where Neutron listens inside.
    pub networking: &'static str,
    /// The name under which the host's Open vSwitch agent reports.
    pub agent: &'static str,
    /// Where the services log.
    pub logs: PathBuf,
}

impl Running {
    /// The host as a place to run things in, with the shared directory for what they leave.
    ///
    /// # Errors
    /// When it has ended in the meantime.
    pub fn place(&self) -> Result<Place> {
        Ok(Place::join(self.pid, &self.share)?)
    }
}

/// The lab that is up.
///
/// # Errors
/// When none is.
pub fn running() -> Result<Running> {
    match running_state()? {
        Some(State { phase: Phase::Up, init, .. }) => Ok(Running {
            pid: init,
            share: layout::share(),
            identity: KEYSTONE,
            networking: NEUTRON,
            agent: HOST,
            logs: layout::logs(),
        }),
        Some(_) => bail!("the lab is not up yet; see {}", layout::logs().display()),
        None => bail!("the lab does not run; start it with `cargo xtask lab openstack up`"),
    }
}

/// The state of a supervisor that lives.
pub(crate) fn running_state() -> Result<Option<State>> {
    Ok(if layout::supervisor_lock()?.is_some() { None } else { State::read() })
}
