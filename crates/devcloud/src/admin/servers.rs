//! Servers of the compute service.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::{Shared, parse, refuse};
use crate::nova::Registration;

/// `POST /admin/servers`: makes or changes one.
pub(crate) async fn register(State(control): Shared, body: Bytes) -> Response {
    let parsed = parse::<Registration>(&body).and_then(|wanted| Ok((wanted, control.services()?)));
    let (wanted, services) = match parsed {
        Ok(parsed) => parsed,
        Err(answer) => return *answer,
    };
    let name = wanted.project.as_deref().unwrap_or("admin");
    let projects = services.keystone.projects();
    let Some(project) = projects.get(name).and_then(|id| id.as_str()).map(str::to_owned) else {
        return refuse(StatusCode::BAD_REQUEST, format!("there is no project {name}"));
    };
    let server = services.nova.register(wanted, project).await;
    Json(json!({"server": server})).into_response()
}
