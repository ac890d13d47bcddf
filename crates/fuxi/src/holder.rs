//! Who has a volume that this host wants.

use openstack::block_storage::{Attachment, Volume, VolumeAttachment};
use serde::Serialize;

use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

/// The longest that Cinder stores.
const LONGEST: usize = 255;

/// One attachment of a volume, as far as the cloud tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The attachment's id.
    pub attachment_id: String,
    /// The host and its mountpoint as `host:/path` if it is one of ours; else the host's name where Cinder shows it.
    pub place: Option<String>,
    /// Nova's server, if Nova made the attachment.
    pub server_id: Option<String>,
    /// UTC, ISO 8601.
    pub since: Option<String>,
    /// `attached`; or Cinder's word for one that was never completed, of which nobody can tell whose it is.
    pub state: String,
    /// It is this host's.
    pub own: bool,
}

impl Holder {
    fn of(attachment: &VolumeAttachment, own: Option<&str>) -> Self {
        let device = attachment.device.as_deref().filter(|text| text.contains(":/"));
        // People need not see which attempt it was.
        let device = device.map(|text| text.rsplit_once('#').map_or(text, |(place, _)| place).to_owned());
        Self {
            attachment_id: attachment.attachment_id.clone(),
            place: device.or_else(|| attachment.host_name.clone()).filter(|text| !text.is_empty()),
            server_id: attachment.server_id.clone().filter(|id| !id.is_empty()),
            since: attachment.attached_at.clone(),
            state: "attached".to_owned(),
            own: own == Some(attachment.attachment_id.as_str()),
        }
    }

    /// All that the volume shows; `own` is this host's attachment.
    pub(crate) fn all(volume: &Volume, own: Option<&str>) -> Vec<Self> {
        volume.attachments.iter().map(|a| Self::of(a, own)).collect()
    }

    /// One that is not completed.
    fn unfinished(attachment: &Attachment, own: Option<&str>) -> Self {
        Self {
            attachment_id: attachment.id.clone(),
            place: None,
            server_id: attachment.instance.clone(),
            since: None,
            state: attachment.status.clone(),
            own: own == Some(attachment.id.as_str()),
        }
    }

    /// For a sentence.
    pub(crate) fn describe(&self) -> String {
        let server = self.server_id.as_ref().map(|id| format!("server {id}"));
        let place = match (self.place.clone(), server) {
            (Some(place), Some(server)) => format!("{place} in {server}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "an unnamed host".to_owned(),
        };
        let state = if self.state == "attached" { String::new() } else { format!(", {}", self.state) };
        let since = self.since.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
        format!("{place} (attachment {}{state}{since})", self.attachment_id)
    }
}

impl Core {
    /// The volume and all its attachments, those that nobody completed included.
    pub(crate) async fn look_at_holders(&self, record: &Record) -> Result<(Volume, Vec<Holder>)> {
        let failed = |e| Error::cloud(&record.name, "look who has it", e);
        let own = record.attached.as_ref().and_then(|a| a.id.as_deref());
        let volume = self.cloud.get_volume(record.id()).await.map_err(failed)?;
        let mut holders = Holder::all(&volume, own);
        for attachment in self.cloud.list_attachments(record.id()).await.map_err(failed)? {
            if holders.iter().all(|h| h.attachment_id != attachment.id) {
                holders.push(Holder::unfinished(&attachment, own));
            }
        }
        Ok((volume, holders))
    }
}

/// What a claim tells Cinder about the place, which it shows to everybody who may see the volume: the host, where it mounts
/// it, and which attempt this is.
pub(crate) fn place(host: &str, mountpoint: &std::path::Path, claim: &str) -> String {
    let end = format!("#{claim}");
    let text = format!("{host}:{}", mountpoint.display());
    text.chars().take(LONGEST.saturating_sub(end.len())).chain(end.chars()).collect()
}

/// The holders for a sentence; empty if none is shown.
pub(crate) fn describe(holders: &[Holder]) -> String {
    holders.iter().map(Holder::describe).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_as_well_as_the_cloud_lets_us() {
        let shown = |device: Option<&str>, host: Option<&str>, server: Option<&str>| {
            let attachment = VolumeAttachment {
                attachment_id: "a-1".into(),
                server_id: server.map(str::to_owned),
                host_name: host.map(str::to_owned),
                device: device.map(str::to_owned),
                attached_at: None,
            };
            Holder::of(&attachment, None).describe()
        };
        assert_eq!(shown(Some("node-1:/fuxi/data/v"), None, None), "node-1:/fuxi/data/v (attachment a-1)");
        assert_eq!(shown(Some("/dev/vdb"), Some("node-2"), Some("s")), "node-2 in server s (attachment a-1)");
        assert_eq!(shown(Some("/dev/vdb"), None, Some("s-1")), "server s-1 (attachment a-1)");
        assert_eq!(shown(None, None, None), "an unnamed host (attachment a-1)");
    }
}
