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

/// How long an operator waits for the cloud; the service itself gives up earlier.
const OPERATOR: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
