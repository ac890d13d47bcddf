//! Waiting for what must come true.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// For what a swarm does within some rounds of its own: restart tasks, elect a leader.
pub const SOON: Duration = Duration::from_secs(60);

/// Waits until `look` has an answer; the last thing it lacked is in the error.
///
/// # Errors
/// There is none within `patience`.
pub fn wait_until<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > end => {
                bail!("waited {} s in vain until {what}: {error:#}", patience.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
