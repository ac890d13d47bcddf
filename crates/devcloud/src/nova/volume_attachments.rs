//! `/servers/{server}/os-volume_attachments`: orders, carried out by [`super::attaching`].

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Nova;
use super::call::{Answer, Call};
use super::microversion::Microversion;
use super::model::{Disk, DiskStage, Server};
use crate::cinder::Fault;

pub(super) async fn list(Shared(nova): Shared<Arc<Nova>>, call: Call) -> Answer {
    let rows: Vec<Value> = nova.read(|state| {
        let server = state.server(&call.caller, call.server())?;
        Ok::<_, Fault>(server.disks.iter().map(|disk| view(&call, server, disk)).collect())
    })?;
    Ok(Json(json!({"volumeAttachments": rows})).into_response())
}

pub(super) async fn show(Shared(nova): Shared<Arc<Nova>>, call: Call) -> Answer {
    let view = nova.read(|state| {
        let server = state.server(&call.caller, call.server())?;
        let disk = server.disks.iter().find(|d| d.volume_id == call.volume());
        disk.map(|disk| view(&call, server, disk)).ok_or_else(|| not_attached(&call))
    })?;
    Ok(Json(json!({"volumeAttachment": view})).into_response())
}

fn not_attached(call: &Call) -> Fault {
    Fault::not_found(format!("Instance {} is not attached to volume {}.", call.server(), call.volume()))
}

fn view(call: &Call, server: &Server, disk: &Disk) -> Value {
    let mut view = json!({"serverId": server.id, "volumeId": disk.volume_id, "device": disk.device});
    let Some(fields) = view.as_object_mut() else { return view };
    if call.version < Microversion::ATTACHMENT_ID {
        fields.insert("id".into(), json!(disk.volume_id));
    } else {
        fields.insert("attachment_id".into(), json!(disk.attachment_id));
        fields.insert("bdm_uuid".into(), json!(disk.bdm_uuid));
    }
    if call.version >= Microversion::DELETE_ON_TERMINATION {
        fields.insert("delete_on_termination".into(), json!(false));
    }
    view
}

/// The volume that a body asks for.
fn wanted(call: &Call, body: &[u8]) -> Result<String, Fault> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Fault::bad("Malformed request body"))?;
    let Some(fields) = body.get("volumeAttachment").and_then(Value::as_object) else {
        return Err(Fault::bad(
            "Invalid input for field/attribute body. 'volumeAttachment' is a required property",
        ));
    };
    for key in fields.keys() {
        let known = ["volumeId", "device"].contains(&key.as_str())
            || (key == "delete_on_termination" && call.version >= Microversion::DELETE_ON_TERMINATION);
        if !known {
            return Err(Fault::bad(format!(
                "Additional properties are not allowed ('{key}' was unexpected)"
            )));
        }
    }
    let id = fields.get("volumeId").and_then(Value::as_str).unwrap_or_default();
    match Uuid::parse_str(id) {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(Fault::bad("Invalid input for field/attribute volumeId. It is not a 'uuid'")),
    }
}

fn check_state(server: &Server, action: &str) -> Result<(), Fault> {
    if server.status.takes_disks() {
        return Ok(());
    }
    let (id, state) = (&server.id, server.status.vm_state());
    Err(Fault::conflict(format!("Cannot '{action}' instance {id} while it is in vm_state {state}")))
}

pub(super) async fn attach(Shared(nova): Shared<Arc<Nova>>, call: Call, body: Bytes) -> Answer {
    let volume_id = wanted(&call, &body)?;
    let server_id = call.server().to_owned();
    let most = nova.options().most_disks;
    let multiattach = nova.read(|state| {
        state.server(&call.caller, &server_id).map(drop)?;
        nova.cinder.is_multiattach(&call.caller, &volume_id)
    })?;
    if multiattach && call.version < Microversion::MULTIATTACH {
        return Err(Fault::bad(
            "Multiattach volumes are only supported starting with compute API version 2.60.",
        ));
    }
    // One after the other, as at the host a server runs on, which gives the device names.
    let disk = nova.write(|state| {
        let server = state.server(&call.caller, &server_id)?;
        check_state(server, "attach_volume")?;
        if server.disks.iter().any(|d| d.volume_id == volume_id) {
            return Err(Fault::bad(format!("Invalid volume: volume {volume_id} already attached")));
        }
        if most > 0 && server.disks.len() + 1 >= most {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                format!(
                    "The maximum allowed number of disk devices ({most}) to attach to a single instance has been \
                     exceeded."
                ),
            ));
        }
        let device = server.free_device();
        let attachment_id = nova.cinder.reserve_for(&call.caller, &volume_id, &server_id).map_err(|fault| {
            Fault { message: format!("Invalid input received: {}", fault.message), ..fault }
        })?;
        let disk = Disk {
            volume_id: volume_id.clone(),
            attachment_id,
            bdm_uuid: Uuid::new_v4().to_string(),
            device,
            stage: DiskStage::Arriving,
        };
        if let Some(server) = state.servers.get_mut(&server_id) {
            server.disks.push(disk.clone());
        }
        Ok::<_, Fault>(disk)
    })?;
    let mut view = json!({
        "id": volume_id, "serverId": server_id, "volumeId": volume_id, "device": disk.device,
    });
    if let Some(fields) = view.as_object_mut().filter(|_| call.version >= Microversion::DELETE_ON_TERMINATION)
    {
        fields.insert("delete_on_termination".into(), json!(false));
    }
    nova.finish_attach(server_id, disk);
    Ok(Json(json!({"volumeAttachment": view})).into_response())
}

pub(super) async fn detach(Shared(nova): Shared<Arc<Nova>>, call: Call) -> Answer {
    let (server_id, volume_id) = (call.server().to_owned(), call.volume().to_owned());
    let disk = nova.write(|state| {
        let server = state.server(&call.caller, &server_id)?;
        if server.disks.iter().all(|d| d.volume_id != volume_id) {
            return Err(not_attached(&call));
        }
        check_state(server, "detach_volume")?;
        nova.cinder.begin_detaching(&call.caller, &volume_id)?;
        let disk = state.disk_mut(&server_id, &volume_id).ok_or_else(|| not_attached(&call))?;
        disk.stage = DiskStage::Leaving;
        Ok(disk.clone())
    })?;
    nova.finish_detach(server_id, disk);
    Ok(StatusCode::ACCEPTED.into_response())
}
