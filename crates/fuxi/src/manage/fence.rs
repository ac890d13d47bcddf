//! Failover: taking a volume from a host that is dead.
//!
//! A host that is only out of reach may still write, and two writers destroy a filesystem. So nothing is taken over
//! without proof: Nova says that the server is gone or off, or an operator names the very attachment that is to end and
//! so says that its host is off.

use tokio::time::Instant;

use crate::holder::{Holder, describe};
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result, Service};

impl Service {
    /// Who has the volume, apart from this host.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the cloud cannot be asked.
    pub async fn holders(&self, name: &str) -> Result<Vec<Holder>> {
        crate::name::check(name)?;
        self.refuse_if_a_share(name, "holders").await?;
        let details = self.show(name).await?;
        Ok(details.holders.into_iter().filter(|h| !h.own).collect())
    }

    /// Ends the attachment of a dead host, so that the volume can be mounted here. The caller vouches that the host which
    /// has `attachment` is off or cut off from the storage. Block storage with targets stops serving it before this returns;
    /// of RBD and file storage Cinder only forgets the attachment.
    ///
    /// # Errors
    /// [`Error::Refused`] if the volume has no such attachment, it is this host's, or only Nova may end it; the cloud's
    /// errors. Repeating it is fine.
    pub async fn fence(&self, name: &str, attachment: &str) -> Result<()> {
        crate::name::check(name)?;
        let (name, attachment) = (name.to_owned(), attachment.to_owned());
        let service = self.clone();
        self.job_within(super::OPERATOR, name.clone(), "fence its holder", move |core| async move {
            service.refuse_if_a_share(&name, "holders").await?;
            let record = core.find(&name).await?.ok_or_else(|| Error::NotFound { name: name.clone() })?;
            core.end_attachment_of_the_dead(&record, &attachment).await
        })
        .await
    }
}

impl Core {
    async fn end_attachment_of_the_dead(&self, record: &Record, attachment: &str) -> Result<()> {
        let name = &record.name;
        if record.attached.as_ref().and_then(|a| a.id.as_deref()) == Some(attachment) {
            return Err(Error::refused(
                name,
                format!("attachment {attachment} is this host's own; use: kuryr volume detach {name}"),
            ));
        }
        let (_, holders) = self.look_at_holders(record).await?;
        let Some(holder) = holders.iter().find(|h| h.attachment_id == attachment) else {
            let others = if holders.is_empty() { "nobody".to_owned() } else { describe(&holders) };
            return Err(Error::refused(
                name,
                format!("it has no attachment {attachment}; it is held by {others}"),
            ));
        };
        if let Some(server) = &holder.server_id {
            return Err(Error::refused(
                name,
                format!(
                    "attachment {attachment} was made by Nova, which alone may end it; when server {server} is off: openstack server remove volume {server} {}",
                    record.id()
                ),
            ));
        }
        tracing::warn!(volume = name, holder = holder.describe(), "fenced by an operator");
        self.progress.note(name, format!("ending the attachment of {}", holder.describe()));
        self.cloud
            .delete_attachment(attachment)
            .await
            .map_err(|e| Error::cloud(name, "end the attachment of its holder", e))?;
        self.await_ended(record, attachment).await
    }

    /// The storage has let the host go when Cinder knows the attachment no more.
    async fn await_ended(&self, record: &Record, attachment: &str) -> Result<()> {
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            let (volume, holders) = self.look_at_holders(record).await?;
            if holders.iter().all(|h| h.attachment_id != attachment) && volume.status != "detaching" {
                return Ok(());
            }
            if started.elapsed() > self.settings.cloud_patience {
                return Err(Error::refused(
                    &record.name,
                    format!(
                        "attachment {attachment} does not end (Cinder volume is {}); ask the operator of the cloud",
                        volume.status
                    ),
                ));
            }
            self.wait(&mut pause).await;
        }
    }
}
