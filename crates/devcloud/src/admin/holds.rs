//! Requests that wait for a release.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::faults::Phase;
use super::{Shared, refuse};

/// Who waits.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Waiting {
    pub(crate) fault: u64,
    pub(crate) phase: Phase,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) request_id: String,
}

type Held = BTreeMap<u64, (Waiting, oneshot::Sender<()>)>;

/// All requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<(u64, Held)>);

impl Holds {
    fn with<T>(&self, act: impl FnOnce(&mut (u64, Held)) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until somebody releases it.
    pub(crate) async fn wait(&self, who: Waiting) {
        let (sender, receiver) = oneshot::channel();
        self.with(|(last, held)| {
            *last += 1;
            held.insert(*last, (who, sender));
        });
        // A dropped sender releases, too.
        drop(receiver.await);
    }

    /// Lets everybody go.
    pub(crate) fn release_all(&self) {
        self.with(|(_, held)| held.clear());
    }
}

/// `GET /admin/holds`.
pub(crate) async fn list(State(control): Shared) -> Response {
    let holds: Vec<_> = control.holds.with(|(_, held)| {
        let entry = |(id, (who, _)): (&u64, &(Waiting, _))| {
            let mut entry = json!(who);
            if let Some(map) = entry.as_object_mut() {
                map.insert("id".into(), (*id).into());
            }
            entry
        };
        held.iter().map(entry).collect()
    });
    Json(json!({"holds": holds})).into_response()
}

/// `POST /admin/holds/{id}/release`.
pub(crate) async fn release(State(control): Shared, Path(id): Path<u64>) -> Response {
    match control.holds.with(|(_, held)| held.remove(&id)) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => refuse(StatusCode::NOT_FOUND, format!("nobody waits as {id}")),
    }
}
