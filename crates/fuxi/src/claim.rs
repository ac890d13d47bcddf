//! Claiming a volume for this host in the cloud, and giving the claim back: Cinder's attachments without a server here,
//! those of a server in [`crate::nova`].

use openstack::block_storage::NewAttachment;
use serde_json::{Map, Value};

use crate::holder::{self, Holder};
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Result};

/// A volume that is this host's until it is given back.
pub(crate) struct Claim {
    /// The attachment.
    pub(crate) id: String,
    /// How to reach the blocks; holds secrets.
    pub(crate) connection: Map<String, Value>,
}

impl std::fmt::Debug for Claim {
    /// Only the names of the connection's values: secrets are among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.connection.keys().collect();
        f.debug_struct("Claim").field("id", &self.id).field("connection", &keys).finish()
    }
}

/// Why there is no claim.
#[derive(Debug)]
pub(crate) enum Unclaimed {
    /// Refused: there is nothing to undo.
    Refused(Error),
    /// The answer was lost; [`Core::unclaim`] finds out.
    Unknown(Error),
}

/// The server whose attachment it is, where Nova makes them.
fn server_of(record: &Record) -> Option<&str> {
    record.attached.as_ref()?.server.as_deref()
}

impl Core {
    /// Claims the volume and has the storage export it to this host. Two hosts that try at once: one gets it.
    pub(crate) async fn claim(&self, record: &Record) -> std::result::Result<Claim, Unclaimed> {
        if let Some(server) = server_of(record) {
            return self.claim_for_server(record, server).await;
        }
        let name = &record.name;
        let mut connector =
            self.host.connector().await.map_err(|e| Unclaimed::Refused(Error::host(name, e)))?;
        connector.insert("mountpoint".to_owned(), self.place_of_claim(record, &connector).into());
        let mode = if record.is_reader() { "ro" } else { "rw" };
        if record.is_reader() {
            // The storage may hold it to that; what the attachment says is for the other hosts.
            connector.insert("mode".to_owned(), mode.into());
        }
        let new = NewAttachment { volume_uuid: record.id().to_owned(), connector, mode };
        match self.cloud.create_attachment(&new).await {
            Ok(attachment) => Ok(Claim { id: attachment.id, connection: attachment.connection_info }),
            Err(error) if error.effect_unknown() => {
                Err(Unclaimed::Unknown(Error::cloud(name, "attach it", error)))
            }
            Err(error) => Err(Unclaimed::Refused(self.why_not_claimed(record, error).await)),
        }
    }

    /// What a claim of this host says of itself.
    pub(crate) fn place_of_claim(&self, record: &Record, connector: &Map<String, Value>) -> String {
        let host = connector.get("host").and_then(Value::as_str).unwrap_or_default();
        let claim = record.attached.as_ref().map_or("", |a| a.claim.as_str());
        holder::place(host, &self.host.mountpoint(&record.name), claim)
    }

    /// Says that the volume is connected: from then on everybody sees it in use.
    pub(crate) async fn complete(&self, record: &Record, id: &str) -> Result<()> {
        if server_of(record).is_some() {
            // Nova did.
            return Ok(());
        }
        match self.cloud.complete_attachment(id).await {
            // Completing twice is harmless.
            Err(e) if e.effect_unknown() => self.cloud.complete_attachment(id).await,
            other => other,
        }
        .map_err(|e| Error::cloud(&record.name, "complete its attachment", e))
    }

    /// Gives the volume back. Without an `id` the answer of the claim was lost, and what it may have left is looked for.
    pub(crate) async fn unclaim(&self, record: &Record, id: Option<&str>) -> Result<()> {
        if let Some(server) = server_of(record) {
            return self.unclaim_from_server(record, server, id.is_none()).await;
        }
        match id {
            Some(id) => {
                self.cloud.delete_attachment(id).await.map_err(|e| Error::cloud(&record.name, "detach it", e))
            }
            None => self.drop_lost_attachment(record).await,
        }
    }

    /// Our filesystems have one writer. Both of two hosts that attach at once see each other here.
    pub(crate) async fn refuse_second_writer(&self, record: &Record, own: &str) -> Result<()> {
        let name = &record.name;
        let all = self
            .cloud
            .list_attachments(record.id())
            .await
            .map_err(|e| Error::cloud(name, "look at its attachments", e))?;
        match all.iter().find(|a| a.id != own) {
            None => Ok(()),
            Some(other) => Err(Error::InUse {
                name: name.clone(),
                by: format!(
                    "attachment {} exists elsewhere, and two hosts would destroy its filesystem; detach it there",
                    other.id
                ),
            }),
        }
    }

    pub(crate) async fn why_not_claimed(&self, record: &Record, error: openstack::Error) -> Error {
        let name = &record.name;
        if error.is_not_found() {
            return Error::refused(
                name,
                format!("Cinder volume {} no longer exists; docker volume rm {name}", record.id()),
            );
        }
        match self.cloud.get_volume(record.id()).await {
            Ok(volume) if volume.status != "available" => {
                let mut holders = Holder::all(&volume, None);
                if holders.is_empty()
                    && let Ok((_, all)) = self.look_at_holders(record).await
                {
                    // A claim that nobody completed is not shown with the volume.
                    holders = all;
                }
                let by = match holders.as_slice() {
                    [] => String::new(),
                    some => format!(", held by {}", holder::describe(some)),
                };
                Error::InUse {
                    name: name.clone(),
                    by: format!(
                        "Cinder volume {} is {}{by}; stop what uses it there, then try again; if that host is dead and off: kuryr volume fence {name}",
                        volume.id, volume.status
                    ),
                }
            }
            _ => Error::cloud(name, "attach it", error),
        }
    }
}
