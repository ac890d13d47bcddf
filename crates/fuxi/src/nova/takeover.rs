//! Failover between servers of Nova: a volume is taken from a server that Nova says is off or gone.
//!
//! A server that is off cannot write, and Nova lets it start again only after what was asked of it before; one that is gone
//! never will. Anything else, `ERROR` and an unreachable hypervisor included, may still write and is left to an operator.

use tokio::time::Instant;

use crate::holder::Holder;
use crate::record::Record;
use crate::seams::ServerLife;
use crate::service::Core;
use crate::{Error, Nova, Result};

impl Core {
    /// Ends the attachments of servers that run no more. `true` if the volume is held by nobody then, so that a second
    /// attempt to claim it makes sense; `false` if somebody may still use it, or nothing here can tell.
    pub(crate) async fn take_from_the_dead(&self, record: &Record) -> Result<bool> {
        let Some(nova) = &self.nova else { return Ok(false) };
        let failed = |e| Error::cloud(&record.name, "look who has it", e);
        // Credentials that do not even see this server, which runs, say nothing about others.
        let own = record.attached.as_ref().and_then(|a| a.server.as_deref()).unwrap_or_default();
        if !matches!(nova.servers.life(own).await.map_err(failed)?, ServerLife::MayRun(_)) {
            return Ok(false);
        }
        let volume = self.cloud.get_volume(record.id()).await.map_err(failed)?;
        let holders = Holder::all(&volume, None);
        if volume.status != "in-use" || volume.multiattach || holders.is_empty() {
            return Ok(false);
        }
        for holder in holders {
            let Some(server) = &holder.server_id else { return Ok(false) };
            match nova.servers.life(server).await.map_err(failed)? {
                ServerLife::MayRun(status) => {
                    tracing::info!(volume = record.name, server, status, "its holder may still run");
                    return Ok(false);
                }
                life => {
                    tracing::warn!(
                        volume = record.name,
                        holder = holder.describe(),
                        ?life,
                        "taken from a dead server"
                    );
                    self.end_of_the_dead(record, nova, &holder, server, &life).await?;
                }
            }
        }
        Ok(true)
    }

    async fn end_of_the_dead(
        &self,
        record: &Record,
        nova: &Nova,
        holder: &Holder,
        server: &str,
        life: &ServerLife,
    ) -> Result<()> {
        let failed = |e| Error::cloud(&record.name, "take it from a dead server", e);
        if *life == ServerLife::Gone {
            // Cinder asks Nova itself and refuses if the server exists after all.
            self.cloud.delete_attachment(&holder.attachment_id).await.map_err(failed)?;
        } else {
            nova.servers.detach_volume(server, record.id()).await.map_err(failed)?;
        }
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            let volume = self.cloud.get_volume(record.id()).await.map_err(failed)?;
            let shown = volume.attachments.iter().any(|a| a.attachment_id == holder.attachment_id);
            if !shown && volume.status != "detaching" {
                return Ok(());
            }
            if started.elapsed() >= self.settings.server_patience {
                return Err(Error::refused(
                    &record.name,
                    format!(
                        "Nova does not take it from server {server}, which is off; see: openstack server event list {server}"
                    ),
                ));
            }
            self.wait(&mut pause).await;
        }
    }
}
