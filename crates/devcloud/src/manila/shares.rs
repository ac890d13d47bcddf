//! `/shares`, all but actions.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Body, Call, answer, bool_field, empty, text_field};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::model::{Share, ShareStatus, State};
use super::{Manila, new_share, share_filters, views};

impl Listed for Share {
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
            "size" => format!("{:020}", self.size),
            "share_proto" => self.protocol.clone(),
            "project_id" => self.project_id.clone(),
            "availability_zone" => self.availability_zone.clone(),
            "share_type_id" => self.type_id.clone(),
            _ => return None,
        })
    }
}

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    listed(&manila, &call, |_, share| views::share_summary(&call, share))
}

pub(super) async fn detail(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    listed(&manila, &call, |state, share| views::share(&manila, &call, state, share))
}

fn listed(manila: &Manila, call: &Call, view: impl Fn(&State, &Share) -> Value) -> Answer {
    let count = call.flag("with_count")?;
    manila.read(|state| {
        let found = share_filters::select(call, state)?;
        let page = page(call, found, manila.options.max_limit, "shares")?;
        let rows = page.items.iter().map(|share| view(state, share)).collect();
        let mut body = page.body("shares", rows);
        if count {
            body.insert("count".into(), json!(page.total));
        }
        answer(StatusCode::OK, Value::Object(body))
    })
}

/// 200, not 202, although the share is only ordered.
pub(super) async fn create(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let (id, view) = manila.write(|state| {
        let share = new_share::build(&manila, &call, state, &body)?;
        let id = share.id.clone();
        let view = views::share(&manila, &call, state, &share);
        state.shares.insert(id.clone(), share);
        Ok::<_, Fault>((id, view))
    })?;
    manila.finish_create(id, call.request_id);
    answer(StatusCode::OK, json!({"share": view}))
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    manila.read(|state| {
        let share = state.share(&call.caller, call.id())?;
        answer(StatusCode::OK, json!({"share": views::share(&manila, &call, state, share)}))
    })
}

pub(super) async fn update(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let fields = body.inner("share")?;
    let name = text_field(fields, &["display_name"])?;
    let description = text_field(fields, &["display_description"])?;
    let public = fields.contains_key("is_public").then(|| bool_field(fields, "is_public")).transpose()?;
    if public == Some(true) && !call.caller.is_admin {
        return Err(new_share::not_public());
    }
    manila.write(|state| {
        let share = state.own_share(&call.caller, call.id())?;
        share.name = name.unwrap_or_else(|| share.name.take());
        share.description = description.unwrap_or_else(|| share.description.take());
        share.is_public = public.unwrap_or(share.is_public);
        let share = state.share(&call.caller, call.id())?;
        answer(StatusCode::OK, json!({"share": views::share(&manila, &call, state, share)}))
    })
}

pub(super) async fn delete(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let id = call.id();
    manila.write(|state| {
        let status = state.own_share(&call.caller, id)?.status;
        if !matches!(status, ShareStatus::Available | ShareStatus::Error | ShareStatus::Inactive) {
            return Err(Fault::forbidden(
                "Invalid share: Share status must be one of ('available', 'error', 'inactive').",
            ));
        }
        refuse_snapshots(state, id)?;
        if let Some(share) = state.shares.get_mut(id) {
            share.status = ShareStatus::Deleting;
        }
        Ok(())
    })?;
    manila.finish_delete(id.to_owned(), call.request_id.clone());
    empty(StatusCode::ACCEPTED)
}

/// 403 while the share has snapshots.
pub(super) fn refuse_snapshots(state: &State, id: &str) -> Result<(), Fault> {
    match state.share_snapshots.values().filter(|snapshot| snapshot.share_id == id).count() {
        0 => Ok(()),
        count => Err(Fault::forbidden(format!("Invalid share: {count} snapshots depend on the share."))),
    }
}
