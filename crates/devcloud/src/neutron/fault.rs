//! Neutron's faults: `{"NeutronError": {"type", "message", "detail"}}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// A refused request.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Fault {
    /// A fault of one of Neutron's exception types.
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    /// 400 with an exception type of its own.
    pub(crate) fn bad(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message)
    }

    /// 409.
    pub(crate) fn conflict(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, message)
    }

    /// 404.
    pub(crate) fn not_found(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, message)
    }

    /// 400: the request's form is wrong.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::bad("HTTPBadRequest", message)
    }

    /// 400: an attribute's value is wrong.
    pub(crate) fn attribute(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::request(format!("Invalid input for {name}. Reason: {reason}."))
    }

    /// 400: the values do not fit the model.
    pub(crate) fn input(reason: impl std::fmt::Display) -> Self {
        Self::bad("InvalidInput", format!("Invalid input for operation: {reason}."))
    }

    /// 403.
    pub(crate) fn policy(rule: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "PolicyNotAuthorized",
            format!("(rule:{rule}) is disallowed by policy"),
        )
    }

    /// 500: what Neutron answers where its own code fails.
    pub(crate) fn internal() -> Self {
        let text = "Request Failed: internal server error while processing your request.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "HTTPInternalServerError", text)
    }

    /// 409: no quota left.
    pub(crate) fn over_quota(resource: &str) -> Self {
        Self::conflict("OverQuota", format!("Quota exceeded for resources: ['{resource}']."))
    }

    /// 412: `If-Match` does not hold.
    pub(crate) fn revision(expected: u64, current: u64) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "RevisionNumberConstraintFailed",
            format!("Constrained to {expected}, but current revision is {current}"),
        )
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({"NeutronError": {"type": self.kind, "message": self.message, "detail": ""}});
        (self.status, axum::Json(body)).into_response()
    }
}
