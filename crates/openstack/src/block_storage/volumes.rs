//! Volumes and their metadata.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use super::{Client, NewVolume, Since, Volume, VolumeType};
use crate::literal::literal;
use crate::session::Microversion;
use crate::{Result, ServiceType, page};

/// Extending a volume that is in use, since Pike.
const EXTEND_IN_USE: Microversion = Microversion(3, 42);

/// Volumes in groups.
const GROUPS: Since = Since(Microversion(3, 13), "Newton");

impl Client {
    /// Volumes of this name, or any, that carry all of `metadata`; in detail, to the last page.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_volumes(&self, name: Option<&str>, metadata: &[(&str, &str)]) -> Result<Vec<Volume>> {
        let wanted = (!metadata.is_empty()).then(|| literal(metadata));
        let mut filters: Vec<(&str, &str)> = Vec::new();
        filters.extend(name.map(|name| ("name", name)));
        filters.extend(wanted.as_deref().map(|wanted| ("metadata", wanted)));
        let call = self.call(Method::GET, "/volumes/detail", &[], "list volumes")?.query(&filters);
        page::all(&self.session, call, "volumes").await
    }

    /// One volume.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_volume(&self, id: &str) -> Result<Volume> {
        let call = self.call(Method::GET, "/volumes/{}", &[id], "get volume")?;
        page::one(&self.session, &call, "volume").await
    }

    /// Orders a volume; it is `creating` at first. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_over_quota`].
    pub async fn create_volume(&self, volume: &NewVolume) -> Result<Volume> {
        let what = format!("create volume {}", volume.name);
        let mut body = json!({ "volume": volume });
        if let Some(fields) = body.as_object_mut().filter(|_| !volume.hints.is_empty()) {
            fields.insert("OS-SCH-HNT:scheduler_hints".into(), json!(volume.hints));
        }
        let mut call = self.call(Method::POST, "/volumes", &[], &what)?.json(&body)?;
        if volume.group_id.is_some() {
            call = call.version(self.need(&what, &GROUPS, &[]).await?);
        }
        page::one(&self.session, &call, "volume").await
    }

    /// The volume types this project may use.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_volume_types(&self) -> Result<Vec<VolumeType>> {
        let call = self.call(Method::GET, "/types", &[], "list volume types")?;
        page::all(&self.session, call, "volume_types").await
    }

    /// Orders a volume's deletion. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; status 400 while it is attached or has snapshots.
    pub async fn delete_volume(&self, id: &str) -> Result<()> {
        let call = self.call(Method::DELETE, "/volumes/{}", &[id], "delete volume")?;
        page::gone_is_success(self.session.send(&call).await)
    }

    /// Sets these keys and leaves the others.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such volume.
    pub async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        let call = self.call(Method::POST, "/volumes/{}/metadata", &[id], "set metadata of volume")?;
        let call = call.json(&json!({ "metadata": metadata }))?.repeatable();
        self.session.send(&call).await.map(drop)
    }

    /// Removes a key; one that is not there is removed, and so is one of a volume that is not there.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn delete_metadata_key(&self, id: &str, key: &str) -> Result<()> {
        let what = "delete metadata key of volume";
        let call = self.call(Method::DELETE, "/volumes/{}/metadata/{}", &[id, key], what)?;
        page::gone_is_success(self.session.send(&call).await)
    }

    /// Orders a volume's growth to `gib` GiB. A volume in use needs microversion 3.42 (Pike), used where there is.
    ///
    /// # Errors
    /// Those of any call; status 400 if it has that size already or a status that forbids it.
    pub async fn extend_volume(&self, id: &str, gib: u64) -> Result<()> {
        let call = self.call(Method::POST, "/volumes/{}/action", &[id], "extend volume")?;
        let mut call = call.json(&json!({ "os-extend": { "new_size": gib } }))?;
        if self.session.newest_version(ServiceType::BlockStorage).await? >= EXTEND_IN_USE {
            call = call.version(EXTEND_IN_USE);
        }
        self.session.send(&call).await.map(drop)
    }
}
