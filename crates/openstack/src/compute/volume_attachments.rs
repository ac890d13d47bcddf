//! Volumes of servers. Nova asks Cinder and the hypervisor; orders are carried out after the answer.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{Client, VolumeAttachment};
use crate::session::Microversion;
use crate::{Result, page};

/// Volumes that several servers may have are refused below it.
const MULTIATTACH: Microversion = Microversion(2, 60);
/// Tells Cinder's id of an attachment.
const ATTACHMENT_ID: Microversion = Microversion(2, 89);

/// Before it answers an attach, Nova has the hypervisor's host choose a device name and Cinder reserve the volume.
const ORDER: Duration = Duration::from_secs(50);

impl Client {
    /// Orders that the server gets the volume; Cinder's state of the volume tells when. Not repeated once it may have been
    /// executed: after an error whose effect is unknown look with [`Self::list_volume_attachments`].
    ///
    /// # Errors
    /// Those of any call; status 400 if the volume is not available or attached to it already, 403 if the server has as
    /// many disks as it may have, 409 if the server's state or a lock forbids it.
    pub async fn attach_volume(&self, server: &str, volume: &str) -> Result<()> {
        let what = format!("attach volume {volume} to server {server}");
        let call = self
            .call(Method::POST, "/servers/{}/os-volume_attachments", &[server], what, Some(MULTIATTACH))
            .await?;
        let call = call.json(&json!({ "volumeAttachment": { "volumeId": volume } }))?.slow(ORDER);
        // The answer says nothing that we did not say; the device name in it is a guess.
        self.session.send(&call).await.map(drop)
    }

    /// The volumes of a server, those on their way to it or from it included.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such server.
    pub async fn list_volume_attachments(&self, server: &str) -> Result<Vec<VolumeAttachment>> {
        let what = format!("list volumes of server {server}");
        let template = "/servers/{}/os-volume_attachments";
        let call = self.call(Method::GET, template, &[server], what, Some(ATTACHMENT_ID)).await?;
        page::all(&self.session, call, "volumeAttachments").await
    }

    /// One volume of a server.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such server, or it does not have the volume.
    pub async fn get_volume_attachment(&self, server: &str, volume: &str) -> Result<VolumeAttachment> {
        let what = format!("look for volume {volume} at server {server}");
        let template = "/servers/{}/os-volume_attachments/{}";
        let call = self.call(Method::GET, template, &[server, volume], what, Some(ATTACHMENT_ID)).await?;
        page::one(&self.session, &call, "volumeAttachment").await
    }

    /// Orders that the server gives the volume back. It has done so when [`Self::get_volume_attachment`] no longer finds
    /// it; until then the machine may still write.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such server, or it does not have the volume;
    /// status 409 if the server's state or a lock forbids it, 400 if the volume is being detached already.
    pub async fn detach_volume(&self, server: &str, volume: &str) -> Result<()> {
        let what = format!("detach volume {volume} from server {server}");
        let template = "/servers/{}/os-volume_attachments/{}";
        let call = self.call(Method::DELETE, template, &[server, volume], what, None).await?;
        self.session.send(&call.slow(ORDER)).await.map(drop)
    }
}
