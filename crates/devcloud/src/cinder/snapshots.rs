//! `/snapshots`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Body, Call, answer, bool_value, empty};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::microversion::Microversion;
use super::model::{Metadata, Snapshot, SnapshotStatus, VolumeStatus, new_id, now};
use super::{Cinder, new_volume, quotas, views};

impl Listed for Snapshot {
    fn id(&self) -> &str {
        &self.id
    }

    fn serial(&self) -> u64 {
        self.serial
    }

    fn sort_value(&self, key: &str) -> Option<String> {
        Some(match key {
            "created_at" => self.created_at.clone(),
            "id" => self.id.clone(),
            "name" | "display_name" => self.name.clone().unwrap_or_default(),
            "status" => self.status.as_str().to_owned(),
            "volume_id" => self.volume_id.clone(),
            _ => return None,
        })
    }
}

/// Summary and detail alike: the summary lacks only what administrators see.
pub(super) async fn list(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let all = call.all_projects()?;
    let wanted = |key: &str, value: &str| call.query(key).is_none_or(|wanted| wanted == value);
    cinder.read(|state| {
        let found = state.snapshots.values().filter(|s| {
            (all || s.project_id == call.caller.project_id)
                && wanted("name", s.name.as_deref().unwrap_or_default())
                && wanted("status", s.status.as_str())
                && wanted("volume_id", &s.volume_id)
        });
        let page = page(&call, found.collect(), cinder.options.max_limit, "snapshots/detail")?;
        let rows = page.items.iter().map(|snapshot| views::snapshot(snapshot)).collect();
        answer(StatusCode::OK, Value::Object(page.body("snapshots", rows)))
    })
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let view = cinder.read(|state| state.snapshot(&call.caller, call.id()).map(views::snapshot))?;
    answer(StatusCode::OK, json!({"snapshot": view}))
}

pub(super) async fn create(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("snapshot")?;
    let volume_id = match fields.get("volume_id") {
        Some(Value::String(id)) if uuid::Uuid::parse_str(id).is_ok() => id.as_str(),
        other => return Err(Fault::field("volume_id", other.unwrap_or(&Value::Null), "It is not a 'uuid'")),
    };
    let name = new_volume::text(fields, &["name", "display_name"])?.flatten();
    let description = new_volume::text(fields, &["description", "display_description"])?.flatten();
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => Metadata::new(),
        Some(value) => new_volume::metadata(value)?,
    };
    let implied = call.version >= Microversion::SNAPSHOT_FORCE;
    let force = match fields.get("force") {
        None => implied,
        Some(value) => {
            bool_value(value).ok_or_else(|| Fault::field("force", value, "It is not of type 'boolean'"))?
        }
    };
    if implied && !force {
        return Err(Fault::bad("The 'force' parameter is invalid when set to false since microversion 3.66"));
    }
    let snapshot = cinder.write(|state| {
        let volume = state.volume(&call.caller, volume_id)?;
        let allowed = volume.status == VolumeStatus::Available || (force && volume.status == VolumeStatus::InUse);
        if !allowed {
            return Err(Fault::invalid_volume(format!(
                "Volume {volume_id} status must be available to create a snapshot, but current status is: {}.",
                volume.status.as_str()
            )));
        }
        let (size, project) = (volume.size, volume.project_id.clone());
        quotas::check_snapshot(&cinder, state, &project, size)?;
        let snapshot = Snapshot {
            id: new_id(),
            serial: state.next_serial(),
            volume_id: volume_id.to_owned(),
            project_id: project,
            user_id: call.caller.user_id.clone(),
            name,
            description,
            size,
            status: SnapshotStatus::Creating,
            metadata,
            created_at: now(),
            updated_at: None,
        };
        state.snapshots.insert(snapshot.id.clone(), snapshot.clone());
        Ok(snapshot)
    })?;
    cinder.finish_snapshot(snapshot.id.clone());
    answer(StatusCode::ACCEPTED, json!({"snapshot": views::snapshot(&snapshot)}))
}

pub(super) async fn update(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("snapshot")?;
    let name = new_volume::text(fields, &["name", "display_name"])?;
    let description = new_volume::text(fields, &["description", "display_description"])?;
    let view = cinder.write(|state| {
        state.snapshot(&call.caller, call.id())?;
        let snapshot =
            state.snapshots.get_mut(call.id()).ok_or_else(|| Fault::absent("Snapshot", call.id()))?;
        snapshot.name = name.unwrap_or_else(|| snapshot.name.take());
        snapshot.description = description.unwrap_or_else(|| snapshot.description.take());
        snapshot.updated_at = Some(now());
        Ok::<_, Fault>(views::snapshot(snapshot))
    })?;
    answer(StatusCode::OK, json!({"snapshot": view}))
}

pub(super) async fn delete(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    cinder.write(|state| {
        let snapshot = state.snapshot(&call.caller, call.id())?;
        if !matches!(snapshot.status, SnapshotStatus::Available | SnapshotStatus::Error) {
            return Err(Fault::bad("Invalid snapshot: Snapshot status must be available or error."));
        }
        if let Some(snapshot) = state.snapshots.get_mut(call.id()) {
            snapshot.status = SnapshotStatus::Deleting;
        }
        Ok(())
    })?;
    cinder.finish_snapshot_delete(call.id().to_owned());
    empty(StatusCode::ACCEPTED)
}
