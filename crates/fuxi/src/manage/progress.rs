//! What is being done to a volume right now, for whoever waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Service;

/// A line per volume that is being worked on.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<HashMap<String, String>>);

impl Progress {
    fn lines(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is done to a volume from now on.
    pub(crate) fn note(&self, name: &str, text: impl Into<String>) {
        self.lines().insert(name.to_owned(), text.into());
    }

    /// Nothing is done to it any more.
    pub(crate) fn end(&self, name: &str) {
        self.lines().remove(name);
    }
}

impl Service {
    /// What is being done to the volume of that name, in a few words; `None` when nothing is.
    #[must_use]
    pub fn progress(&self, name: &str) -> Option<String> {
        self.core.progress.lines().get(name).cloned()
    }
}
