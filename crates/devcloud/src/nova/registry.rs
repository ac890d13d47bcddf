//! Servers come into being and change by the word of whoever runs the cloud.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Nova;
use super::model::{Server, ServerStatus};

/// Body of `POST /admin/servers`: a server of this id is changed, otherwise one is made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Registration {
    /// Absent: a new one.
    pub(crate) id: Option<Uuid>,
    /// Absent: unchanged, or `server`.
    pub(crate) name: Option<String>,
    /// Name of the project; absent: unchanged, or `admin`.
    pub(crate) project: Option<String>,
    /// Absent: unchanged, or `ACTIVE`. `DELETED` ends the server: its volumes are free, and nobody finds it any more.
    pub(crate) status: Option<ServerStatus>,
    /// The host it runs on; absent: unchanged, or `devcloud`.
    pub(crate) host: Option<String>,
}

impl Nova {
    /// Makes or changes a server and shows it. `project_id` is that of the named project.
    pub(crate) async fn register(self: &Arc<Self>, wanted: Registration, project_id: String) -> Value {
        let id = wanted.id.unwrap_or_else(Uuid::new_v4).to_string();
        let server = self.write(|state| {
            let server = state.servers.entry(id.clone()).or_insert_with(|| Server {
                id: id.clone(),
                name: "server".into(),
                project_id: project_id.clone(),
                status: ServerStatus::Active,
                host: "devcloud".into(),
                created_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                disks: Vec::new(),
            });
            if let Some(name) = wanted.name {
                server.name = name;
            }
            if wanted.project.is_some() {
                server.project_id = project_id;
            }
            if let Some(status) = wanted.status {
                server.status = status;
            }
            if let Some(host) = wanted.host {
                server.host = host;
            }
            server.clone()
        });
        if server.status == ServerStatus::Deleted {
            for disk in &server.disks {
                if let Err(reason) = self.cinder.release_for(&disk.volume_id, &disk.attachment_id).await {
                    tracing::warn!(
                        server = id,
                        volume = disk.volume_id,
                        reason,
                        "an attachment outlives its server"
                    );
                }
            }
            self.write(|state| state.servers.remove(&id));
        }
        json!(server)
    }
}
