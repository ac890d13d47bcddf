//! VolumeDriver: the driver's trait and its messages (moby `volume/drivers`).

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    PluginError, Scope,
    lenient::{Request, or_default, text_map},
};

/// A volume driver as Docker and Podman see it.
#[async_trait]
pub trait VolumeDriver: Send + Sync {
    /// Where volumes are known; must not wait for anything.
    fn scope(&self) -> Scope {
        Scope::Local
    }

    /// Creates a volume; a second time with equal options is a success.
    async fn create(&self, request: CreateRequest) -> Result<(), PluginError>;

    /// Looks a volume up. Docker asks every driver about every name, and **forgets labels and options of a volume
    /// that is not found**: see [`Lookup`].
    async fn get(&self, request: NameRequest) -> Lookup;

    /// All volumes; Podman forgets those that are not listed.
    async fn list(&self) -> Result<Vec<Volume>, PluginError>;

    /// Where a volume is mounted, `None` if it is not.
    async fn path(&self, request: NameRequest) -> Result<Option<String>, PluginError>;

    /// Mounts a volume and answers where. Docker sends no `unmount` for a mount that failed or took over 120 s.
    async fn mount(&self, request: MountRequest) -> Result<String, PluginError>;

    /// Gives up one mount; Docker shows no error of it and never repeats it.
    async fn unmount(&self, request: MountRequest) -> Result<(), PluginError>;

    /// Removes a volume.
    async fn remove(&self, request: NameRequest) -> Result<(), PluginError>;
}

/// What a driver knows about a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The volume exists.
    Found(Volume),
    /// The volume does not exist, and the backend has said so.
    NotFound(PluginError),
    /// The backend cannot be asked. The request is held until Docker gives up, and the connection closed without an
    /// answer, because any answer but a volume would be taken for "not found".
    Unknown(PluginError),
}

/// A volume as shown by `docker volume inspect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    #[serde(rename = "Name", default, deserialize_with = "or_default")]
    pub name: String,
    /// Where it is mounted, empty if it is not.
    #[serde(
        rename = "Mountpoint",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub mountpoint: String,
    /// RFC 3339, empty if not known.
    #[serde(
        rename = "CreatedAt",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_at: String,
    /// Anything an operator may want to know.
    #[serde(
        rename = "Status",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub status: Map<String, Value>,
}

/// `VolumeDriver.Create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRequest {
    /// Name of the volume.
    #[serde(rename = "Name", default, deserialize_with = "or_default")]
    pub name: String,
    /// The user's `--opt` values.
    #[serde(rename = "Opts", default, deserialize_with = "text_map")]
    pub options: BTreeMap<String, String>,
}

/// `Get`, `Path` and `Remove` of VolumeDriver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRequest {
    /// Name of the volume.
    #[serde(rename = "Name", default, deserialize_with = "or_default")]
    pub name: String,
}

/// `Mount` and `Unmount` of VolumeDriver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRequest {
    /// Name of the volume.
    #[serde(rename = "Name", default, deserialize_with = "or_default")]
    pub name: String,
    /// Who mounts: no more than a hint, Docker repeats and forgets it, Podman always sends the same.
    #[serde(rename = "ID", default, deserialize_with = "or_default")]
    pub id: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct GetResponse {
    #[serde(rename = "Volume")]
    pub(crate) volume: Volume,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListResponse {
    #[serde(rename = "Volumes")]
    pub(crate) volumes: Vec<Volume>,
}

#[derive(Debug, Serialize)]
pub(crate) struct MountpointResponse {
    #[serde(rename = "Mountpoint")]
    pub(crate) mountpoint: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct CapabilitiesResponse {
    #[serde(rename = "Capabilities")]
    pub(crate) capabilities: VolumeCapabilities,
}

#[derive(Debug, Serialize)]
pub(crate) struct VolumeCapabilities {
    #[serde(rename = "Scope")]
    pub(crate) scope: Scope,
}

macro_rules! needs_name {
    ($($message:ty),+) => {$(
        impl Request for $message {
            fn required(&self) -> Vec<(&'static str, &str)> {
                vec![("Name", &self.name)]
            }
        }
    )+};
}
needs_name!(CreateRequest, NameRequest, MountRequest);
