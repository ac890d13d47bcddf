//! Having Nova give a volume to this machine.

use openstack::block_storage::Volume;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Nova;
use crate::claim::{Claim, Unclaimed};
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    /// The server that this machine is, if its volumes come through Nova. It is proven not to have the volume in any state:
    /// what it has of it once the journal names the server is ours.
    pub(crate) async fn server_without(&self, record: &Record) -> Result<Option<String>> {
        let Some(nova) = &self.nova else { return Ok(None) };
        let name = &record.name;
        let server = nova.identity.server_id().await.map_err(|why| Error::refused(name, why))?;
        let all = self
            .cloud
            .list_attachments(record.id())
            .await
            .map_err(|e| Error::cloud(name, "look at its attachments", e))?;
        match all.iter().find(|a| a.instance.as_deref() == Some(server.as_str())) {
            None => Ok(Some(server)),
            Some(other) => Err(Error::InUse {
                name: name.clone(),
                by: format!(
                    "this server has it already (attachment {}), but not from us; if nothing here uses it: openstack \
                     server remove volume {server} {}",
                    other.id,
                    record.id()
                ),
            }),
        }
    }

    /// Has Nova attach the volume to `server` and waits until it is.
    pub(crate) async fn claim_for_server(
        &self,
        record: &Record,
        server: &str,
    ) -> std::result::Result<Claim, Unclaimed> {
        let name = &record.name;
        let nova = self.nova_for(record, server).map_err(Unclaimed::Refused)?;
        match nova.servers.attach_volume(server, record.id()).await {
            Ok(()) => {}
            Err(error) if error.effect_unknown() => {
                return Err(Unclaimed::Unknown(Error::cloud(name, "attach it to this server", error)));
            }
            Err(error) => return Err(Unclaimed::Refused(self.why_not_given(record, server, error).await)),
        }
        self.arrival(record, nova, server).await
    }

    pub(super) fn nova_for(&self, record: &Record, server: &str) -> Result<&Nova> {
        self.nova.as_ref().ok_or_else(|| {
            Error::refused(
                &record.name,
                format!(
                    "Nova attached it to server {server}, and only Nova may end that; set [cinder] volume_connector = \
                     openstack until it is detached"
                ),
            )
        })
    }

    /// Nova answers before it acts. What a volume is called on the way is nobody's promise, so only the end counts: our
    /// attachment is shown and the volume is in use, or Nova has forgotten about it.
    async fn arrival(
        &self,
        record: &Record,
        nova: &Nova,
        server: &str,
    ) -> std::result::Result<Claim, Unclaimed> {
        let name = &record.name;
        let (started, mut pause) = (Instant::now(), self.settings.poll_first);
        loop {
            let seen = match self.cloud.get_volume(record.id()).await {
                Ok(volume) => {
                    if let Some(claim) = arrived(&volume, server) {
                        return Ok(claim);
                    }
                    if volume.status == "available"
                        && let Ok(false) = nova.servers.has_volume(server, record.id()).await
                    {
                        // For Cinder and for Nova: there is nothing to undo.
                        return Err(Unclaimed::Refused(self.gave_up(record, server).await));
                    }
                    format!("Cinder volume {} is {}", volume.id, volume.status)
                }
                // Nothing is lost by asking again.
                Err(error) => error.to_string(),
            };
            self.progress.note(name, format!("waiting for Nova: {seen}"));
            if started.elapsed() >= self.settings.server_patience {
                let seconds = self.settings.server_patience.as_secs();
                let why = format!(
                    "Nova did not attach it to this server within {seconds} s: {seen}; try again later"
                );
                return Err(Unclaimed::Unknown(Error::refused(name, why)));
            }
            self.wait(&mut pause).await;
        }
    }

    async fn gave_up(&self, record: &Record, server: &str) -> Error {
        let why = self.cloud.explain(record.id()).await.ok().flatten();
        let why = why.map(|text| format!(" ({text})")).unwrap_or_default();
        Error::refused(
            &record.name,
            format!(
                "Nova could not attach it to this server{why}; see: openstack server event list {server}"
            ),
        )
    }

    async fn why_not_given(&self, record: &Record, server: &str, error: openstack::Error) -> Error {
        let name = &record.name;
        match error.status() {
            // Cinder was asked for the volume's attachments a moment ago; what Nova does not find is the server.
            Some(404) => Error::refused(
                name,
                format!(
                    "Nova does not find this machine's server {server} ({error}); [nova] needs credentials of the \
                     server's project"
                ),
            ),
            // About the server, not the volume.
            Some(403 | 409) => Error::cloud(name, "attach it to this server", error),
            _ => self.why_not_claimed(record, error).await,
        }
    }
}

fn arrived(volume: &Volume, server: &str) -> Option<Claim> {
    let ours = volume.attachments.iter().find(|a| a.server_id.as_deref() == Some(server))?;
    (volume.status == "in-use").then(|| {
        let mut connection = Map::<String, Value>::new();
        connection.insert("driver_volume_type".into(), json!(host_storage::connector::SERVER));
        // The hypervisor decrypts it, but what the machine sees then is smaller than the volume.
        connection.insert("encrypted".into(), json!(volume.encrypted));
        Claim { id: ours.attachment_id.clone(), connection }
    })
}
