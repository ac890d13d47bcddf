//! Links, addresses and routes of one network namespace over netlink, and ports of Open vSwitch. No policy.
//!
//! Every call may be repeated: what is wanted and already there is success, so is what is unwanted and already
//! gone. What stands in the way but is not what was asked for is an error that names it; it is never reused and
//! never deleted.

mod address;
mod bridge;
mod error;
mod events;
mod link;
mod name;
mod offload;
pub mod ovs;
mod route;
mod socket;
pub mod sriov;
mod sublink;
mod veth;

pub use error::{Error, Result};
pub use events::{LinkEvent, LinkEvents};
pub use link::LinkInfo;
pub use route::OnlinkRoute;
pub use socket::Links;
pub use sublink::{IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind, SubLinkSpec};
pub use veth::VethSpec;
