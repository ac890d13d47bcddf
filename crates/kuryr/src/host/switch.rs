//! The virtual switch.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::HostError;

/// A port of a bridge of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchPort {
    /// The bridge.
    pub bridge: String,
    /// The link it stands for.
    pub name: String,
    /// What Neutron's agent recognises the port by.
    pub external_ids: BTreeMap<String, String>,
}

/// External id that says which Neutron port it is.
pub(crate) const IFACE_ID: &str = "iface-id";
/// External id that says who made it.
pub(crate) const OWNER: &str = "owner";
/// External id that says which installation of ours.
pub(crate) const MARK: &str = "kuryr-mark";
/// What stands there for us.
pub(crate) const KURYR: &str = "kuryr";

/// Open vSwitch. Asked anew every time: it may be restarted at any moment.
#[async_trait]
pub trait Switch: Send + Sync {
    /// Adds the port, or brings the one of that name to what is wanted. A missing bridge is an error, and so is a
    /// port of that name on another bridge or of another owner.
    async fn ensure_port(&self, port: &SwitchPort) -> Result<(), HostError>;
    /// Removes the port of that name if its external ids say that it is ours and this Neutron port's. An absent one
    /// is removed; another's stays.
    async fn delete_port(&self, name: &str, iface_id: &str) -> Result<(), HostError>;
    /// All ports of ours.
    async fn ports(&self) -> Result<Vec<SwitchPort>, HostError>;
    /// Whether the bridge forwards in user space (`netdev`). A missing bridge is an error.
    async fn is_userspace(&self, bridge: &str) -> Result<bool, HostError>;
}
