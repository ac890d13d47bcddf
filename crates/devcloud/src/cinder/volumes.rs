//! `/volumes`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::microversion::Microversion;
use super::model::{State, Volume, VolumeStatus, now};
use super::{Cinder, new_volume, views, volume_filters};

impl Listed for Volume {
    fn id(&self) -> &str {
        &self.id
    }

    fn serial(&self) -> u64 {
        self.serial
    }

    fn sort_value(&self, key: &str) -> Option<String> {
        Some(match key {
            "created_at" => self.created_at.clone(),
            "updated_at" => self.updated_at.clone().unwrap_or_default(),
            "id" => self.id.clone(),
            "name" | "display_name" => self.name.clone().unwrap_or_default(),
            "status" => self.status.as_str().to_owned(),
            "size" => format!("{:020}", self.size),
            "availability_zone" => self.availability_zone.clone(),
            "bootable" => self.bootable.to_string(),
            "volume_type_id" => self.type_id.clone(),
            "project_id" => self.project_id.clone(),
            _ => return None,
        })
    }
}

pub(super) async fn list(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    listed(&cinder, &call, "volumes", |_, volume| views::volume_summary(&call, volume))
}

pub(super) async fn detail(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    listed(&cinder, &call, "volumes/detail", |state, volume| views::volume(&cinder, &call, state, volume))
}

fn listed(cinder: &Cinder, call: &Call, path: &str, view: impl Fn(&State, &Volume) -> Value) -> Answer {
    let count = call.version >= Microversion::COUNT && call.flag("with_count")?;
    cinder.read(|state| {
        let found = volume_filters::select(call, state)?;
        let page = page(call, found, cinder.options.max_limit, path)?;
        let rows = page.items.iter().map(|volume| view(state, volume)).collect();
        let mut body = page.body("volumes", rows);
        if count {
            body.insert("count".into(), json!(page.total));
        }
        answer(StatusCode::OK, Value::Object(body))
    })
}

pub(super) async fn create(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let (id, view) = cinder.write(|state| {
        let volume = new_volume::build(&cinder, &call, state, &body)?;
        let id = volume.id.clone();
        let view = views::volume(&cinder, &call, state, &volume);
        state.volumes.insert(id.clone(), volume);
        Ok::<_, Fault>((id, view))
    })?;
    cinder.finish_create(id);
    answer(StatusCode::ACCEPTED, json!({"volume": view}))
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    cinder.read(|state| {
        let volume = state.volume(&call.caller, call.id())?;
        answer(StatusCode::OK, json!({"volume": views::volume(&cinder, &call, state, volume)}))
    })
}

pub(super) async fn update(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("volume")?;
    let strict = call.version >= Microversion::STRICT_CREATE;
    for key in fields.keys() {
        if !["name", "description", "display_name", "display_description", "metadata"].contains(&key.as_str())
        {
            return Err(Fault::bad(format!(
                "Additional properties are not allowed ('{key}' was unexpected)"
            )));
        }
    }
    if strict && fields.is_empty() {
        return Err(Fault::field("volume", "{}", "At least one of name, description, metadata is required"));
    }
    let name = new_volume::text(fields, &["name", "display_name"])?;
    let description = new_volume::text(fields, &["description", "display_description"])?;
    let metadata = fields.get("metadata").map(new_volume::metadata).transpose()?;
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        if let Some(name) = name {
            volume.name = name;
        }
        if let Some(description) = description {
            volume.description = description;
        }
        if let Some(metadata) = metadata {
            volume.metadata = metadata;
        }
        volume.updated_at = Some(now());
        let volume = state.volume(&call.caller, call.id())?;
        answer(StatusCode::OK, json!({"volume": views::volume(&cinder, &call, state, volume)}))
    })
}

pub(super) async fn delete(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let cascade = call.flag("cascade")?;
    cinder.write(|state| {
        let volume = state.volume(&call.caller, call.id())?;
        let deletable = matches!(
            volume.status,
            VolumeStatus::Available
                | VolumeStatus::Error
                | VolumeStatus::ErrorRestoring
                | VolumeStatus::ErrorExtending
                | VolumeStatus::ErrorManaging
        );
        let attached = !state.attachments_of(call.id()).is_empty();
        if !deletable || attached || (state.has_snapshots(call.id()) && !cascade) {
            return Err(Fault::invalid_volume(
                "Volume status must be available or error or error_restoring or error_extending or error_managing \
                 and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be \
                 disassociated from snapshots after volume transfer.",
            ));
        }
        let busy = state.snapshots.values().find(|s| s.volume_id == call.id() && !s.status.is_settled());
        if let Some(snapshot) = busy {
            return Err(Fault::invalid_volume(format!(
                "Failed to delete snapshot {}: its status is {}.",
                snapshot.id,
                snapshot.status.as_str()
            )));
        }
        mark_deleting(state, call.id());
        Ok(())
    })?;
    cinder.finish_delete(call.id().to_owned());
    empty(StatusCode::ACCEPTED)
}

/// The volume, and with it its snapshots, is on its way out.
pub(super) fn mark_deleting(state: &mut State, id: &str) {
    if let Some(volume) = state.volumes.get_mut(id) {
        volume.status = VolumeStatus::Deleting;
        volume.updated_at = Some(now());
    }
    for snapshot in state.snapshots.values_mut().filter(|s| s.volume_id == id) {
        snapshot.status = super::model::SnapshotStatus::Deleting;
    }
}
