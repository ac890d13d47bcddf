//! A thin typed OpenStack client: session (Keystone v3), Neutron, Cinder, Manila and Nova, and a machine's metadata
//! service.
//!
//! One [`Session`] per set of credentials; service clients hold a clone of it. Only the calls this project makes are
//! here, with typed answers.

mod error;
mod fault;
mod literal;
mod mac;
mod null;
mod page;
mod session;
mod settings;

pub mod block_storage;
pub mod compute;
pub mod instance_metadata;
pub mod network;
pub mod shared_file_systems;

pub use error::{ApiError, Error};
pub use mac::{MacAddr, ParseMacError};
pub use session::{CallRecord, Observer, Session};
pub use settings::{AuthSettings, CloudFiles, Credentials, Domain, Interface, Scope, ServiceType, Tls, User};

/// Result of an OpenStack call.
pub type Result<T> = std::result::Result<T, Error>;
