//! A thin typed OpenStack client: session (Keystone v3), Neutron and Cinder.
//!
//! One [`Session`] per set of credentials; service clients borrow it. Only the calls this project makes are
//! here, with typed answers.

mod error;
mod mac;

pub mod block_storage;
pub mod network;

pub use error::{ApiError, Error};
pub use mac::{MacAddr, ParseMacError};

/// Result of an OpenStack call.
pub type Result<T> = std::result::Result<T, Error>;
