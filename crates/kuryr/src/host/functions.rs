//! Virtual functions of network cards (SR-IOV).

use async_trait::async_trait;
use openstack::MacAddr;

use super::HostError;

/// A virtual function, found by its place on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFunction {
    /// Link of the physical function.
    pub physical: String,
    /// Number of the virtual function on it.
    pub index: u32,
    /// Its own link, if it is in this namespace.
    pub link: Option<String>,
}

/// What the card is told about a virtual function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionSettings {
    /// The address it may send from; `None`: as it is.
    pub mac: Option<MacAddr>,
    /// The VLAN it is in; 0: none.
    pub vlan: u16,
}

/// Virtual functions of this host.
#[async_trait]
pub trait VirtualFunctions: Send + Sync {
    /// The function at a PCI address (`0000:06:10.1`); `None` if there is no such device.
    async fn find(&self, pci_slot: &str) -> Result<Option<VirtualFunction>, HostError>;
    /// The address the card was told for it; `None`: none, or the card does not say.
    async fn mac(&self, function: &VirtualFunction) -> Result<Option<MacAddr>, HostError>;
    /// Configures it through its physical function.
    async fn configure(
        &self,
        function: &VirtualFunction,
        settings: FunctionSettings,
    ) -> Result<(), HostError>;
}
