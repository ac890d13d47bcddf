//! The version documents at the roots, which need no token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Manila;
use super::call::{Answer, answer};
use super::fault::Fault;
use super::microversion::Microversion;

/// `GET /`: 300, multiple choices, even though there is one.
pub(super) async fn choices(State(manila): State<Arc<Manila>>, headers: HeaderMap) -> Answer {
    answer(StatusCode::MULTIPLE_CHOICES, document(&manila, &headers))
}

/// `GET /v2/`.
pub(super) async fn version(State(manila): State<Arc<Manila>>, headers: HeaderMap) -> Answer {
    answer(StatusCode::OK, document(&manila, &headers))
}

/// Any other path.
pub(super) async fn nothing() -> Result<Response, Fault> {
    Err(Fault::no_such_path())
}

/// A path that is served, but not with this method.
pub(super) async fn no_such_method() -> Result<Response, Fault> {
    Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for this resource."))
}

fn document(manila: &Manila, headers: &HeaderMap) -> Value {
    let base = manila.base_url(headers);
    json!({"versions": [{
        "id": "v2.0",
        "status": "CURRENT",
        "version": manila.newest().to_string(),
        "min_version": Microversion::MIN.to_string(),
        "updated": "2015-08-27T11:33:21Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
            {"rel": "self", "href": format!("{base}/v2/")},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.share+json;version=1"}],
    }]})
}
