//! Refusals as Manila words them: `{"itemNotFound": {"code": 404, "message": "..."}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, json};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 about something in the body or query.
    pub(super) fn invalid_input(reason: impl std::fmt::Display) -> Self {
        Self::bad(format!("Invalid input received: {reason}."))
    }

    /// 400 about the state of a share. Deletion calls it 403.
    pub(super) fn invalid_share(reason: impl std::fmt::Display) -> Self {
        Self::bad(format!("Invalid share: {reason}."))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 422: the body does not hold what the path is about, or asks for what the share cannot do.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404 about a resource by id.
    pub(super) fn absent(kind: &str, id: &str) -> Self {
        Self::not_found(format!("{kind} {id} could not be found."))
    }

    /// 404: the path, or the path at this microversion, is not served.
    pub(super) fn no_such_path() -> Self {
        Self::not_found("The resource could not be found.")
    }

    /// 413: a quota is reached.
    pub(super) fn over_limit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 => "overLimit",
            415 => "badMediaType",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            // The name is a heirloom from Nova.
            _ => "computeFault",
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut inner = Map::new();
        inner.insert("code".into(), json!(self.status.as_u16()));
        inner.insert("message".into(), json!(self.message));
        let over_limit = self.status == StatusCode::PAYLOAD_TOO_LARGE;
        if over_limit {
            inner.insert("retryAfter".into(), json!("0"));
        }
        let mut response = (self.status, Json(json!({ self.kind(): inner }))).into_response();
        if over_limit {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("0"));
        }
        response
    }
}
