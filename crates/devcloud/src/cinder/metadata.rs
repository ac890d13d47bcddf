//! `/volumes/{id}/metadata`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::Cinder;
use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::model::{Volume, now};
use super::new_volume::metadata;

fn body_metadata(body: &Body) -> Result<super::model::Metadata, Fault> {
    let absent = || Fault::bad("Invalid input for field/attribute body. 'metadata' is a required property");
    metadata(body.0.get("metadata").ok_or_else(absent)?)
}

fn change(
    cinder: &Cinder,
    call: &Call,
    change: impl FnOnce(&mut Volume) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    cinder.write(|state| {
        let volume = state.volume_mut(&call.caller, call.id())?;
        let view = change(volume)?;
        volume.updated_at = Some(now());
        Ok(view)
    })
}

fn missing(key: &str) -> Fault {
    Fault::not_found(format!("Metadata item was not found: {key}"))
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let view = cinder
        .read(|state| Ok::<_, Fault>(json!({"metadata": state.volume(&call.caller, call.id())?.metadata})))?;
    answer(StatusCode::OK, view)
}

/// `POST`: keys not named stay.
pub(super) async fn merge(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let new = body_metadata(&body)?;
    let view = change(&cinder, &call, |volume| {
        volume.metadata.extend(new);
        Ok(json!({"metadata": volume.metadata}))
    })?;
    answer(StatusCode::OK, view)
}

/// `PUT`: keys not named go.
pub(super) async fn replace(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let new = body_metadata(&body)?;
    let view = change(&cinder, &call, |volume| {
        volume.metadata = new;
        Ok(json!({"metadata": volume.metadata}))
    })?;
    answer(StatusCode::OK, view)
}

pub(super) async fn show_key(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let key = call.param("key");
    let view = cinder.read(|state| {
        let value = state.volume(&call.caller, call.id())?.metadata.get(key).ok_or_else(|| missing(key))?;
        Ok::<_, Fault>(json!({"meta": {key: value}}))
    })?;
    answer(StatusCode::OK, view)
}

pub(super) async fn put_key(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    let key = call.param("key");
    let new = metadata(&Value::Object(body.inner("meta")?.clone()))?;
    if new.len() != 1 || !new.contains_key(key) {
        return Err(Fault::bad("Request body and URI mismatch"));
    }
    let view = change(&cinder, &call, |volume| {
        let view = json!({"meta": new});
        volume.metadata.extend(new);
        Ok(view)
    })?;
    answer(StatusCode::OK, view)
}

pub(super) async fn delete_key(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let key = call.param("key");
    change(&cinder, &call, |volume| {
        volume.metadata.remove(key).map(Value::String).ok_or_else(|| missing(key))
    })?;
    empty(StatusCode::OK)
}
