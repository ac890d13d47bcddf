//! `/shares/{id}/metadata`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::Manila;
use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::model::Metadata;

/// Keys and values of a body. Unlike Cinder's, no value may be empty.
pub(super) fn read(value: &Value) -> Result<Metadata, Fault> {
    let Value::Object(entries) = value else { return Err(Fault::bad("Malformed request body")) };
    let mut metadata = Metadata::new();
    for (key, value) in entries {
        let Value::String(text) = value else { return Err(Fault::bad("Malformed request body")) };
        if !(1..=255).contains(&key.chars().count()) {
            return Err(Fault::bad(format!("Metadata key '{key}' must have 1 to 255 characters.")));
        }
        if !(1..=1023).contains(&text.chars().count()) {
            return Err(Fault::bad(format!(
                "The value of metadata key '{key}' must have 1 to 1023 characters."
            )));
        }
        metadata.insert(key.clone(), text.clone());
    }
    Ok(metadata)
}

/// The `metadata` of a body.
pub(super) fn of_body(body: &Body) -> Result<Metadata, Fault> {
    read(body.0.get("metadata").unwrap_or(&Value::Null))
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let view = manila.read(|state| {
        let share = state.share(&call.caller, call.id())?;
        Ok::<_, Fault>(json!({"metadata": share.metadata}))
    })?;
    answer(StatusCode::OK, view)
}

/// `POST`: keys not named stay.
pub(super) async fn merge(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let new = of_body(&body)?;
    change(&manila, &call, |metadata| metadata.extend(new))
}

/// `PUT`: keys not named go.
pub(super) async fn replace(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let new = of_body(&body)?;
    change(&manila, &call, |metadata| *metadata = new)
}

fn change(manila: &Manila, call: &Call, change: impl FnOnce(&mut Metadata)) -> Answer {
    let view = manila.write(|state| {
        let share = state.own_share(&call.caller, call.id())?;
        change(&mut share.metadata);
        Ok::<_, Fault>(json!({"metadata": share.metadata}))
    })?;
    answer(StatusCode::OK, view)
}

fn missing(key: &str) -> Fault {
    Fault::not_found(format!("Metadata item {key} was not found"))
}

pub(super) async fn show_key(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let key = call.param("key");
    let view = manila.read(|state| {
        let value = state.share(&call.caller, call.id())?.metadata.get(key).ok_or_else(|| missing(key))?;
        Ok::<_, Fault>(json!({"meta": {key: value}}))
    })?;
    answer(StatusCode::OK, view)
}

pub(super) async fn delete_key(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let key = call.param("key");
    manila.write(|state| {
        let share = state.own_share(&call.caller, call.id())?;
        share.metadata.remove(key).ok_or_else(|| missing(key))
    })?;
    empty(StatusCode::OK)
}
