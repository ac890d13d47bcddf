//! How long to wait for what.

use std::time::{Duration, Instant};

use crate::Result;

/// Deadlines of steps that depend on others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until a disk shows after it was looked for. Arrays have been seen to take more than 40 s.
    pub(crate) appear: Duration,
    /// Until a disk that was deleted is gone.
    pub(crate) gone: Duration,
    /// Until a session is up again after the target was away.
    pub(crate) session: Duration,
    /// Until others are done with the same target.
    pub(crate) turn: Duration,
    /// Until a multipath map stands on the first path.
    pub(crate) map: Duration,
    /// Until programs that only looked have closed the disk.
    pub(crate) free: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            appear: Duration::from_secs(60),
            gone: Duration::from_secs(30),
            session: Duration::from_secs(30),
            turn: Duration::from_secs(180),
            map: Duration::from_secs(20),
            free: Duration::from_secs(3),
        }
    }
}

const QUICK: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(1);

/// Asks again and again, quickly at first, until there is an answer; `None` when there was none in time. It asks at
/// least once.
pub(crate) fn wait<T>(deadline: Duration, ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    wait_up_to(SLOW, deadline, ask)
}

/// As [`wait`], and quickly to the end.
pub(crate) fn wait_steadily<T>(
    deadline: Duration,
    ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    wait_up_to(QUICK, deadline, ask)
}

fn wait_up_to<T>(
    longest: Duration,
    deadline: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let (started, mut pause) = (Instant::now(), QUICK);
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        let left = deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_waited_for_and_what_does_not_come_ends_in_time() {
        let started = Instant::now();
        assert_eq!(wait(Duration::from_secs(9), || Ok(Some(1))).unwrap(), Some(1));
        let mut asked = 0;
        let never = wait(Duration::from_millis(150), || {
            asked += 1;
            Ok(None::<()>)
        });
        assert_eq!(never.unwrap(), None);
        assert!(asked >= 3 && started.elapsed() < Duration::from_secs(5), "{asked}");
    }
}
