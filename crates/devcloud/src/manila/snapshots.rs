//! `/snapshots`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Body, Call, answer, empty, text_field};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::model::{ShareStatus, Snapshot, SnapshotStatus, new_id};
use super::{Manila, quotas, views};
use crate::clock::naive_now;

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
            "share_id" => self.share_id.clone(),
            "size" => format!("{:020}", self.size),
            _ => return None,
        })
    }
}

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    listed(&manila, &call, |snapshot| views::snapshot_summary(&call, snapshot))
}

pub(super) async fn detail(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    listed(&manila, &call, |snapshot| views::snapshot(&call, snapshot))
}

fn listed(manila: &Manila, call: &Call, view: impl Fn(&Snapshot) -> Value) -> Answer {
    let all = call.all_projects()?;
    let wanted = |key: &str, value: &str| call.query(key).is_none_or(|wanted| wanted == value);
    manila.read(|state| {
        let found = state.share_snapshots.values().filter(|snapshot| {
            (all || snapshot.project_id == call.caller.project_id)
                && wanted("name", snapshot.name.as_deref().unwrap_or_default())
                && wanted("status", snapshot.status.as_str())
                && wanted("share_id", &snapshot.share_id)
                && wanted("size", &snapshot.size.to_string())
        });
        let page = page(call, found.collect(), manila.options.max_limit, "snapshots")?;
        let rows = page.items.iter().map(|snapshot| view(snapshot)).collect();
        answer(StatusCode::OK, Value::Object(page.body("snapshots", rows)))
    })
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let view =
        manila.read(|state| state.snapshot(&call.caller, call.id()).map(|s| views::snapshot(&call, s)))?;
    answer(StatusCode::OK, json!({"snapshot": view}))
}

pub(super) async fn create(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("snapshot")?;
    let share_id = fields.get("share_id").and_then(Value::as_str).unwrap_or_default();
    let name = text_field(fields, &["name", "display_name"])?.flatten();
    let description = text_field(fields, &["description", "display_description"])?.flatten();
    let snapshot = manila.write(|state| {
        let share = state.own_share(&call.caller, share_id)?.clone();
        if !state.share_types.get(&share.type_id).is_some_and(|kind| kind.has("snapshot_support")) {
            return Err(Fault::unprocessable(format!(
                "Shares of the type of '{share_id}' have no snapshots."
            )));
        }
        if share.status != ShareStatus::Available {
            return Err(Fault::invalid_share("Source share status must be available"));
        }
        quotas::check_snapshot(&manila, state, &share.project_id, share.size)?;
        let snapshot = Snapshot {
            id: new_id(),
            serial: state.next_serial(),
            share_id: share.id,
            project_id: share.project_id,
            user_id: call.caller.user_id.clone(),
            name,
            description,
            size: share.size,
            protocol: share.protocol,
            status: SnapshotStatus::Creating,
            created_at: naive_now(),
        };
        state.share_snapshots.insert(snapshot.id.clone(), snapshot.clone());
        Ok(snapshot)
    })?;
    manila.finish_snapshot(snapshot.id.clone());
    answer(StatusCode::ACCEPTED, json!({"snapshot": views::snapshot(&call, &snapshot)}))
}

pub(super) async fn update(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("snapshot")?;
    let name = text_field(fields, &["display_name"])?;
    let description = text_field(fields, &["display_description"])?;
    let view = manila.write(|state| {
        state.snapshot(&call.caller, call.id())?;
        let absent = || Fault::absent("Share snapshot", call.id());
        let snapshot = state.share_snapshots.get_mut(call.id()).ok_or_else(absent)?;
        snapshot.name = name.unwrap_or_else(|| snapshot.name.take());
        snapshot.description = description.unwrap_or_else(|| snapshot.description.take());
        Ok::<_, Fault>(views::snapshot(&call, snapshot))
    })?;
    answer(StatusCode::OK, json!({"snapshot": view}))
}

pub(super) async fn delete(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    manila.write(|state| {
        let status = state.snapshot(&call.caller, call.id())?.status;
        if !matches!(status, SnapshotStatus::Available | SnapshotStatus::Error) {
            return Err(Fault::bad("Invalid share snapshot: its status must be available or error."));
        }
        if let Some(snapshot) = state.share_snapshots.get_mut(call.id()) {
            snapshot.status = SnapshotStatus::Deleting;
        }
        Ok(())
    })?;
    manila.finish_snapshot_delete(call.id().to_owned());
    empty(StatusCode::ACCEPTED)
}
