//! What every request passes on its way to a service: the log, planned faults, latency, request ids.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, request::Parts};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::admin::Control;
use crate::admin::faults::{Action, Phase};
use crate::admin::holds::Waiting;
use crate::admin::log::Entry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection closed without an answer")]
pub(crate) struct Closed;

/// The front of all services.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) control: Arc<Control>,
    pub(crate) services: Router,
    pub(crate) admin: Router,
}

/// The catalog's name of the service a path belongs to.
fn service_of(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("identity") => "identity",
        Some("networking") => "network",
        Some("volume") => "block-storage",
        Some("compute") => "compute",
        Some("metadata") => "metadata",
        Some("share") => "shared-file-system",
        _ => "other",
    }
}

/// Services take a path with and without a slash at its end.
pub(crate) fn without_slash(uri: &Uri) -> Uri {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return uri.clone();
    }
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    text.parse().unwrap_or_else(|_| uri.clone())
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

impl Front {
    /// A call of the admin interface: neither logged nor disturbed.
    pub(crate) async fn admin(&self, parts: Parts, body: Bytes) -> Response {
        run(&self.admin, parts, body).await
    }

    /// A call of a service.
    pub(crate) async fn handle(&self, parts: Parts, body: Bytes) -> Result<Response, Closed> {
        let control = &self.control;
        let request_id = format!("req-{}", Uuid::new_v4());
        let path = parts.uri.path().to_owned();
        let service = service_of(&path);
        let n = control.log.begin(Entry {
            service,
            method: parts.method.to_string(),
            path: path.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            request_id: request_id.clone(),
            global_request_id: header(&parts, "x-openstack-request-id"),
            user_agent: header(&parts, "user-agent"),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            ..Entry::default()
        });
        let planned = control.faults.decide(service, parts.method.as_str(), without_slash(&parts.uri).path());
        let (fault, action) = planned.map_or((None, Action::default()), |(id, action)| (Some(id), action));
        let who = |phase| Waiting {
            fault: fault.unwrap_or_default(),
            phase,
            method: parts.method.to_string(),
            path: path.clone(),
            request_id: request_id.clone(),
        };
        let (before, after) = (who(Phase::Before), who(Phase::After));
        tokio::time::sleep(control.latency() + Duration::from_millis(action.delay_ms.unwrap_or_default()))
            .await;
        if action.hold == Some(Phase::Before) {
            control.holds.wait(before).await;
        }
        if action.drop {
            control.log.end(n, None, fault, None);
            return Err(Closed);
        }
        let mut answer = match action.status.and_then(|s| StatusCode::from_u16(s).ok()) {
            Some(status) => planned_answer(service, status, &action),
            None => run(&self.services, parts, body).await,
        };
        if action.hold == Some(Phase::After) {
            control.holds.wait(after).await;
        }
        // A service behind us has its own number for the request, by which its log names it.
        let given = answer.headers().get(REQUEST_ID).and_then(|v| v.to_str().ok());
        control.log.end(n, Some(answer.status().as_u16()), fault, given);
        if action.lose_answer {
            return Err(Closed);
        }
        if let (None, Ok(value)) = (given, HeaderValue::from_str(&request_id)) {
            answer.headers_mut().insert(REQUEST_ID, value);
        }
        Ok(answer)
    }
}

async fn run(router: &Router, parts: Parts, body: Bytes) -> Response {
    match router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// A planned error in the form the service itself would give it.
fn planned_answer(service: &str, status: StatusCode, action: &Action) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let message = "planned by the development cloud";
    let body = action.body.clone().unwrap_or_else(|| match service {
        "identity" => json!({"error": {"code": status.as_u16(), "title": title, "message": message}}),
        "block-storage" | "shared-file-system" | "compute" => {
            json!({"computeFault": {"code": status.as_u16(), "message": message}})
        }
        _ => json!({"NeutronError": {"type": "HTTPError", "message": message, "detail": ""}}),
    });
    let mut answer = match body {
        Value::String(text) => (status, text).into_response(),
        body => (status, axum::Json(body)).into_response(),
    };
    for (name, value) in &action.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
