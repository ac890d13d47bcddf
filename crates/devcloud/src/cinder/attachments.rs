//! `/attachments`, microversion 3.27: one call to attach, one to complete (3.44), one to detach.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Answer, Body, Call, answer, empty};
use super::connection::{mode_of, reserve};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::microversion::Microversion;
use super::model::{AttachStatus, Attachment, VolumeStatus, new_id, now};
use super::{Cinder, views};

impl Listed for Attachment {
    fn id(&self) -> &str {
        &self.id
    }

    fn serial(&self) -> u64 {
        self.serial
    }

    fn sort_value(&self, key: &str) -> Option<String> {
        Some(match key {
            "created_at" => format!("{:020}", self.serial),
            "id" => self.id.clone(),
            "volume_id" => self.volume_id.clone(),
            "attach_status" | "status" => self.status.as_str().to_owned(),
            _ => return None,
        })
    }
}

pub(super) async fn list(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    listed(&cinder, &call, "attachments", views::attachment_summary)
}

pub(super) async fn detail(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    listed(&cinder, &call, "attachments/detail", views::attachment)
}

fn listed(cinder: &Cinder, call: &Call, path: &str, view: fn(&Attachment) -> Value) -> Answer {
    call.needs(Microversion::ATTACHMENTS)?;
    let all = call.all_projects()?;
    let wanted = |key: &str, value: &str| call.query(key).is_none_or(|wanted| wanted == value);
    cinder.read(|state| {
        let found = state.attachments.values().filter(|a| {
            (all || a.project_id == call.caller.project_id)
                && wanted("volume_id", &a.volume_id)
                && wanted("instance_id", a.instance_uuid.as_deref().unwrap_or_default())
                && wanted("status", a.status.as_str())
                && wanted("attach_status", a.status.as_str())
        });
        let page = page(call, found.collect(), cinder.options.max_limit, path)?;
        let rows = page.items.iter().map(|attachment| view(attachment)).collect();
        answer(StatusCode::OK, Value::Object(page.body("attachments", rows)))
    })
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    call.needs(Microversion::ATTACHMENTS)?;
    shown(&cinder, &call, call.id())
}

fn shown(cinder: &Cinder, call: &Call, id: &str) -> Answer {
    let view = cinder.read(|state| state.attachment(&call.caller, id).map(views::attachment))?;
    answer(StatusCode::OK, json!({"attachment": view}))
}

/// A usable connector names its host.
fn connector_of(fields: &Map<String, Value>) -> Result<Option<Map<String, Value>>, Fault> {
    match fields.get("connector") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(connector)) if connector.is_empty() => Ok(None),
        Some(Value::Object(connector)) => match connector.get("host") {
            Some(Value::String(host)) if !host.is_empty() => Ok(Some(connector.clone())),
            _ => Err(Fault::bad("Invalid input received: Connector doesn't have required information: host")),
        },
        Some(other) => Err(Fault::field("connector", other, "It is not of type 'object', 'null'")),
    }
}

fn uuid_of<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Fault> {
    match fields.get(key) {
        None => Ok(None),
        Some(Value::String(id)) if uuid::Uuid::parse_str(id).is_ok() => Ok(Some(id)),
        Some(other) => Err(Fault::field(key, other, "It is not a 'uuid'")),
    }
}

/// What a connection may do: the connector's word first, then the attachment's.
fn access_mode(connector: &Map<String, Value>, mode: &str) -> Result<&'static str, Fault> {
    match connector.get("mode") {
        None | Some(Value::Null) => Ok(if mode == "ro" { "ro" } else { "rw" }),
        Some(value) => {
            mode_of(value).ok_or_else(|| Fault::field("connector.mode", value, "It is not one of 'rw', 'ro'"))
        }
    }
}

pub(super) async fn create(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    call.needs(Microversion::ATTACHMENTS)?;
    let fields = body.inner("attachment")?;
    for key in fields.keys() {
        let known = ["volume_uuid", "instance_uuid", "connector"].contains(&key.as_str())
            || (key == "mode" && call.version >= Microversion::MODE);
        if !known {
            return Err(Fault::bad(format!(
                "Additional properties are not allowed ('{key}' was unexpected)"
            )));
        }
    }
    let volume_id = uuid_of(fields, "volume_uuid")?
        .ok_or_else(|| {
            Fault::bad("Invalid input for field/attribute attachment. 'volume_uuid' is a required property")
        })?
        .to_owned();
    let instance = uuid_of(fields, "instance_uuid")?.map(str::to_owned);
    let mode = match fields.get("mode") {
        // Cinder really stores this word.
        None => "null",
        Some(value) => {
            mode_of(value).ok_or_else(|| Fault::field("mode", value, "It is not one of 'rw', 'ro'"))?
        }
    };
    let connector = connector_of(fields)?;
    let access = connector.as_ref().map(|connector| access_mode(connector, mode)).transpose()?;
    let id = new_id();
    cinder.write(|state| {
        reserve(state, &call.caller, &volume_id, instance.as_deref())?;
        let attachment =
            Attachment::reserved(state, &id, &volume_id, &call.caller.project_id, instance.as_deref(), mode);
        state.attachments.insert(id.clone(), attachment);
        Ok::<_, Fault>(())
    })?;
    if let (Some(connector), Some(access)) = (connector, access) {
        connected(&cinder, volume_id, id.clone(), connector, access)
            .await
            // Without the attachment's id, as Cinder: its caller has to look for it.
            .map_err(|reason| {
                Fault::internal(format!("Unable to create attachment for volume ({reason})."))
            })?;
    }
    shown(&cinder, &call, &id)
}

/// In a task of its own: a caller that hangs up does not interrupt the back end.
async fn connected(
    cinder: &Arc<Cinder>,
    volume_id: String,
    id: String,
    connector: Map<String, Value>,
    mode: &'static str,
) -> Result<(), String> {
    let cinder = Arc::clone(cinder);
    let task = tokio::spawn(async move {
        let done = cinder.connect(&volume_id, &id, connector, mode).await;
        if let Err(reason) = &done {
            tracing::error!(volume = volume_id, attachment = id, reason, "cannot connect");
        }
        done
    });
    task.await.unwrap_or_else(|error| Err(error.to_string()))
}

pub(super) async fn update(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    call.needs(Microversion::ATTACHMENTS)?;
    let connector = connector_of(body.inner("attachment")?)?
        .ok_or_else(|| Fault::bad("Must specify 'connector' to update attachment."))?;
    let (volume_id, mode) = cinder.read(|state| {
        let attachment = state.attachment(&call.caller, call.id())?;
        let volume = state.volume(&call.caller, &attachment.volume_id)?;
        if volume.status.as_str().contains("error") {
            return Err(Fault::conflict(format!(
                "Invalid volume: Volume {} is in status {}, its attachments cannot be updated",
                volume.id,
                volume.status.as_str()
            )));
        }
        let other =
            state.attachments_of(&volume.id).iter().any(|a| a.id != attachment.id && a.is_connected());
        if other && !volume.multiattach {
            return Err(Fault::conflict(format!(
                "Invalid volume: duplicate connectors detected on volume {}",
                volume.id
            )));
        }
        Ok((volume.id.clone(), attachment.mode.clone()))
    })?;
    let access = access_mode(&connector, &mode)?;
    connected(&cinder, volume_id, call.id().to_owned(), connector, access)
        .await
        .map_err(|reason| Fault::internal(format!("Unable to update the attachment ({reason}).")))?;
    shown(&cinder, &call, call.id())
}

/// `os-complete` checks nothing: it makes attachment and volume what its caller says they are.
pub(super) async fn act(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    call.needs(Microversion::COMPLETE)?;
    if !body.0.contains_key("os-complete") {
        let name = body.0.keys().next().map_or("", String::as_str);
        return Err(Fault::bad(format!("There is no such action: {name}")));
    }
    cinder.write(|state| {
        let volume_id = state.attachment(&call.caller, call.id())?.volume_id.clone();
        if let Some(attachment) = state.attachments.get_mut(call.id()) {
            attachment.status = AttachStatus::Attached;
            attachment.attached_at = Some(now());
        }
        if let Some(volume) = state.volumes.get_mut(&volume_id) {
            volume.status = VolumeStatus::InUse;
            volume.updated_at = Some(now());
        }
        Ok::<_, Fault>(())
    })?;
    empty(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    call.needs(Microversion::ATTACHMENTS)?;
    let attachment = cinder.read(|state| state.attachment(&call.caller, call.id()).cloned())?;
    cinder.may_release(&call, &attachment)?;
    let volume_id = attachment.volume_id;
    released(&cinder, &volume_id, call.id()).await?;
    let left: Vec<Value> = cinder
        .read(|state| state.attachments_of(&volume_id).into_iter().map(views::attachment_summary).collect());
    answer(StatusCode::OK, json!({"attachments": left}))
}

/// Releases in a task of its own: a caller that hangs up does not interrupt the back end.
pub(super) async fn released(cinder: &Arc<Cinder>, volume_id: &str, id: &str) -> Result<(), Fault> {
    let (cinder, volume_id, id) = (Arc::clone(cinder), volume_id.to_owned(), id.to_owned());
    let task = tokio::spawn(async move { cinder.release(&volume_id, &id).await });
    task.await.unwrap_or_else(|error| Err(Fault::internal(error.to_string())))
}
