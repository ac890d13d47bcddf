//! `POST /volumes/{id}/action`, all but the old attach flow.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Answer, Body, Call, answer, bool_value, empty};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{VolumeStatus, now};
use super::volumes::mark_deleting;
use super::{Cinder, legacy_attach, new_volume, quotas};

pub(super) async fn act(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let mut entries = body.0.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(Fault::bad("Malformed request body"));
    };
    cinder.read(|state| state.volume(&call.caller, call.id()).map(|_| ()))?;
    let none = Map::new();
    let arguments = match value {
        Value::Object(arguments) => arguments,
        Value::Null => &none,
        other => return Err(Fault::field(name, other, "It is not of type 'object'")),
    };
    match name.as_str() {
        "os-extend" => extend(&cinder, &call, arguments),
        "os-set_bootable" => set_bootable(&cinder, &call, arguments),
        "os-update_readonly_flag" => set_readonly(&cinder, &call, arguments),
        "os-reset_status" => reset_status(&cinder, &call, arguments),
        "os-force_delete" => force_delete(&cinder, &call),
        _ => legacy_attach::act(&cinder, &call, name, arguments).await,
    }
}

fn extend(cinder: &Arc<Cinder>, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let wanted = arguments.get("new_size").unwrap_or(&Value::Null);
    let size = new_volume::gib(wanted)
        .ok_or_else(|| Fault::field("new_size", wanted, "It must be an integer of at least 1"))?;
    cinder.write(|state| {
        let volume = state.volume(&call.caller, call.id())?;
        let in_use = call.version >= Microversion::EXTEND_IN_USE && volume.status == VolumeStatus::InUse;
        if volume.status != VolumeStatus::Available && !in_use {
            return Err(Fault::invalid_volume(format!(
                "Volume {} status must be available to extend, but the current status is {}.",
                volume.id,
                volume.status.as_str()
            )));
        }
        if size <= volume.size {
            return Err(Fault::bad(format!(
                "Invalid input received: New size for extend must be greater than current size. (current: {}, \
                 extended: {size}).",
                volume.size
            )));
        }
        quotas::check_extend(cinder, state, &volume.project_id, volume.size, size)?;
        let volume = state.volume_mut(&call.caller, call.id())?;
        volume.previous = Some(volume.status);
        volume.status = VolumeStatus::Extending;
        Ok(())
    })?;
    cinder.finish_extend(call.id().to_owned(), size);
    empty(StatusCode::ACCEPTED)
}

fn flag(arguments: &Map<String, Value>, key: &str) -> Result<bool, Fault> {
    let value = arguments.get(key).unwrap_or(&Value::Null);
    bool_value(value).ok_or_else(|| Fault::field(key, value, "It is not of type 'boolean'"))
}

fn set_bootable(cinder: &Cinder, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let bootable = flag(arguments, "bootable")?;
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        volume.bootable = bootable;
        volume.updated_at = Some(now());
        Ok::<_, Fault>(())
    })?;
    answer(StatusCode::OK, json!({}))
}

fn set_readonly(cinder: &Cinder, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let readonly = flag(arguments, "readonly")?;
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        if volume.status != VolumeStatus::Available {
            return Err(Fault::invalid_volume(format!(
                "Volume {} status must be available to update readonly flag, but current status is: {}.",
                volume.id,
                volume.status.as_str()
            )));
        }
        volume.readonly = Some(readonly);
        Ok(())
    })?;
    empty(StatusCode::ACCEPTED)
}

/// An administrator's word about what the volume is; nothing is done to it.
fn reset_status(cinder: &Cinder, call: &Call, arguments: &Map<String, Value>) -> Answer {
    call.needs_admin("volume_extension:volume_admin_actions:reset_status")?;
    let status = match arguments.get("status") {
        None => None,
        Some(value) => {
            let status: Result<VolumeStatus, _> = serde_json::from_value(value.clone());
            Some(status.map_err(|_| Fault::field("status", value, "It is not a status"))?)
        }
    };
    let detached = match arguments.get("attach_status").map(Value::as_str) {
        None | Some(Some("attached")) => false,
        Some(Some("detached")) => true,
        Some(_) => return Err(Fault::bad("Invalid input for field/attribute attach_status.")),
    };
    if status.is_none() && !detached {
        return Err(Fault::bad("Must specify 'status', 'attach_status' or 'migration_status' for update."));
    }
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        volume.status = status.unwrap_or(volume.status);
        volume.previous = None;
        if detached {
            state.attachments.retain(|_, attachment| attachment.volume_id != call.id());
        }
        Ok::<_, Fault>(())
    })?;
    empty(StatusCode::ACCEPTED)
}

fn force_delete(cinder: &Arc<Cinder>, call: &Call) -> Answer {
    call.needs_admin("volume_extension:volume_admin_actions:force_delete")?;
    cinder.write(|state| {
        if state.has_snapshots(call.id()) || !state.attachments_of(call.id()).is_empty() {
            return Err(Fault::invalid_volume("Volume must not be attached or have snapshots."));
        }
        mark_deleting(state, call.id());
        Ok(())
    })?;
    cinder.finish_delete(call.id().to_owned());
    empty(StatusCode::ACCEPTED)
}
