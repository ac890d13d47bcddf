//! The front alone, before services that run somewhere else: the same paths, log, faults and holds as the development
//! cloud has before its own.

mod address;
mod exchange;
mod front;

pub use address::Upstream;
pub(crate) use exchange::Upstreams;
pub use front::{RunningFront, UpstreamFront, UpstreamOptions};
