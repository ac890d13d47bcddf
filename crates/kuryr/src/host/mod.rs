//! What the service needs of this host, as seams: links, the virtual switch, network cards' functions, a site's
//! scripts. Everything is idempotent; what is provably somebody else's is neither taken nor removed.

mod functions;
mod hooks;
mod links;
mod switch;

use std::sync::Arc;

pub use functions::{FunctionSettings, VirtualFunction, VirtualFunctions};
pub use hooks::Hooks;
pub use links::{
    HostLinks, IpvlanFlag, IpvlanMode, MacvlanMode, MarkedLink, ParentLink, SubLink, SubLinkError,
    SubLinkKind, VethPair,
};
pub(crate) use switch::{IFACE_ID, KURYR, MARK, OWNER};
pub use switch::{Switch, SwitchPort};

/// A refused change of this host: the refusal in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// Everything of this host the service touches.
#[derive(Clone)]
pub struct Host {
    /// Network links of the namespace Docker looks for them in.
    pub links: Arc<dyn HostLinks>,
    /// Open vSwitch.
    pub switch: Arc<dyn Switch>,
    /// Virtual functions of network cards (SR-IOV).
    pub functions: Arc<dyn VirtualFunctions>,
    /// A site's own scripts.
    pub hooks: Arc<dyn Hooks>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
