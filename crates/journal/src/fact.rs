//! A fact about this state directory that is decided once and kept for its life.

use std::io::ErrorKind;

use crate::collection::write_synced;
use crate::lock::sync_dir;
use crate::{Error, Result, StateDir};

impl StateDir {
    /// The one-line text kept under `name`; `fresh` is kept from now on if there is none. Durable when this returns.
    ///
    /// # Errors
    /// [`Error::Key`] for a name that is no file name, [`Error::Io`] when it can be neither read nor written, or when
    /// the file is empty: what it said is lost, and another text must not take its place unnoticed.
    pub fn fact(&self, name: &str, fresh: impl FnOnce() -> String) -> Result<String> {
        crate::collection::check_key(name)?;
        let path = self.path().join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => Err(Error::io(
                "understand",
                &path,
                std::io::Error::new(ErrorKind::InvalidData, "it is empty"),
            )),
            Ok(text) => Ok(text.trim().to_owned()),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = fresh();
                let part = self.path().join(format!(".{name}.part"));
                write_synced(&part, format!("{text}\n").as_bytes())?;
                std::fs::rename(&part, &path).map_err(|e| Error::io("rename", &part, e))?;
                sync_dir(self.path())?;
                Ok(text)
            }
            Err(e) => Err(Error::io("read", &path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, StateDir};

    #[test]
    fn a_fact_is_decided_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.fact("who", || "me".to_owned()).unwrap(), "me");
        drop(state);
        let again = StateDir::open(dir.path()).unwrap();
        assert_eq!(again.fact("who", || "somebody".to_owned()).unwrap(), "me");
        assert!(matches!(again.fact("../x", String::new), Err(Error::Key { .. })));
    }

    #[test]
    fn a_lost_fact_is_not_replaced_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("who"), "\n").unwrap();
        assert!(matches!(state.fact("who", || "me".to_owned()), Err(Error::Io { .. })));
    }
}
