//! What an operator does to a volume beside what Docker asks for; `kuryr volume` on the command line.

mod detach;
mod extend;
mod fence;
mod progress;
mod show;
mod snapshots;

pub(crate) use progress::Progress;
pub use show::VolumeDetails;
pub use snapshots::VolumeSnapshot;
