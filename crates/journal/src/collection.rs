//! A set of entries of one type: a directory with one file per key.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::marker::PhantomData;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::lock::{make_dir, sync_dir};
use crate::{Error, Result};

/// Entries of type `T`, keyed by a name that is also a file name.
///
/// Writers of the *same* key must be serialised by the caller (the services hold a lock per object);
/// different keys are independent.
#[derive(Debug, Clone)]
pub struct Collection<T> {
    dir: PathBuf,
    entries: PhantomData<fn(T) -> T>,
}

/// What was found on disk.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The readable entries by key.
    pub entries: BTreeMap<String, T>,
    /// Files that could not be understood; they were left where they are.
    pub unreadable: Vec<Unreadable>,
}

/// A file that is no entry of this type: from a newer version, or damaged by the disk.
#[derive(Debug)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why it could not be read.
    pub reason: String,
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    pub(crate) fn open(state: &Path, name: &str) -> Result<Self> {
        check_key(name)?;
        let dir = state.join(name);
        make_dir(&dir)?;
        Ok(Self { dir, entries: PhantomData })
    }

    /// Writes the entry; durable when this returns.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Encode`], or [`Error::Io`] (full disk, read-only file system); the previous
    /// entry, if any, is then still in place, unless only the directory could not be synced: [`Collection::get`] tells.
    pub fn put(&self, key: &str, entry: &T) -> Result<()> {
        check_key(key)?;
        let path = self.file(key);
        let mut text = serde_json::to_vec_pretty(entry)
            .map_err(|source| Error::Encode { path: path.clone(), source })?;
        text.push(b'\n');
        // The leading dot keeps a half-written file out of `load`.
        let part = self.dir.join(format!(".{key}.part"));
        let written = write_synced(&part, &text)
            .and_then(|()| std::fs::rename(&part, &path).map_err(|e| Error::io("rename", &part, e)));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
        self.sync_dir()
    }

    /// The entry, or `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when the file is there but cannot be read or understood.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        check_key(key)?;
        let path = self.file(key);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|e| Error::io("understand", &path, std::io::Error::from(e))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", &path, e)),
        }
    }

    /// Removes the entry; an absent one is already removed.
    ///
    /// # Errors
    /// [`Error::Key`] or [`Error::Io`].
    pub fn remove(&self, key: &str) -> Result<()> {
        check_key(key)?;
        let path = self.file(key);
        match std::fs::remove_file(&path) {
            Ok(()) => self.sync_dir(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("remove", &path, e)),
        }
    }

    /// Reads all entries. One bad file does not hide the others: it is reported and left alone.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory itself cannot be read.
    pub fn load(&self) -> Result<Loaded<T>> {
        let mut loaded = Loaded { entries: BTreeMap::new(), unreadable: Vec::new() };
        let listing = std::fs::read_dir(&self.dir).map_err(|e| Error::io("list", &self.dir, e))?;
        for file in listing {
            let file = file.map_err(|e| Error::io("list", &self.dir, e))?;
            let name = file.file_name();
            let Some(key) =
                name.to_str().and_then(|n| n.strip_suffix(".json")).filter(|k| !k.starts_with('.'))
            else {
                continue;
            };
            let path = file.path();
            match std::fs::read(&path) {
                Ok(text) => match serde_json::from_slice(&text) {
                    Ok(entry) => {
                        loaded.entries.insert(key.to_owned(), entry);
                    }
                    Err(e) => loaded.unreadable.push(Unreadable { path, reason: e.to_string() }),
                },
                Err(e) => loaded.unreadable.push(Unreadable { path, reason: e.to_string() }),
            }
        }
        Ok(loaded)
    }

    fn file(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}.json"))
    }

    fn sync_dir(&self) -> Result<()> {
        sync_dir(&self.dir)
    }
}

pub(crate) fn write_synced(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::io("create", path, e))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(|e| Error::io("write", path, e))
}

pub(crate) fn check_key(key: &str) -> Result<()> {
    let fits = !key.is_empty()
        && key.len() <= 200
        && !key.starts_with('.')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits { Ok(()) } else { Err(Error::Key { key: key.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateDir;

    fn numbers() -> (tempfile::TempDir, StateDir, Collection<u32>) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let numbers = state.collection("numbers").unwrap();
        (dir, state, numbers)
    }

    #[test]
    fn what_is_put_is_there_after_reopening() {
        let (_dir, state, numbers) = numbers();
        numbers.put("one", &1).unwrap();
        numbers.put("two", &1).unwrap();
        numbers.put("two", &2).unwrap();
        numbers.remove("absent").unwrap();
        let again: Collection<u32> = state.collection("numbers").unwrap();
        assert_eq!(
            again.load().unwrap().entries.into_iter().collect::<Vec<_>>(),
            [("one".to_owned(), 1), ("two".to_owned(), 2)]
        );
        again.remove("one").unwrap();
        assert_eq!(numbers.get("one").unwrap(), None);
        assert_eq!(numbers.get("two").unwrap(), Some(2));
    }

    #[test]
    fn a_torn_or_foreign_file_is_reported_and_hides_nothing() {
        let (_dir, _state, numbers) = numbers();
        numbers.put("good", &7).unwrap();
        std::fs::write(numbers.dir.join("bad.json"), b"{").unwrap();
        std::fs::write(numbers.dir.join(".half.part"), b"1").unwrap();
        let loaded = numbers.load().unwrap();
        assert_eq!(loaded.entries.len(), 1);
        assert_eq!(loaded.unreadable.len(), 1);
        assert!(loaded.unreadable[0].path.ends_with("bad.json"));
        assert!(numbers.dir.join("bad.json").exists());
    }

    #[test]
    fn keys_that_would_leave_the_directory_are_refused() {
        let (_dir, _state, numbers) = numbers();
        for key in ["", "../x", "a/b", ".hidden", "a b", &"x".repeat(201)] {
            assert!(matches!(numbers.put(key, &1), Err(Error::Key { .. })), "{key:?}");
        }
    }

    #[test]
    fn a_failed_write_keeps_the_old_entry() {
        let (_dir, _state, numbers) = numbers();
        numbers.put("k", &1).unwrap();
        // A directory in the temporary file's place makes the write fail whoever runs the test.
        std::fs::create_dir(numbers.dir.join(".k.part")).unwrap();
        assert!(matches!(numbers.put("k", &2), Err(Error::Io { .. })));
        assert_eq!(numbers.get("k").unwrap(), Some(1));
    }
}
