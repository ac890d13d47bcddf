//! A volume with all that this host and the cloud know of it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::holder::Holder;
use crate::{Error, Provider, Result, Service};

/// What `kuryr volume show` prints.
#[derive(Debug, Clone, Serialize)]
pub struct VolumeDetails {
    /// Docker's name.
    pub name: String,
    /// Where it is mounted on this host, if it is.
    pub mountpoint: Option<std::path::PathBuf>,
    /// As in `docker volume inspect`.
    pub status: Map<String, Value>,
    /// Cinder's or Manila's word for its state.
    pub cloud_status: String,
    /// Who has it; nobody has a share.
    pub holders: Vec<Holder>,
    /// Docker's mount ids that use it on this host.
    pub references: Vec<String>,
}

impl Service {
    /// The volume as this host and, newly asked, the cloud know it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the cloud cannot be asked.
    pub async fn show(&self, name: &str) -> Result<VolumeDetails> {
        crate::name::check(name)?;
        if let (Provider::Manila, Some(shares)) = (self.owner(name).await?, &self.shares) {
            return shares.show(name).await;
        }
        let core = &self.core;
        let record = core.find(name).await?.ok_or_else(|| Error::NotFound { name: name.to_owned() })?;
        let (volume, holders) = core.look_at_holders(&record).await?;
        let info = core.info(&record);
        Ok(VolumeDetails {
            name: info.name,
            mountpoint: info.mountpoint,
            status: info.status.into_iter().collect(),
            cloud_status: volume.status,
            holders,
            references: record.references.keys().cloned().collect(),
        })
    }
}
