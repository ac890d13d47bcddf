//! Volumes of a virtual machine: Nova claims them for the server that this machine is, and only Nova gives them back.

mod claim;
mod client;
mod identity;
mod takeover;
mod unclaim;

use std::sync::Arc;

pub use identity::ThisServer;

use crate::{Identity, Servers};

/// Nova, and who we are to it.
#[derive(Debug, Clone)]
pub struct Nova {
    /// Its calls.
    pub servers: Arc<dyn Servers>,
    /// Which of its servers this machine is.
    pub identity: Arc<dyn Identity>,
}
