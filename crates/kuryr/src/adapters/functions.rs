//! Virtual functions.

use std::path::PathBuf;

use async_trait::async_trait;
use host_net::Links;

use crate::host::{FunctionSettings, HostError, VirtualFunction, VirtualFunctions};

#[derive(Debug)]
pub(super) struct Functions {
    _links: Links,
    sysfs: PathBuf,
}

impl Functions {
    pub(super) fn new(links: Links, sysfs: PathBuf) -> Self {
        Self { _links: links, sysfs }
    }

    fn unserved<T>(&self) -> Result<T, HostError> {
        Err(HostError(format!("{}: this build does not serve SR-IOV", self.sysfs.display())))
    }
}

#[async_trait]
impl VirtualFunctions for Functions {
    async fn find(&self, _: &str) -> Result<Option<VirtualFunction>, HostError> {
        self.unserved()
    }

    async fn configure(&self, _: &VirtualFunction, _: FunctionSettings) -> Result<(), HostError> {
        self.unserved()
    }
}
