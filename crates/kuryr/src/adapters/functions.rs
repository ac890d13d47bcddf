//! Virtual functions, by [`host_net::sriov`].

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use host_net::Links;
use host_net::sriov::{self, VfConfig};
use openstack::MacAddr;

use super::links::refused;
use crate::host::{FunctionSettings, HostError, VirtualFunction, VirtualFunctions};
use crate::names;

/// For one look into sysfs.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Functions {
    links: Links,
    sysfs: PathBuf,
}

impl Functions {
    pub(super) fn new(links: Links, sysfs: PathBuf) -> Self {
        Self { links, sysfs }
    }

    fn look_up(&self, pci_slot: &str) -> Result<Option<VirtualFunction>, HostError> {
        if self.is_absent(pci_slot) {
            return Ok(None);
        }
        let found = sriov::VirtualFunction::find(&self.sysfs, pci_slot).map_err(refused)?;
        Ok(Some(VirtualFunction { physical: found.pf, index: found.index, link: found.link }))
    }

    fn is_absent(&self, pci_slot: &str) -> bool {
        let device = self.sysfs.join("bus/pci/devices").join(pci_slot);
        names::is_pci_slot(pci_slot)
            && device.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }
}

#[async_trait]
impl VirtualFunctions for Functions {
    async fn find(&self, pci_slot: &str) -> Result<Option<VirtualFunction>, HostError> {
        let (this, slot) = (self.clone(), pci_slot.to_owned());
        // A card that is being reset keeps readers of sysfs waiting.
        let look = tokio::task::spawn_blocking(move || this.look_up(&slot));
        match tokio::time::timeout(DEADLINE, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(died)) => Err(HostError(format!("cannot look for PCI device {pci_slot}: {died}"))),
            Err(_) => Err(HostError(format!(
                "the kernel does not say within {} s what PCI device {pci_slot} is; look into its log",
                DEADLINE.as_secs()
            ))),
        }
    }

    async fn mac(&self, function: &VirtualFunction) -> Result<Option<MacAddr>, HostError> {
        let told = self.links.vf_mac(&function.physical, function.index).await.map_err(refused)?;
        Ok(told.map(MacAddr))
    }

    async fn configure(
        &self,
        function: &VirtualFunction,
        settings: FunctionSettings,
    ) -> Result<(), HostError> {
        let wanted =
            VfConfig { mac: settings.mac.map(|mac| mac.0), vlan: Some(settings.vlan), ..VfConfig::default() };
        self.links.set_vf(&function.physical, function.index, &wanted).await.map_err(refused)
    }
}
