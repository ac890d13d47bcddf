//! VolumeDriver on the volume service.

use async_trait::async_trait;
use docker_plugin::volume::{CreateRequest, Lookup, MountRequest, NameRequest, Volume};
use docker_plugin::{PluginError, VolumeDriver};
use fuxi::{Service, VolumeInfo};

use super::refuse;

/// The driver.
#[derive(Debug)]
pub(crate) struct Volumes {
    service: Service,
}

impl Volumes {
    pub(crate) fn new(service: Service) -> Self {
        Self { service }
    }
}

#[async_trait]
impl VolumeDriver for Volumes {
    fn scope(&self) -> docker_plugin::Scope {
        // Any host of the project finds a volume that carries our mark.
        docker_plugin::Scope::Global
    }

    async fn create(&self, request: CreateRequest) -> Result<(), PluginError> {
        self.service.create(&request.name, request.options).await.map_err(refuse)
    }

    async fn get(&self, request: NameRequest) -> Lookup {
        match self.service.get(&request.name).await {
            Ok(Some(volume)) => Lookup::Found(show(volume)),
            Ok(None) => Lookup::NotFound(PluginError::new(format_args!("no volume {}", request.name))),
            Err(error) => Lookup::Unknown(refuse(error)),
        }
    }

    async fn list(&self) -> Result<Vec<Volume>, PluginError> {
        Ok(self.service.list().await.map_err(refuse)?.into_iter().map(show).collect())
    }

    async fn path(&self, request: NameRequest) -> Result<Option<String>, PluginError> {
        let path = self.service.path(&request.name).await.map_err(refuse)?;
        Ok(path.map(|p| p.to_string_lossy().into_owned()))
    }

    async fn mount(&self, request: MountRequest) -> Result<String, PluginError> {
        let path = self.service.mount(&request.name, &request.id).await.map_err(refuse)?;
        Ok(path.to_string_lossy().into_owned())
    }

    async fn unmount(&self, request: MountRequest) -> Result<(), PluginError> {
        self.service.unmount(&request.name, &request.id).await.map_err(refuse)
    }

    async fn remove(&self, request: NameRequest) -> Result<(), PluginError> {
        self.service.remove(&request.name).await.map_err(refuse)
    }
}

fn show(volume: VolumeInfo) -> Volume {
    Volume {
        name: volume.name,
        mountpoint: volume.mountpoint.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default(),
        created_at: volume.created_at.unwrap_or_default(),
        status: volume.status.into_iter().collect(),
    }
}
