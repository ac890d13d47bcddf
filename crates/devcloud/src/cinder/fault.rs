//! Refusals as Cinder and Nova word them: `{"itemNotFound": {"code": 404, "message": "..."}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, json};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400 about the state of a volume.
    pub(super) fn invalid_volume(message: impl std::fmt::Display) -> Self {
        Self::bad(format!("Invalid volume: {message}"))
    }

    /// 400 about one field of the body.
    pub(super) fn field(name: &str, value: impl std::fmt::Display, why: &str) -> Self {
        Self::bad(format!("Invalid input for field/attribute {name}. Value: {value}. {why}"))
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404 about a resource by id.
    pub(crate) fn absent(kind: &str, id: &str) -> Self {
        Self::not_found(format!("{kind} {id} could not be found."))
    }

    /// 404: the path, or the path at this microversion, is not served.
    pub(crate) fn no_such_path() -> Self {
        Self::not_found("The resource could not be found.")
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 413: a quota is reached.
    pub(super) fn over_limit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 403: not for this role.
    pub(super) fn policy(rule: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, format!("Policy doesn't allow {rule} to be performed."))
    }

    /// 500: the back end failed.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 | 429 => "overLimit",
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
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            inner.insert("retryAfter".into(), json!("0"));
        }
        let mut response = (self.status, Json(json!({ self.kind(): inner }))).into_response();
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("0"));
        }
        response
    }
}
