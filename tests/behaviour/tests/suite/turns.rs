//! How many cases run at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::Result;
use testkit::CloudKind;

use crate::volume_patience;

/// Places in one kind of queue.
struct Queue {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A case's place, until it is dropped.
pub(crate) struct Turn(&'static Queue);

/// Cases that are at work, each in a world of its own: much of a case is waiting.
static AT_WORK: Queue = Queue::with(2);
/// Those that do little but sleep run beside them.
static ASLEEP: Queue = Queue::with(2);

impl Queue {
    const fn with(places: usize) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    fn take(&'static self) -> Turn {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |free: &mut usize| *free == 0;
        let mut free = self.freed.wait_while(free, full).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Threads that are never all kept by sleepers. Real services have one host.
pub(crate) fn threads() -> Result<usize> {
    Ok(match CloudKind::from_environment()? {
        CloudKind::DevCloud => 2 + volume_patience::CASES.len(),
        CloudKind::OpenStack => 1,
    })
}

/// Waits until the case may run.
pub(crate) fn take(name: &str) -> Turn {
    let sleeps = volume_patience::CASES.iter().any(|(sleeper, _)| *sleeper == name);
    if sleeps { ASLEEP.take() } else { AT_WORK.take() }
}
