//! The network service: pools, networks, endpoints and their binding, over Neutron and host links.
//!
//! Docker's words come in ([`Service`]), Neutron's words go out ([`Neutron`]), links of this host are plugged
//! through [`Host`]. What is about to be made, adopted or destroyed is written to the journal first, so
//! that [`Service::recover`] can finish or undo it after a crash.

mod adapters;
mod addresses;
mod api;
mod attributes;
mod binding;
mod endpoints;
mod error;
mod existing_ports;
mod expose;
mod forgotten;
mod gc;
mod guest;
mod host;
mod locks;
mod marks;
mod names;
mod networks;
mod neutron;
mod options;
mod pools;
mod ports;
mod recover;
mod release;
mod second_family;
mod service;
mod settings;
mod spares;
mod state;
mod swarm;
mod table;
mod takeover;

#[cfg(test)]
mod doubles;
#[cfg(test)]
mod tests;

pub use adapters::HostPaths;
pub use api::{
    AddressKind, AddressRequest, AllocationRequest, CreatedEndpoint, EndpointRequest, EndpointStatus,
    ExposedPort, IpamData, Joined, MachineStatus, NetworkRequest, NetworkStatus, Pool, PoolRequest,
    PoolStatus, Route, Status,
};
pub use error::Error;
pub use gc::{Orphan, OrphanAction, OrphanKind, OrphanReport};
pub use guest::{GuestMode, GuestSettings, Spares};
pub use host::{
    FunctionSettings, Hooks, Host, HostError, HostLinks, IpvlanFlag, IpvlanMode, MacvlanMode, MarkedLink,
    ParentLink, SubLink, SubLinkError, SubLinkKind, Switch, SwitchPort, VethPair, VirtualFunction,
    VirtualFunctions,
};
pub use neutron::Neutron;
pub use service::Service;
pub use settings::Settings;

/// Result of a service call.
pub type Result<T> = std::result::Result<T, Error>;
