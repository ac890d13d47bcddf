//! Attachments: a volume exported to a host.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{Attachment, Client, NewAttachment, Since};
use crate::session::{Call, Microversion};
use crate::{Result, page};

const ATTACHMENTS: Since = Since(Microversion(3, 27), "Ocata");
const COMPLETE: Since = Since(Microversion(3, 44), "Queens");
const MODE: Microversion = Microversion(3, 54);

/// Making an export is done by the storage while we wait: Cinder itself gives it 60 s, and its answer is worth more than
/// a guess.
const EXPORT: Duration = Duration::from_secs(70);
/// Ending one, too; below the 60 s that Docker gives an unmount.
const END: Duration = Duration::from_secs(50);

impl Client {
    /// Reserves the volume and exports it to the connector. Not repeated once it may have been executed: after an
    /// error whose effect is unknown look for the attachment with [`Self::list_attachments`]. An attachment must be
    /// completed to count, so a Cinder that cannot complete one is refused before anything happens.
    ///
    /// # Errors
    /// Those of any call; status 400 if the volume is not available; [`crate::Error::Unsupported`].
    pub async fn create_attachment(&self, attachment: &NewAttachment) -> Result<Attachment> {
        let what = format!("attach volume {}", attachment.volume_uuid);
        let version = self.need(&what, &COMPLETE, &[MODE]).await?;
        let mut body = json!({ "attachment": attachment });
        if version < MODE
            && let Some(inner) = body.get_mut("attachment").and_then(|inner| inner.as_object_mut())
        {
            inner.remove("mode");
        }
        let call = self.call(Method::POST, "/attachments", &[], &what)?.json(&body)?;
        page::one(&self.session, &call.version(version).slow(EXPORT), "attachment").await
    }

    /// Declares the attachment connected: the volume is `in-use` then. Doing it twice is harmless.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`]; [`crate::Error::Unsupported`].
    pub async fn complete_attachment(&self, id: &str) -> Result<()> {
        let what = "complete attachment";
        let version = self.need(what, &COMPLETE, &[]).await?;
        let call = self.call(Method::POST, "/attachments/{}/action", &[id], what)?;
        let call = call.json(&json!({ "os-complete": null }))?.version(version).repeatable();
        self.session.send(&call).await.map(drop)
    }

    /// One attachment with its connection.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`]; [`crate::Error::Unsupported`].
    pub async fn get_attachment(&self, id: &str) -> Result<Attachment> {
        let call = self.versioned(Method::GET, "/attachments/{}", &[id], "get attachment").await?;
        page::one(&self.session, &call, "attachment").await
    }

    /// The attachments of a volume, uncompleted ones included, without their connections.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::Unsupported`].
    pub async fn list_attachments(&self, volume_id: &str) -> Result<Vec<Attachment>> {
        let what = format!("list attachments of volume {volume_id}");
        let call = self.versioned(Method::GET, "/attachments", &[], &what).await?;
        page::all(&self.session, call.query(&[("volume_id", volume_id)]), "attachments").await
    }

    /// The attachments of a volume with their modes, uncompleted ones included. Holds secrets of their connections.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::Unsupported`].
    pub async fn list_attachments_in_detail(&self, volume_id: &str) -> Result<Vec<Attachment>> {
        let what = format!("list attachments of volume {volume_id}");
        let call = self.versioned(Method::GET, "/attachments/detail", &[], &what).await?;
        page::all(&self.session, call.query(&[("volume_id", volume_id)]), "attachments").await
    }

    /// Ends the export. One that is not there is ended.
    ///
    /// # Errors
    /// Those of any call; status 500 if the storage could not end it, the attachment is there still;
    /// [`crate::Error::Unsupported`].
    pub async fn delete_attachment(&self, id: &str) -> Result<()> {
        let call = self.versioned(Method::DELETE, "/attachments/{}", &[id], "delete attachment").await?;
        page::gone_is_success(self.session.send(&call.slow(END)).await)
    }

    async fn versioned(
        &self,
        method: Method,
        template: &'static str,
        ids: &[&str],
        what: &str,
    ) -> Result<Call> {
        let version = self.need(what, &ATTACHMENTS, &[]).await?;
        Ok(self.call(method, template, ids, what)?.version(version))
    }
}
