//! Deadlines for system calls that a dead server may hold for ever.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::{Error, Result};

/// Mountpoints with a call under way that nobody waits for any more.
static STUCK: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Runs `work` on the share at `path` in a thread of its own, and waits for it until the deadline. A call that is stuck
/// in the kernel cannot be ended; until it ends by itself, every further one on the same mountpoint fails at once.
///
/// # Errors
/// [`Error::NotAnswering`] at the deadline; those of `work`.
pub fn bounded<T: Send + 'static>(
    path: &Path,
    deadline: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let silent = || Error::NotAnswering { path: path.to_owned(), seconds: deadline.as_secs() };
    if stuck().contains(path) {
        return Err(silent());
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let key = path.to_owned();
    let started = std::thread::Builder::new().name("share".into()).spawn(move || {
        let result = work();
        // Under one lock with the waiter's giving up, so that exactly one of the two says the last word.
        let mut stuck = stuck();
        if !stuck.remove(&key) {
            let _ = sender.send(result);
        }
    });
    started.map_err(|e| Error::io("start a thread for", path, e))?;
    match receiver.recv_timeout(deadline) {
        Ok(result) => result,
        Err(_) => {
            let mut stuck = stuck();
            match receiver.try_recv() {
                Ok(result) => result,
                Err(mpsc::TryRecvError::Empty) => {
                    stuck.insert(path.to_owned());
                    Err(silent())
                }
                Err(mpsc::TryRecvError::Disconnected) => {
                    Err(Error::io("finish work on", path, std::io::Error::other("its thread ended early")))
                }
            }
        }
    }
}

fn stuck() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn a_stuck_call_is_waited_for_once_and_until_its_deadline() {
        let path = Path::new("/test/stuck");
        let (free, stuck) = mpsc::channel::<()>();
        let started = Instant::now();
        let late = bounded(path, SOON, move || {
            let _ = stuck.recv();
            Ok(())
        });
        assert!(matches!(late, Err(Error::NotAnswering { .. })));
        assert!(started.elapsed() >= SOON && started.elapsed() < SOON * 20);
        let again = bounded(path, Duration::from_secs(60), || Ok(()));
        assert!(matches!(again, Err(Error::NotAnswering { .. })), "no second thread is risked");
        assert!(bounded(Path::new("/test/other"), SOON * 20, || Ok(())).is_ok());
        free.send(()).unwrap();
        for _ in 0..200 {
            if bounded(path, SOON * 20, || Ok(7)).is_ok_and(|v| v == 7) {
                return;
            }
            std::thread::sleep(SOON / 5);
        }
        panic!("it never recovered");
    }
}
