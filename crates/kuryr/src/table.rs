//! A journal collection with its entries in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::{Collection, StateDir};
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Entries by key; the file is written before the memory.
#[derive(Debug)]
pub(crate) struct Table<T> {
    files: Collection<T>,
    rows: Mutex<BTreeMap<String, T>>,
    /// Entries on the disk that cannot be read.
    unreadable: usize,
    #[cfg(test)]
    gate: std::sync::OnceLock<std::sync::Arc<dyn Gate>>,
}

/// Lets a test end the process between two changes of the journal.
#[cfg(test)]
pub(crate) trait Gate: std::fmt::Debug + Send + Sync {
    /// A dead process writes nothing.
    fn may_write(&self) -> bool;
    /// A change is on the disk.
    fn wrote(&self);
}

impl<T: Clone + Serialize + DeserializeOwned> Table<T> {
    pub(crate) fn open(state: &StateDir, name: &str) -> journal::Result<Self> {
        let files: Collection<T> = state.collection(name)?;
        let loaded = files.load()?;
        for bad in &loaded.unreadable {
            tracing::error!(file = %bad.path.display(), reason = bad.reason, "journal entry left alone");
        }
        Ok(Self {
            files,
            rows: Mutex::new(loaded.entries),
            unreadable: loaded.unreadable.len(),
            #[cfg(test)]
            gate: std::sync::OnceLock::new(),
        })
    }

    /// Whether entries were found that cannot be read: nobody knows then what they name.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.unreadable > 0
    }

    #[cfg(test)]
    pub(crate) fn guard(&self, gate: std::sync::Arc<dyn Gate>) {
        let _ = self.gate.set(gate);
    }

    fn change(&self, work: impl FnOnce() -> journal::Result<()>) -> journal::Result<()> {
        #[cfg(test)]
        if self.gate.get().is_some_and(|gate| !gate.may_write()) {
            return Err(journal::Error::InUse { path: "the process is dead".into() });
        }
        blocking(work)?;
        #[cfg(test)]
        self.gate.get().into_iter().for_each(|gate| gate.wrote());
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &str) -> Option<T> {
        self.rows().get(key).cloned()
    }

    pub(crate) fn put(&self, key: &str, row: &T) -> journal::Result<()> {
        self.change(|| self.files.put(key, row))?;
        self.rows().insert(key.to_owned(), row.clone());
        Ok(())
    }

    pub(crate) fn remove(&self, key: &str) -> journal::Result<()> {
        self.change(|| self.files.remove(key))?;
        self.rows().remove(key);
        Ok(())
    }

    pub(crate) fn find(&self, mut fits: impl FnMut(&T) -> bool) -> Option<T> {
        self.rows().values().find(|row| fits(row)).cloned()
    }

    pub(crate) fn all(&self, mut fits: impl FnMut(&T) -> bool) -> Vec<T> {
        self.rows().values().filter(|row| fits(row)).cloned().collect()
    }
}

/// Waits for the disk without keeping other requests waiting: there are only a few worker threads, and a busy disk
/// takes longer to flush than Docker may wait for a plain question.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_disk_that_hangs_keeps_no_other_request_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let table = std::sync::Arc::new(Table::<u32>::open(&state, "numbers").unwrap());
        // Opening a pipe nobody reads hangs as a dying disk does.
        let pipes: Vec<_> = (0..4).map(|n| dir.path().join(format!("numbers/.{n}.part"))).collect();
        assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
        let writers: Vec<_> = (0..4)
            .map(|n: u32| {
                let table = std::sync::Arc::clone(&table);
                tokio::spawn(async move { table.put(&n.to_string(), &n) })
            })
            .collect();
        let (answer, question) = std::sync::mpsc::channel();
        let other = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer.send(()).unwrap();
        });
        // Without the runtime's help, which may be what hangs.
        let answered = question.recv_timeout(Duration::from_secs(3));
        let readers: Vec<_> =
            pipes.into_iter().map(|pipe| std::thread::spawn(move || std::fs::read(pipe).map(drop))).collect();
        for writer in writers {
            // A pipe cannot be flushed to a disk.
            assert!(writer.await.unwrap().is_err());
        }
        other.await.unwrap();
        drop(readers);
        answered.unwrap();
    }
}
