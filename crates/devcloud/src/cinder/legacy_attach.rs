//! The attach flow from before 3.27, one action per step; still served at every microversion.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Cinder;
use super::attachments::released;
use super::call::{Answer, Call, answer, empty};
use super::connection::mode_of;
use super::fault::Fault;
use super::model::{AttachStatus, Attachment, VolumeStatus, new_id, now};

type Arguments = Map<String, Value>;

pub(super) async fn act(cinder: &Arc<Cinder>, call: &Call, name: &str, arguments: &Arguments) -> Answer {
    match name {
        "os-reserve" => reserve(cinder, call),
        "os-unreserve" => unreserve(cinder, call),
        "os-initialize_connection" => initialize(cinder, call, arguments).await,
        "os-attach" => attach(cinder, call, arguments),
        "os-begin_detaching" => step(cinder, call, VolumeStatus::InUse, VolumeStatus::Detaching, "detach"),
        "os-roll_detaching" => {
            step(cinder, call, VolumeStatus::Detaching, VolumeStatus::InUse, "roll back detaching")
        }
        "os-terminate_connection" => terminate(cinder, call, arguments).await,
        "os-detach" => detach(cinder, call, arguments).await,
        "os-force_detach" => {
            call.needs_admin("volume_extension:volume_admin_actions:force_detach")?;
            detach(cinder, call, arguments).await
        }
        _ => Err(Fault::bad(format!("There is no such action: {name}"))),
    }
}

fn wrong_status(id: &str, wanted: &str, what: &str, status: VolumeStatus) -> Fault {
    Fault::invalid_volume(format!(
        "Volume {id} status must be {wanted} to {what}, but the current status is {}.",
        status.as_str()
    ))
}

fn reserve(cinder: &Cinder, call: &Call) -> Answer {
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        let free = volume.status == VolumeStatus::Available
            || (volume.multiattach && volume.status == VolumeStatus::InUse);
        if !free {
            let wanted = if volume.multiattach { "available or in-use" } else { "available" };
            return Err(wrong_status(&volume.id, wanted, "reserve", volume.status));
        }
        volume.status = VolumeStatus::Attaching;
        Ok(())
    })?;
    empty(StatusCode::ACCEPTED)
}

/// Of a volume that is not reserved: nothing to do.
fn unreserve(cinder: &Cinder, call: &Call) -> Answer {
    cinder.write(|state| {
        if state.volume(&call.caller, call.id())?.status == VolumeStatus::Attaching {
            state.settle(call.id());
        }
        Ok::<_, Fault>(())
    })?;
    empty(StatusCode::ACCEPTED)
}

fn step(cinder: &Cinder, call: &Call, from: VolumeStatus, to: VolumeStatus, what: &str) -> Answer {
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        if volume.status != from {
            return Err(wrong_status(&volume.id, from.as_str(), what, volume.status));
        }
        volume.status = to;
        Ok(())
    })?;
    empty(StatusCode::ACCEPTED)
}

fn connector(arguments: &Arguments) -> Result<&Map<String, Value>, Fault> {
    match arguments.get("connector") {
        Some(Value::Object(connector)) => Ok(connector),
        other => {
            let value = other.unwrap_or(&Value::Null);
            Err(Fault::field("connector", value, "It is not of type 'object'"))
        }
    }
}

/// The driver's keys stand in `data`, unlike in the attachments API.
async fn initialize(cinder: &Arc<Cinder>, call: &Call, arguments: &Arguments) -> Answer {
    let mode = connector(arguments)?.get("mode").and_then(mode_of).unwrap_or("rw");
    let (cinder, id) = (Arc::clone(cinder), call.id().to_owned());
    // In a task of its own: a caller that hangs up does not interrupt the back end.
    let task = tokio::spawn(async move {
        let _turn = cinder.gate(&id).await;
        cinder.export(&id, mode).await
    });
    let done = task.await.unwrap_or_else(|error| Err(error.to_string()));
    let mut data = done.map_err(|reason| {
        tracing::error!(volume = call.id(), reason, "cannot connect");
        Fault::internal(format!("Unable to fetch connection information from backend: {reason}"))
    })?;
    let kind = data.remove("driver_volume_type").unwrap_or_default();
    answer(StatusCode::OK, json!({"connection_info": {"driver_volume_type": kind, "data": data}}))
}

fn attach(cinder: &Cinder, call: &Call, arguments: &Arguments) -> Answer {
    let text = |key: &str| match arguments.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= 255 => {
            Ok(Some(text.clone()))
        }
        Some(other) => Err(Fault::field(key, other, "It must be a string of 1 to 255 characters")),
    };
    let mountpoint = text("mountpoint")?;
    if mountpoint.is_none() {
        return Err(Fault::bad(
            "Invalid input for field/attribute os-attach. 'mountpoint' is a required property",
        ));
    }
    let (instance_uuid, host) = (text("instance_uuid")?, text("host_name")?);
    match (&instance_uuid, &host) {
        (Some(_), Some(_)) => {
            return Err(Fault::bad(
                "Invalid request to attach volume to an instance and a host simultaneously",
            ));
        }
        (None, None) => return Err(Fault::bad("Invalid request to attach volume to an invalid target")),
        _ => {}
    }
    let mode = match arguments.get("mode") {
        None => "rw",
        Some(value) => mode_of(value).ok_or_else(|| {
            Fault::bad("Invalid request to attach volume with an invalid mode. Attaching mode should be 'rw' or 'ro'")
        })?,
    };
    cinder.write(|state| {
        let volume = state.volume(&call.caller, call.id())?;
        let free = matches!(volume.status, VolumeStatus::Available | VolumeStatus::Attaching)
            || (volume.multiattach && volume.status == VolumeStatus::InUse);
        if !free {
            return Err(wrong_status(&volume.id, "available or attaching", "attach", volume.status));
        }
        if volume.readonly == Some(true) && mode != "ro" {
            return Err(Fault::bad(format!("Invalid attaching mode '{mode}' for volume {}.", volume.id)));
        }
        let id = new_id();
        let attachment = Attachment {
            id: id.clone(),
            serial: state.next_serial(),
            volume_id: call.id().to_owned(),
            project_id: call.caller.project_id.clone(),
            status: AttachStatus::Attached,
            instance_uuid: instance_uuid.clone(),
            host: host.clone(),
            mountpoint: mountpoint.clone(),
            mode: mode.to_owned(),
            connector: None,
            connection_info: Map::new(),
            attached_at: Some(now()),
        };
        state.attachments.insert(id, attachment);
        state.settle(call.id());
        Ok(())
    })?;
    empty(StatusCode::ACCEPTED)
}

/// The attachment meant: the one named, or the only one.
fn target(cinder: &Cinder, call: &Call, arguments: &Arguments) -> Result<Option<String>, Fault> {
    let found = cinder.read(|state| {
        let own = state.attachments_of(call.id());
        let found = match arguments.get("attachment_id") {
            Some(Value::String(id)) => Some(own.into_iter().find(|a| a.id == *id).ok_or_else(|| {
                Fault::not_found(format!(
                    "Volume attachment could not be found with filter: attachment_id = {id}."
                ))
            })?),
            Some(Value::Null) | None => match own.as_slice() {
                [] => None,
                [only] => Some(*only),
                _ if call.service => {
                    return Err(Fault::invalid_volume(
                        "Detach volume failed: More than one attachment, but no attachment_id provided.",
                    ));
                }
                _ => {
                    return Err(Fault::conflict(
                        "Detach volume failed: it has several attachments, name one by attachment_id",
                    ));
                }
            },
            Some(other) => return Err(Fault::field("attachment_id", other, "It is not a 'uuid'")),
        };
        Ok(found.cloned())
    })?;
    let Some(attachment) = found else { return Ok(None) };
    cinder.may_release(call, &attachment)?;
    Ok(Some(attachment.id))
}

async fn terminate(cinder: &Arc<Cinder>, call: &Call, arguments: &Arguments) -> Answer {
    connector(arguments)?;
    target(cinder, call, arguments)?;
    unexport(cinder, call).await?;
    empty(StatusCode::ACCEPTED)
}

async fn unexport(cinder: &Arc<Cinder>, call: &Call) -> Result<(), Fault> {
    let (cinder, id) = (Arc::clone(cinder), call.id().to_owned());
    let task = tokio::spawn(async move {
        let _turn = cinder.gate(&id).await;
        cinder.unexport(&id, None).await
    });
    let done = task.await.unwrap_or_else(|error| Err(error.to_string()));
    done.map_err(|reason| {
        tracing::error!(volume = call.id(), reason, "cannot disconnect");
        Fault::internal(format!("Unable to terminate volume connection: {reason}"))
    })
}

async fn detach(cinder: &Arc<Cinder>, call: &Call, arguments: &Arguments) -> Answer {
    match target(cinder, call, arguments)? {
        Some(attachment) => {
            released(cinder, call.id(), &attachment).await?;
            // An export of this flow belongs to no attachment; with the last one it has to go.
            if cinder.read(|state| state.attachments_of(call.id()).is_empty()) {
                unexport(cinder, call).await?;
            }
        }
        None => cinder.write(|state| {
            if state.volume(&call.caller, call.id())?.status == VolumeStatus::Detaching {
                state.settle(call.id());
            }
            Ok::<_, Fault>(())
        })?,
    }
    empty(StatusCode::ACCEPTED)
}
