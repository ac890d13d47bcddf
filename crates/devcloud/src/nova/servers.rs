//! `/servers`: looking only; servers are made through `/admin/servers`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::Nova;
use super::call::{Answer, Call};
use super::model::Server;

pub(super) async fn list(Shared(nova): Shared<Arc<Nova>>, call: Call) -> Answer {
    let servers: Vec<Value> = nova.read(|state| {
        let own = state.servers.values().filter(|s| s.project_id == call.caller.project_id);
        own.map(|server| view(&call, server)).collect()
    });
    Ok(Json(json!({"servers": servers})).into_response())
}

pub(super) async fn show(Shared(nova): Shared<Arc<Nova>>, call: Call) -> Answer {
    let view = nova.read(|state| state.server(&call.caller, call.server()).map(|s| view(&call, s)))?;
    Ok(Json(json!({"server": view})).into_response())
}

fn view(call: &Call, server: &Server) -> Value {
    let volumes: Vec<Value> = server.disks.iter().map(|d| json!({"id": d.volume_id})).collect();
    let mut view = json!({
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "created": server.created_at,
        "os-extended-volumes:volumes_attached": volumes,
        "OS-EXT-STS:vm_state": server.status.vm_state(),
        "OS-EXT-STS:task_state": null,
    });
    if let Some(fields) = view.as_object_mut().filter(|_| call.caller.is_admin) {
        fields.insert("OS-EXT-SRV-ATTR:host".into(), json!(server.host));
    }
    view
}
