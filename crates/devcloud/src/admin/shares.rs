//! What the storage behind shares does by itself: it moves, and it applies rules again.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::{Shared, parse, refuse};

/// Body of a move.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Where {
    /// Address, without brackets.
    host: String,
}

/// `POST /admin/shares/{id}/move`: the share is exported from elsewhere from now on.
pub(crate) async fn relocate(State(control): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let asked = parse::<Where>(&body).and_then(|to| Ok((to, control.services()?)));
    finished(match asked {
        Ok((to, services)) => Ok(services.manila.move_share(&id, &to.host).await),
        Err(answer) => Err(answer),
    })
}

/// `POST /admin/shares/{id}/resync`: rules in force are being applied again for a while.
pub(crate) async fn resync(State(control): Shared, Path(id): Path<String>) -> Response {
    finished(control.services().map(|services| services.manila.resync(&id)))
}

fn finished(result: Result<Result<(), String>, Box<Response>>) -> Response {
    match result {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(reason)) => refuse(StatusCode::CONFLICT, reason),
        Err(answer) => *answer,
    }
}
