//! Which server this machine is.

use async_trait::async_trait;
use host_storage::connector::Machine;
use host_storage::instance::{Said, Testimony, config_drive, dmi};
use openstack::instance_metadata::{self, Error as MetadataError};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

use crate::Identity;

/// This machine as its metadata service, its config drive and its firmware know it. Once they agreed they are not asked
/// again: a machine does not become another one while a process runs.
#[derive(Debug)]
pub struct ThisServer {
    metadata: Url,
    machine: Machine,
    known: OnceCell<Uuid>,
}

impl ThisServer {
    /// Asks the metadata service at `metadata`, usually [`instance_metadata::ADDRESS`].
    #[must_use]
    pub fn new(metadata: Url) -> Self {
        Self { metadata, machine: Machine::default(), known: OnceCell::new() }
    }

    /// The same, with the config drive and the firmware of `machine`.
    #[must_use]
    pub fn on(self, machine: Machine) -> Self {
        Self { machine, ..self }
    }

    async fn ask(&self) -> Result<Uuid, String> {
        let machine = self.machine.clone();
        let here = tokio::task::spawn_blocking(move || (config_drive(&machine), dmi(&machine)));
        let (metadata, here) = tokio::join!(instance_metadata::get(&self.metadata), here);
        let (config_drive, dmi) = here.map_err(|e| format!("cannot look at this machine: {e}"))?;
        let metadata = match metadata {
            Ok(found) => Said::Server(found.uuid),
            Err(error @ MetadataError::NoAnswer { .. }) => Said::Nothing(error.to_string()),
            Err(error) => Said::Nonsense(error.to_string()),
        };
        Testimony { metadata, config_drive, dmi }.decide().map_err(|e| e.to_string())
    }
}

#[async_trait]
impl Identity for ThisServer {
    async fn server_id(&self) -> Result<String, String> {
        self.known.get_or_try_init(|| self.ask()).await.map(Uuid::to_string)
    }
}
