//! Virtual functions, by [`host_net::sriov`].

use std::io::ErrorKind;
use std::path::PathBuf;

use async_trait::async_trait;
use host_net::Links;
use host_net::sriov::{self, VfConfig};

use super::links::refused;
use crate::host::{FunctionSettings, HostError, VirtualFunction, VirtualFunctions};
use crate::names;

#[derive(Debug)]
pub(super) struct Functions {
    links: Links,
    sysfs: PathBuf,
}

impl Functions {
    pub(super) fn new(links: Links, sysfs: PathBuf) -> Self {
        Self { links, sysfs }
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
        if self.is_absent(pci_slot) {
            return Ok(None);
        }
        let found = sriov::VirtualFunction::find(&self.sysfs, pci_slot).map_err(refused)?;
        Ok(Some(VirtualFunction { physical: found.pf, index: found.index, link: found.link }))
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
