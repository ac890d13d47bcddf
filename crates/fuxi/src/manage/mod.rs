//! What an operator does to a volume beside what Docker asks for; `kuryr volume` on the command line.

mod clone;
mod detach;
mod extend;
mod fence;
mod progress;
mod show;
mod snapshots;

pub(crate) use progress::Progress;
pub use show::VolumeDetails;
pub use snapshots::VolumeSnapshot;

use crate::{Error, Provider, Result, Service};

impl Service {
    /// Refuses what is done to volumes of Cinder only; `what` names it.
    async fn refuse_if_a_share(&self, name: &str, what: &str) -> Result<()> {
        let (Provider::Manila, Some(shares)) = (self.owner(name).await?, &self.shares) else { return Ok(()) };
        Err(match shares.find(name).await? {
            Some(_) => Error::refused(name, format!("a Manila share has no {what} here")),
            None => Error::NotFound { name: name.to_owned() },
        })
    }
}

/// How long an operator waits for the cloud; the service itself gives up earlier.
const OPERATOR: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
