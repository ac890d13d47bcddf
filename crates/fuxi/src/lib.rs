//! The volume service: volumes, attachments and mounts, over Cinder and this host's storage; shares over Manila.
//!
//! A Docker volume is a Cinder volume that carries our mark, or a Manila share ([`share`]). It is attached at the first Mount and detached after the
//! last Unmount, so it follows its container. What was made here is deleted by Remove, what was adopted is given back
//! exactly as it was found. The service reaches the cloud and the host only through [`BlockStorage`] and
//! [`HostStorage`]; every step is in the journal before it is taken, so a killed process leaves nothing behind.

mod adopt;
mod attach;
mod cinder;
mod claim;
mod content;
mod copy;
mod create;
mod detach;
mod dispatch;
mod error;
mod holder;
mod host;
mod ledger;
mod lookup;
mod lost_claim;
mod manage;
mod marks;
mod name;
mod not_served;
mod nova;
mod prepare;
mod record;
mod recover;
mod remove;
mod request;
mod seams;
mod service;
mod settings;
pub mod share;
mod sharing;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use dispatch::Provider;
pub use error::Error;
pub use holder::Holder;
pub use host::LocalHost;
pub use manage::{VolumeDetails, VolumeSnapshot};
pub use not_served::NotServed;
pub use nova::{Nova, ThisServer};
pub use seams::{BlockStorage, Content, Device, HostResult, HostStorage, Identity, ServerLife, Servers};
pub use service::Service;
pub use settings::Settings;
pub use status::{ShareStatus, Status, VolumeInfo, VolumeStatus};

/// Result of a volume operation.
pub type Result<T> = std::result::Result<T, Error>;
