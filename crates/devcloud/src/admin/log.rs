//! Every request the services received, to be counted and looked at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, parse};
use crate::clock::now_ms;

/// Entries kept; older ones are forgotten.
const MOST: usize = 100_000;

/// One request, or a marker between requests.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1 and is never reused.
    pub(crate) n: u64,
    /// Time of arrival, milliseconds since 1970.
    pub(crate) time_ms: i64,
    /// `identity`, `network`, `block-storage`, `shared-file-system`, `other` or `marker`.
    pub(crate) service: &'static str,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Status of the service's answer; null while there is none.
    pub(crate) status: Option<u16>,
    /// `x-openstack-request-id` of the answer.
    pub(crate) request_id: String,
    /// `x-openstack-request-id` of the request.
    pub(crate) global_request_id: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// Id of the rule that changed its fate.
    pub(crate) fault: Option<u64>,
    /// Parsed JSON without secrets.
    pub(crate) body: Value,
    /// Text of a marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    kept: VecDeque<Entry>,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Entries>);

impl RequestLog {
    fn with<T>(&self, act: impl FnOnce(&mut Entries) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a request on arrival; gives back its number.
    pub(crate) fn begin(&self, mut entry: Entry) -> u64 {
        redact(&mut entry.body);
        self.with(|log| {
            log.last += 1;
            entry.n = log.last;
            entry.time_ms = now_ms();
            if log.kept.len() >= MOST {
                log.kept.pop_front();
            }
            log.kept.push_back(entry);
            log.last
        })
    }

    /// Notes what became of it; `request_id` if the service gave it another one than ours.
    pub(crate) fn end(&self, n: u64, status: Option<u16>, fault: Option<u64>, request_id: Option<&str>) {
        self.with(|log| {
            if let Some(entry) = log.kept.iter_mut().rev().find(|entry| entry.n == n) {
                entry.status = status;
                entry.fault = fault;
                if let Some(id) = request_id {
                    id.clone_into(&mut entry.request_id);
                }
            }
        });
    }
}

/// Replaces passwords, secrets and tokens wherever they stand.
fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match key.to_lowercase().as_str() {
                    "password" | "adminpass" | "secret" | "auth_password" if inner.is_string() => {
                        *inner = "***".into();
                    }
                    "token" => {
                        if let Some(id) = inner.get_mut("id") {
                            *id = "***".into();
                        }
                    }
                    _ => redact(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Query of `GET /admin/log`.
#[derive(Debug, Deserialize)]
pub(crate) struct Since {
    #[serde(default)]
    since: u64,
}

/// `GET /admin/log?since=N`: entries after number N.
pub(crate) async fn list(State(control): Shared, Query(query): Query<Since>) -> Response {
    let (last, entries) = control.log.with(|log| {
        let entries: Vec<Entry> = log.kept.iter().filter(|e| e.n > query.since).cloned().collect();
        (log.last, entries)
    });
    Json(json!({"last": last, "entries": entries})).into_response()
}

/// `DELETE /admin/log`: forgets the entries; numbers go on.
pub(crate) async fn clear(State(control): Shared) -> Response {
    control.log.with(|log| log.kept.clear());
    StatusCode::NO_CONTENT.into_response()
}

/// Body of a marker.
#[derive(Debug, Deserialize)]
struct Marker {
    #[serde(default)]
    text: String,
}

/// `POST /admin/log/marker` `{"text"}`.
pub(crate) async fn mark(State(control): Shared, body: Bytes) -> Response {
    let marker: Marker = match parse(&body) {
        Ok(marker) => marker,
        Err(answer) => return *answer,
    };
    let entry = Entry { service: "marker", marker: Some(marker.text), ..Entry::default() };
    let n = control.log.begin(entry);
    (StatusCode::CREATED, Json(json!({"n": n}))).into_response()
}
