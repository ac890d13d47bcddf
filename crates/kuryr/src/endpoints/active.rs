//! Waiting until Neutron's agent has wired a port, where the operator wants it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::error::CloudContext;
use crate::service::Inner;
use crate::{Error, Result};

/// Longest wait; Docker's patience is 30 s for everything.
const LONGEST: Duration = Duration::from_secs(20);
/// Kept for unplugging what did not become active, before the caller is answered.
const TO_UNDO: Duration = Duration::from_secs(3);
/// First and longest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Inner {
    /// Waits for `ACTIVE` if `[neutron] vif_plugging_is_fatal` says so; makes no call otherwise. `begun` is when the
    /// request came.
    pub(super) async fn wait_active(&self, port: &str, begun: Instant) -> Result<()> {
        if !self.settings.vif_plugging_is_fatal {
            return Ok(());
        }
        let asked = Some(self.settings.vif_plugging_timeout).filter(|asked| !asked.is_zero());
        let now = Instant::now();
        let patience = begun + self.settings.deadline.saturating_sub(TO_UNDO);
        let end = (now + asked.unwrap_or(LONGEST).min(LONGEST)).min(patience.max(now));
        let mut status = "not known".to_owned();
        let mut pause = PAUSES.0;
        while let Ok(answer) = timeout_at(end, self.neutron.get_port(port)).await {
            match answer {
                Ok(found) if found.status == "ACTIVE" => return Ok(()),
                Ok(found) => status = found.status,
                Err(e) if e.is_not_found() => return Err(e).doing("wait for port", port),
                Err(error) => status = error.to_string(),
            }
            if Instant::now() + pause > end {
                break;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        let seconds = now.elapsed().as_secs();
        Err(Error::NotActive { port: port.to_owned(), status, seconds })
    }
}
