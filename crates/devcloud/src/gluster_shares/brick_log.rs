//! When a brick has taken new options: `gluster volume set` comes back before, and only the brick's log tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::datapath::{DataPathError, Result};

/// How long a brick may take to fetch its options and take them.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often its log is looked at.
const POLL: Duration = Duration::from_millis(10);
/// A line of the last translators but the server, which logs nothing and is next; or there was nothing to take.
const TAKEN: [&str; 2] = ["option log-level using set value", "No change in volfile"];

/// A brick's log from now on.
#[derive(Debug)]
pub(super) struct BrickLog {
    path: PathBuf,
    from: usize,
}

impl BrickLog {
    /// A brick's log is named by its path, with dashes.
    pub(super) fn now(logs: &Path, brick: &Path) -> Self {
        let name = brick.to_string_lossy().trim_start_matches('/').replace('/', "-");
        let path = logs.join(format!("{name}.log"));
        let from = fs::read(&path).map_or(0, |text| text.len());
        Self { path, from }
    }

    /// Waits until the brick has taken what was set since.
    pub(super) async fn await_taken(&self) -> Result<()> {
        let started = Instant::now();
        while !self.tells() {
            if started.elapsed() > PATIENCE {
                return Err(DataPathError(format!(
                    "a brick did not take new options within {} s; see {}",
                    PATIENCE.as_secs(),
                    self.path.display()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn tells(&self) -> bool {
        let text = fs::read(&self.path).unwrap_or_default();
        let new = String::from_utf8_lossy(text.get(self.from..).unwrap_or_default()).into_owned();
        TAKEN.iter().any(|line| new.contains(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_logged_from_now_on_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a-b-data.log");
        fs::write(&path, "option log-level using set value INFO\n").unwrap();
        let log = BrickLog::now(dir.path(), Path::new("/a/b/data"));
        assert!(!log.tells());
        let more = fs::read_to_string(&path).unwrap() + "No change in volfile, continuing\n";
        fs::write(&path, more).unwrap();
        log.await_taken().await.unwrap();
    }
}
