//! Which path leads where.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::microversion::Microversion;
use super::{Nova, servers, volume_attachments};
use crate::cinder::Fault;

/// The service's paths below `/compute`. Handlers expect a [`crate::caller::Caller`] extension and answer 401 without one;
/// the version documents need none.
pub(crate) fn router(nova: Arc<Nova>) -> Router {
    let attachments = "/servers/{server}/os-volume_attachments";
    let v21 = Router::new()
        .route("/servers", get(servers::list))
        .route("/servers/detail", get(servers::list))
        .route("/servers/{server}", get(servers::show))
        .route(attachments, get(volume_attachments::list).post(volume_attachments::attach))
        .route(
            &format!("{attachments}/{{volume}}"),
            get(volume_attachments::show).delete(volume_attachments::detach),
        );
    Router::new()
        .route("/compute", get(versions))
        .route("/compute/v2.1", get(version))
        .nest("/compute/v2.1", v21)
        .fallback(|| async { Fault::no_such_path() })
        .method_not_allowed_fallback(|| async {
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for this resource.")
        })
        .with_state(nova)
}

async fn versions(State(nova): State<Arc<Nova>>) -> Response {
    Json(json!({"versions": [document(&nova)]})).into_response()
}

async fn version(State(nova): State<Arc<Nova>>) -> Response {
    Json(json!({"version": document(&nova)})).into_response()
}

fn document(nova: &Nova) -> Value {
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": Microversion::MAX.to_string(),
        "min_version": Microversion::MIN.to_string(),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/v2.1/", nova.public_url)}],
    })
}
