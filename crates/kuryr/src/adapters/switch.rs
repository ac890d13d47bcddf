//! Open vSwitch.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::host::{HostError, Switch, SwitchPort};

#[derive(Debug)]
pub(super) struct OpenVswitch {
    socket: PathBuf,
}

impl OpenVswitch {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    fn unserved<T>(&self) -> Result<T, HostError> {
        Err(HostError(format!("{}: this build does not talk to Open vSwitch", self.socket.display())))
    }
}

#[async_trait]
impl Switch for OpenVswitch {
    async fn ensure_port(&self, _: &SwitchPort) -> Result<(), HostError> {
        self.unserved()
    }

    async fn delete_port(&self, _: &str, _: &str) -> Result<(), HostError> {
        self.unserved()
    }

    async fn ports(&self) -> Result<Vec<SwitchPort>, HostError> {
        self.unserved()
    }

    async fn is_userspace(&self, _: &str) -> Result<bool, HostError> {
        self.unserved()
    }
}
