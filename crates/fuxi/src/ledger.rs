//! The records of a provider's volumes: in memory for answers, in the journal for the next start.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::record::Record;
#[cfg(test)]
use crate::testing::off_the_workers;
use crate::{Error, Result};

/// A record of a provider.
pub(crate) trait Entry: Clone + Serialize + DeserializeOwned {
    /// The directory of such records in the journal.
    const COLLECTION: &'static str;
    /// Docker's name.
    fn name(&self) -> &str;
}

impl Entry for Record {
    const COLLECTION: &'static str = "volumes";
    fn name(&self) -> &str {
        &self.name
    }
}

/// One turn per Docker name, whichever provider it belongs to: operations on one volume follow one another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Turns {
    pub(crate) fn of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > 1024 {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(name.to_owned()).or_default().clone()
    }
}

/// Records, plus what is worth forgetting at the end of the process.
#[derive(Debug)]
pub(crate) struct Ledger<R = Record> {
    journal: journal::Collection<R>,
    memory: Mutex<Memory<R>>,
    turns: Turns,
}

#[derive(Debug)]
struct Memory<R> {
    records: BTreeMap<String, R>,
    /// Names that Cinder did not know, and when it said so.
    absent: HashMap<String, Instant>,
    /// What Cinder's last list named.
    listed: BTreeMap<String, R>,
    /// When an idle volume may be detached.
    due: HashMap<String, Instant>,
    /// When a volume was last mounted or asked to be.
    mounted: HashMap<String, Instant>,
    /// Names whose journal entries cannot be read: touched by nobody.
    damaged: BTreeMap<String, String>,
}

impl<R: Entry> Ledger<R> {
    pub(crate) fn open(state: &journal::StateDir, turns: Turns) -> Result<Self> {
        let failed = |source| Error::Journal { name: "(all)".into(), source };
        let journal = state.collection::<R>(R::COLLECTION).map_err(failed)?;
        let loaded = journal.load().map_err(failed)?;
        let mut memory = Memory {
            records: loaded.entries,
            absent: HashMap::new(),
            listed: BTreeMap::new(),
            due: HashMap::new(),
            mounted: HashMap::new(),
            damaged: BTreeMap::new(),
        };
        for bad in loaded.unreadable {
            tracing::error!(path = %bad.path.display(), reason = bad.reason, "unreadable journal entry, left alone");
            if let Some(name) = bad.path.file_stem().and_then(|n| n.to_str()) {
                memory.damaged.insert(name.to_owned(), bad.path.display().to_string());
            }
        }
        Ok(Self { journal, memory: Mutex::new(memory), turns })
    }

    fn memory(&self) -> MutexGuard<'_, Memory<R>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of a name: operations on one volume follow one another.
    pub(crate) fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.of(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<R> {
        self.memory().records.get(name).cloned()
    }

    /// Refuses a name whose journal entry is there but cannot be read: whatever it said would be overwritten.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        match self.memory().damaged.get(name) {
            Some(path) => Err(Error::refused(
                name,
                format!("its journal entry {path} cannot be read; repair or move it"),
            )),
            None => Ok(()),
        }
    }

    pub(crate) fn all(&self) -> Vec<R> {
        self.memory().records.values().cloned().collect()
    }

    /// Makes the record durable; memory follows only if the journal did, whatever it answered.
    pub(crate) fn save(&self, record: &R) -> Result<()> {
        off_the_workers(|| self.journal.put(record.name(), record))
            .map_err(|source| self.after_failure(record.name(), source))?;
        let mut memory = self.memory();
        memory.absent.remove(record.name());
        memory.records.insert(record.name().to_owned(), record.clone());
        Ok(())
    }

    /// A change that failed may stand nevertheless, when only its directory could not be synced. Memory follows what is
    /// there, so that this process looks after what the next start would find.
    fn after_failure(&self, name: &str, source: journal::Error) -> Error {
        match self.journal.get(name) {
            Ok(Some(entry)) => drop(self.memory().records.insert(name.to_owned(), entry)),
            Ok(None) => drop(self.memory().records.remove(name)),
            // Nobody knows; what is in memory was true a moment ago.
            Err(error) => {
                tracing::warn!(volume = name, %error, "cannot read what its journal entry says now")
            }
        }
        Error::Journal { name: name.to_owned(), source }
    }

    /// Changes memory only: for what the journal could not take, and the next start finds out by itself.
    pub(crate) fn remember(&self, record: &R) {
        self.memory().records.insert(record.name().to_owned(), record.clone());
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        off_the_workers(|| self.journal.remove(name)).map_err(|source| self.after_failure(name, source))?;
        let mut memory = self.memory();
        memory.records.remove(name);
        memory.due.remove(name);
        memory.mounted.remove(name);
        Ok(())
    }

    pub(crate) fn note_absent(&self, name: &str) {
        let mut memory = self.memory();
        if memory.absent.len() > 4096 {
            memory.absent.clear();
        }
        memory.absent.insert(name.to_owned(), Instant::now());
    }

    pub(crate) fn is_absent(&self, name: &str, within: std::time::Duration) -> bool {
        self.memory().absent.get(name).is_some_and(|at| at.elapsed() < within)
    }

    pub(crate) fn set_due(&self, name: &str, at: Option<Instant>) {
        let mut memory = self.memory();
        match at {
            Some(at) => memory.due.insert(name.to_owned(), at),
            None => memory.due.remove(name),
        };
    }

    pub(crate) fn note_listed(&self, listed: BTreeMap<String, R>) {
        self.memory().listed = listed;
    }

    pub(crate) fn listed(&self) -> BTreeMap<String, R> {
        self.memory().listed.clone()
    }

    /// The volume was removed, so the last list is wrong about it.
    pub(crate) fn unlist(&self, name: &str) {
        self.memory().listed.remove(name);
    }

    pub(crate) fn note_mount(&self, name: &str) {
        self.memory().mounted.insert(name.to_owned(), Instant::now());
    }

    pub(crate) fn mounted_within(&self, name: &str, time: std::time::Duration) -> bool {
        self.memory().mounted.get(name).is_some_and(|at| at.elapsed() < time)
    }

    pub(crate) fn due(&self, name: &str) -> Option<Instant> {
        self.memory().due.get(name).copied()
    }
}

/// The journal waits for the disk; meanwhile this runtime's other work goes on, where it has more than one thread.
#[cfg(not(test))]
fn off_the_workers<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
