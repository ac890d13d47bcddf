//! The claim whose answer was lost: which attachment is it, if there is one?
//!
//! Cinder shows neither host nor connector of an attachment; but of a completed one it shows the text that its connector
//! had for the mountpoint, and ours names this very attempt. So an unfinished attachment is completed first, which is
//! harmless to whoever else has it (he is about to do so himself), and then it says whose it is. One that is still reserved
//! says nothing yet: storage may take its time.

use openstack::block_storage::Attachment;
use tokio::time::Instant;

use crate::holder::{Holder, describe};
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

/// What one look shows.
enum Seen {
    /// Ours was there and is ended, or somebody else has the volume: there is nothing of ours.
    Settled,
    /// Reservations that do not say whose they are.
    Reserved(Vec<String>),
    /// Nothing, yet.
    Nothing,
}

impl Core {
    /// Ends the attachment whose `POST` answer was lost, if there is one or one comes.
    pub(crate) async fn drop_lost_attachment(&self, record: &Record) -> Result<()> {
        let connector = self.host.connector().await.map_err(|e| Error::host(&record.name, e))?;
        let place = self.place_of_claim(record, &connector);
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            match self.look_for_lost(record, &place).await? {
                Seen::Settled => return Ok(()),
                Seen::Nothing if started.elapsed() >= self.settings.lost_after => return Ok(()),
                Seen::Reserved(ids) if started.elapsed() >= self.settings.reserved_for => {
                    return self.drop_reserved(record, &ids).await;
                }
                // What leaves `reserved` is told in the next round.
                _ => self.wait(&mut pause).await,
            }
        }
    }

    async fn look_for_lost(&self, record: &Record, place: &str) -> Result<Seen> {
        let name = &record.name;
        let failed = |e| Error::cloud(name, "look for a lost attachment", e);
        let unfinished = self.unfinished(record).await?;
        for attachment in unfinished.iter().filter(|a| a.status != "reserved") {
            match self.cloud.complete_attachment(&attachment.id).await {
                Err(e) if !e.is_not_found() => return Err(failed(e)),
                _ => {}
            }
        }
        let volume = match self.cloud.get_volume(record.id()).await {
            Ok(volume) => volume,
            Err(e) if e.is_not_found() => return Ok(Seen::Settled),
            Err(e) => return Err(failed(e)),
        };
        let own: Vec<_> = volume.attachments.iter().filter(|a| a.device.as_deref() == Some(place)).collect();
        for attachment in &own {
            self.drop_attachment(record, &attachment.attachment_id).await?;
        }
        if !own.is_empty() {
            return Ok(Seen::Settled);
        }
        if !volume.attachments.is_empty() && !volume.multiattach {
            let holders = describe(&Holder::all(&volume, None));
            tracing::info!(volume = name, holders, "what was claimed meanwhile is somebody else's");
            return Ok(Seen::Settled);
        }
        let reserved = unfinished.into_iter().filter(|a| a.status == "reserved").map(|a| a.id);
        Ok(match reserved.collect::<Vec<_>>() {
            none if none.is_empty() => Seen::Nothing,
            some => Seen::Reserved(some),
        })
    }

    /// A reservation that is older than the longest time a storage system is given belongs to nobody who waits for it; and
    /// if it is the only one, it is ours.
    async fn drop_reserved(&self, record: &Record, ids: &[String]) -> Result<()> {
        match ids {
            [only] => self.drop_attachment(record, only).await,
            several => Err(Error::refused(
                &record.name,
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
