//! Having Nova take a volume from this machine.

use std::time::Duration;

use tokio::time::Instant;

use super::Nova;
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

/// After so many longest pauses an order that came to nothing is given again: a machine that did not let go of its disk
/// keeps it, and Nova says so to nobody.
const AGAIN: u32 = 10;

impl Core {
    /// Has Nova detach the volume from `server` and waits until neither Cinder nor Nova knows of it: `detaching` is not
    /// detached, the machine may still write. An order to attach whose answer was `lost` may still be carried out.
    pub(crate) async fn unclaim_from_server(&self, record: &Record, server: &str, lost: bool) -> Result<()> {
        let nova = self.nova_for(record, server)?;
        let name = &record.name;
        let own = nova.identity.server_id().await.map_err(|why| Error::refused(name, why))?;
        if own != server {
            return Err(Error::refused(
                name,
                format!(
                    "the journal says that server {server} has it, and this machine is {own}: a copy of that one; nothing was detached, remove the state directory here"
                ),
            ));
        }
        let again = self.settings.poll_longest * AGAIN;
        let (started, mut pause) = (Instant::now(), self.settings.poll_first);
        let (mut ordered, mut said): (Option<Instant>, _) = (None, String::new());
        loop {
            if ordered.is_none_or(|at: Instant| at.elapsed() >= again) {
                match nova.servers.detach_volume(server, record.id()).await {
                    Ok(()) => ordered = Some(Instant::now()),
                    // 404: it does not have it, or not yet, or Nova does not know the server. 400: it is on its way to the
                    // server or from it. Lost: anything. Which of these it is shows below.
                    Err(e) if matches!(e.status(), Some(400 | 404)) || e.effect_unknown() => {
                        said = format!(" ({e})");
                    }
                    Err(e) => return Err(Error::cloud(name, "detach it from this server", e)),
                }
            }
            let there = self.server_has(record, nova, server).await?;
            if !there && self.nothing_comes(lost && ordered.is_none(), started.elapsed()) {
                return Ok(());
            }
            self.progress.note(name, "waiting for Nova to detach it");
            if there && started.elapsed() >= self.settings.server_patience {
                let seconds = self.settings.server_patience.as_secs();
                return Err(Error::refused(
                    name,
                    format!(
                        "this server still has it after {seconds} s{said}; see: openstack server event list {server}"
                    ),
                ));
            }
            self.wait(&mut pause).await;
        }
    }

    fn nothing_comes(&self, lost: bool, waited: Duration) -> bool {
        !lost || waited >= self.settings.lost_after
    }

    /// Cinder says who holds the volume; Nova forgets a disk after Cinder does, and gives it to nobody before.
    async fn server_has(&self, record: &Record, nova: &Nova, server: &str) -> Result<bool> {
        let failed = |e| Error::cloud(&record.name, "look whether this server still has it", e);
        let all = match self.cloud.list_attachments(record.id()).await {
            Err(e) if e.is_not_found() => Vec::new(),
            other => other.map_err(failed)?,
        };
        if all.iter().any(|a| a.instance.as_deref() == Some(server)) {
            return Ok(true);
        }
        nova.servers.has_volume(server, record.id()).await.map_err(failed)
    }
}
