//! Rows by id, cheap to copy: a change of the model works on a copy, and most rows stay as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows by id, in order of ids. Copies share their rows until one is changed.
#[derive(Debug, Clone)]
pub(crate) struct Table<R>(BTreeMap<Arc<str>, Arc<R>>);

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R> Table<R> {
    pub(crate) fn get(&self, id: &str) -> Option<&R> {
        self.0.get(id).map(Arc::as_ref)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Arc::as_ref)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &R> {
        self.0.values().map(Arc::as_ref)
    }

    pub(crate) fn insert(&mut self, id: String, row: R) {
        self.0.insert(id.into(), Arc::new(row));
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    pub(crate) fn retain(&mut self, stays: impl Fn(&str, &R) -> bool) {
        self.0.retain(|id, row| stays(id, row));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<R: Clone> Table<R> {
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut R> {
        self.0.get_mut(id).map(Arc::make_mut)
    }

    /// The rows that fit, to be changed; the others stay shared.
    pub(crate) fn select_mut(&mut self, fits: impl Fn(&R) -> bool) -> impl Iterator<Item = &mut R> {
        self.0.values_mut().filter(move |row| fits(row)).map(Arc::make_mut)
    }
}

impl<R: Serialize> Serialize for Table<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, row)| (id.as_ref(), row.as_ref())))
    }
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Table<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = BTreeMap::<String, R>::deserialize(deserializer)?;
        Ok(Self(rows.into_iter().map(|(id, row)| (id.into(), Arc::new(row))).collect()))
    }
}
