//! The version documents at the roots, which need no token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Cinder;
use super::call::{Answer, answer};
use super::fault::Fault;
use super::microversion::Microversion;

/// `GET /`: 300, multiple choices, even though there is one.
pub(super) async fn choices(State(cinder): State<Arc<Cinder>>, headers: HeaderMap) -> Answer {
    answer(StatusCode::MULTIPLE_CHOICES, document(&cinder, &headers))
}

/// `GET /v3/`.
pub(super) async fn version(State(cinder): State<Arc<Cinder>>, headers: HeaderMap) -> Answer {
    answer(StatusCode::OK, document(&cinder, &headers))
}

/// Any other path.
pub(super) async fn nothing() -> Result<Response, Fault> {
    Err(Fault::no_such_path())
}

/// A path that is served, but not with this method.
pub(super) async fn no_such_method() -> Result<Response, Fault> {
    Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for this resource."))
}

fn document(cinder: &Cinder, headers: &HeaderMap) -> Value {
    let base = cinder.public_url().unwrap_or_else(|| {
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        format!("http://{}", host.unwrap_or("localhost"))
    });
    json!({"versions": [{
        "id": "v3.0",
        "status": "CURRENT",
        "version": Microversion::MAX.to_string(),
        "min_version": Microversion::MIN.to_string(),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": format!("{base}/v3/")},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }]})
}
