//! What every handler gets to know about a request, and how it answers.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use super::Manila;
use super::fault::Fault;
use super::microversion::Microversion;
use crate::caller::Caller;

/// What a handler answers.
pub(super) type Answer = Result<Response, Fault>;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) version: Microversion,
    pub(super) request_id: String,
    pub(super) query: Vec<(String, String)>,
    /// URL before `/shares`.
    pub(super) base: String,
    params: HashMap<String, String>,
}

impl Call {
    /// A part of the path by its name in the route; empty if the route has none.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.param("id")
    }

    /// A query parameter; the last one wins.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean query parameter; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.query(name) {
            None => Ok(false),
            Some(text) => {
                bool_of(text).ok_or_else(|| Fault::bad(format!("Invalid value '{text}' for '{name}'.")))
            }
        }
    }

    /// 404 below a microversion, as for a path that does not exist.
    pub(super) fn needs(&self, version: Microversion) -> Result<(), Fault> {
        if self.version < version { Err(Fault::no_such_path()) } else { Ok(()) }
    }

    /// 403 unless an administrator calls.
    pub(super) fn needs_admin(&self, rule: &str) -> Result<(), Fault> {
        if self.caller.is_admin {
            Ok(())
        } else {
            Err(Fault::forbidden(format!("Policy doesn't allow {rule} to be performed.")))
        }
    }

    /// Whether a list covers all projects.
    pub(super) fn all_projects(&self) -> Result<bool, Fault> {
        Ok((self.flag("all_tenants")? || self.flag("all_projects")?) && self.caller.is_admin)
    }
}

impl FromRequestParts<Arc<Manila>> for Call {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, manila: &Arc<Manila>) -> Result<Self, Fault> {
        let version = parts.extensions.get::<Microversion>().copied().unwrap_or(Microversion::MIN);
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            return Err(Fault::new(StatusCode::UNAUTHORIZED, "This request needs a token."));
        };
        let params: HashMap<String, String> = RawPathParams::from_request_parts(parts, manila)
            .await
            .map(|raw| raw.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            .unwrap_or_default();
        let Query(query) = Query::<Vec<(String, String)>>::from_request_parts(parts, manila)
            .await
            .map_err(|error| Fault::bad(error.to_string()))?;
        let mut base = format!("{}/v2", manila.base_url(&parts.headers));
        match params.get("project_id") {
            Some(project) if *project != caller.project_id => {
                return Err(Fault::bad("Malformed request url"));
            }
            Some(project) => {
                base.push('/');
                base.push_str(project);
            }
            None if version < Microversion::NO_PROJECT => return Err(Fault::no_such_path()),
            None => {}
        }
        let request_id = format!("req-{}", super::model::new_id());
        Ok(Self { caller, version, request_id, query, base, params })
    }
}

/// A JSON object.
#[derive(Debug)]
pub(super) struct Body(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Fault::new(error.status(), error.body_text()))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            _ => Err(Fault::bad("Malformed request body")),
        }
    }
}

impl Body {
    /// The one object a body wraps, such as `share`; 422 without.
    pub(super) fn inner(&self, name: &str) -> Result<&Map<String, Value>, Fault> {
        match self.0.get(name) {
            Some(Value::Object(object)) => Ok(object),
            _ => Err(Fault::unprocessable("Unable to process the contained instructions")),
        }
    }
}

/// A JSON answer.
pub(super) fn answer(status: StatusCode, body: Value) -> Answer {
    Ok((status, Json(body)).into_response())
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    Ok(status.into_response())
}

/// As oslo's `bool_from_string`, strict.
pub(super) fn bool_of(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A JSON boolean, or a string that means one; absent is false.
pub(super) fn bool_field(fields: &Map<String, Value>, key: &str) -> Result<bool, Fault> {
    let read = match fields.get(key) {
        None | Some(Value::Null) => Some(false),
        Some(Value::Bool(value)) => Some(*value),
        Some(Value::String(text)) => bool_of(text),
        Some(_) => None,
    };
    read.ok_or_else(|| Fault::invalid_input(format!("{key} is not a boolean")))
}

/// A text of at most 255 characters. `None`: no such key. `Some(None)`: null.
pub(super) fn text_field(
    fields: &Map<String, Value>,
    keys: &[&str],
) -> Result<Option<Option<String>>, Fault> {
    for key in keys {
        match fields.get(*key) {
            None => {}
            Some(Value::Null) => return Ok(Some(None)),
            Some(Value::String(text)) if text.chars().count() <= 255 => return Ok(Some(Some(text.clone()))),
            Some(_) => return Err(Fault::invalid_input(format!("{key} can only be 255 characters long"))),
        }
    }
    Ok(None)
}
