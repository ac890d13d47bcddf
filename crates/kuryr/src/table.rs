//! A journal collection with its entries in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use journal::{Collection, StateDir};
use serde::{Serialize, de::DeserializeOwned};

/// Entries by key; the file is written before the memory.
#[derive(Debug)]
pub(crate) struct Table<T> {
    files: Collection<T>,
    rows: Mutex<BTreeMap<String, T>>,
}

impl<T: Clone + Serialize + DeserializeOwned> Table<T> {
    pub(crate) fn open(state: &StateDir, name: &str) -> journal::Result<Self> {
        let files: Collection<T> = state.collection(name)?;
        let loaded = files.load()?;
        for bad in loaded.unreadable {
            tracing::error!(file = %bad.path.display(), reason = bad.reason, "journal entry left alone");
        }
        Ok(Self { files, rows: Mutex::new(loaded.entries) })
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &str) -> Option<T> {
        self.rows().get(key).cloned()
    }

    pub(crate) fn put(&self, key: &str, row: &T) -> journal::Result<()> {
        self.files.put(key, row)?;
        self.rows().insert(key.to_owned(), row.clone());
        Ok(())
    }

    pub(crate) fn remove(&self, key: &str) -> journal::Result<()> {
        self.files.remove(key)?;
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
