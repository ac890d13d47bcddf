//! The whole model in one answer, for leak checks.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Shared;

/// The values of tables kept by id, as lists.
fn lists(tables: Value) -> Map<String, Value> {
    let Value::Object(tables) = tables else { return Map::new() };
    tables
        .into_iter()
        .filter_map(|(name, table)| match table {
            Value::Object(rows) => Some((name, rows.into_iter().map(|(_, row)| row).collect())),
            _ => None,
        })
        .collect()
}

/// `GET /admin/state`.
pub(crate) async fn state(State(control): Shared) -> Response {
    let services = match control.services() {
        Ok(services) => services,
        Err(answer) => return *answer,
    };
    let mut all = lists(services.neutron.read(|model| json!(model)));
    all.remove("quotas");
    let mut volume = lists(services.cinder.snapshot());
    volume.remove("quotas");
    all.extend(volume);
    all.extend(lists(services.nova.snapshot()));
    let mut share = lists(services.manila.snapshot());
    share.remove("share_quotas");
    all.extend(share);
    all.insert("projects".into(), services.keystone.projects());
    Json(all).into_response()
}
