//! The claim whose answer was lost: which attachment is it, if there is one?
//!
//! Cinder shows neither host nor connector of an attachment; but of a completed one it shows the text that its connector
//! had for the mountpoint, and ours has this host's name in it. So an unfinished attachment is completed first, which is
//! harmless to whoever else has it (he is about to do so himself), and then it says whose it is.

use openstack::block_storage::Attachment;
use tokio::time::Instant;

use crate::holder::{Holder, describe};
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    /// Deletes the attachment whose `POST` answer was lost, if there is one.
    pub(crate) async fn drop_lost_attachment(&self, record: &Record) -> Result<()> {
        let name = &record.name;
        let failed = |e| Error::cloud(name, "look for a lost attachment", e);
        let connector = self.host.connector().await.map_err(|e| Error::host(name, e))?;
        let place = self.place_of_claim(record, &connector);
        for attachment in self.unfinished(record).await? {
            if attachment.status == "reserved" {
                continue;
            }
            match self.cloud.complete_attachment(&attachment.id).await {
                Err(e) if !e.is_not_found() => return Err(failed(e)),
                _ => {}
            }
        }
        let volume = match self.cloud.get_volume(record.id()).await {
            Ok(volume) => volume,
            Err(e) if e.is_not_found() => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        for own in volume.attachments.iter().filter(|a| a.device.as_deref() == Some(&place)) {
            self.drop_attachment(record, &own.attachment_id).await?;
        }
        let others = volume.attachments.iter().any(|a| a.device.as_deref() != Some(&place));
        if others && !volume.multiattach {
            tracing::info!(
                volume = name,
                holders = describe(&Holder::all(&volume, None)),
                "the claim whose answer was lost was somebody else's gain"
            );
            return Ok(());
        }
        self.drop_reserved(record).await
    }

    /// An attachment that got no further than its reservation says nothing of its maker. One that is still so after the
    /// longest time a storage system is given belongs to nobody who waits for it; and ours is one of them if it is the only.
    async fn drop_reserved(&self, record: &Record) -> Result<()> {
        let name = &record.name;
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        let reserved = |all: Vec<Attachment>| {
            all.into_iter().filter(|a| a.status == "reserved").map(|a| a.id).collect::<Vec<_>>()
        };
        let mut suspects = reserved(self.unfinished(record).await?);
        while !suspects.is_empty() && started.elapsed() < self.settings.reserved_for {
            self.wait(&mut pause).await;
            let now = reserved(self.unfinished(record).await?);
            suspects.retain(|s| now.contains(s));
        }
        match suspects.as_slice() {
            [] => Ok(()),
            [only] => self.drop_attachment(record, only).await,
            several => Err(Error::refused(
                name,
                format!(
                    "attachments {} are unfinished and one is ours; delete the dead ones",
                    several.join(", ")
                ),
            )),
        }
    }

    /// The volume's attachments without a server that are not completed.
    async fn unfinished(&self, record: &Record) -> Result<Vec<Attachment>> {
        let all = match self.cloud.list_attachments(record.id()).await {
            Err(e) if e.is_not_found() => Vec::new(),
            other => other.map_err(|e| Error::cloud(&record.name, "look for a lost attachment", e))?,
        };
        let unfinished = ["reserved", "attaching", "error_attaching"];
        Ok(all
            .into_iter()
            .filter(|a| a.instance.is_none() && unfinished.contains(&a.status.as_str()))
            .collect())
    }

    async fn drop_attachment(&self, record: &Record, id: &str) -> Result<()> {
        self.cloud
            .delete_attachment(id)
            .await
            .map_err(|e| Error::cloud(&record.name, "drop a lost attachment", e))
    }
}
