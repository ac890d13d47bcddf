//! The embedded development cloud: Keystone, Neutron and Cinder over one in-memory model.
//!
//! [`DevCloud::start`] listens on one address: `/identity/v3`, `/networking/v2.0`, `/volume/v3`, and `/admin` for
//! whoever runs it. Where it behaves differently from the real services, it is wrong.

mod admin;
pub mod bridges;
pub mod caller;
pub mod cinder;
mod clock;
pub mod datapath;
mod error;
mod front;
mod keystone;
pub mod loop_volumes;
mod model;
mod neutron;
mod options;
mod seeds;
mod server;
mod store;

pub use error::{Error, Result};
pub use keystone::{APPLICATION_CREDENTIAL_ID, APPLICATION_CREDENTIAL_NAME, TRUST_ID};
pub use options::Options;
pub use server::{DevCloud, Running};
