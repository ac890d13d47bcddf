//! Snapshots of volumes.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use super::{Client, Snapshot};
use crate::session::Microversion;
use crate::{Result, ServiceType, page};

/// A snapshot of a volume in use needs no `force` since Yoga.
const FORCE_IMPLIED: Microversion = Microversion(3, 66);

impl Client {
    /// Orders a snapshot, of a volume in use too; it is `creating` at first. Of a mounted filesystem it holds what is on
    /// the device at that moment, as after a power failure. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_over_quota`]; status 400 if the volume's status forbids it.
    pub async fn create_snapshot(
        &self,
        volume: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let what = format!("snapshot volume {volume}");
        let mut snapshot = json!({ "volume_id": volume, "name": name, "metadata": metadata });
        let implied = self.session.newest_version(ServiceType::BlockStorage).await? >= FORCE_IMPLIED;
        if let Some(fields) = snapshot.as_object_mut().filter(|_| !implied) {
            fields.insert("force".into(), json!(true));
        }
        let call = self.call(Method::POST, "/snapshots", &[], &what)?;
        let mut call = call.json(&json!({ "snapshot": snapshot }))?;
        if implied {
            call = call.version(FORCE_IMPLIED);
        }
        page::one(&self.session, &call, "snapshot").await
    }

    /// One snapshot.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_snapshot(&self, id: &str) -> Result<Snapshot> {
        let call = self.call(Method::GET, "/snapshots/{}", &[id], "get snapshot")?;
        page::one(&self.session, &call, "snapshot").await
    }

    /// The snapshots of a volume, to the last page.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_snapshots(&self, volume: &str) -> Result<Vec<Snapshot>> {
        let what = format!("list snapshots of volume {volume}");
        let call = self.call(Method::GET, "/snapshots/detail", &[], &what)?;
        page::all(&self.session, call.query(&[("volume_id", volume)]), "snapshots").await
    }

    /// Orders a snapshot's deletion. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; status 400 while something is made from it.
    pub async fn delete_snapshot(&self, id: &str) -> Result<()> {
        let call = self.call(Method::DELETE, "/snapshots/{}", &[id], "delete snapshot")?;
        page::gone_is_success(self.session.send(&call).await)
    }
}
