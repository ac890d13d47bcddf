//! The interface for tests and operators of the development cloud: faults, the request log, the whole model.
//! It asks for no token and answers only callers on this machine.

pub(crate) mod faults;
pub(crate) mod holds;
mod inspect;
pub(crate) mod log;
mod servers;
mod settings;
mod shares;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::cinder::Cinder;
use crate::keystone::Keystone;
use crate::manila::Manila;
use crate::neutron::NeutronService;
use crate::nova::Nova;
use crate::upstream::Upstreams;
use faults::FaultPlan;
use holds::Holds;
use log::RequestLog;

/// What the front of the cloud consults for every request, and `/admin` changes.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) faults: FaultPlan,
    pub(crate) holds: Holds,
    pub(crate) log: RequestLog,
    latency_ms: AtomicU64,
    pub(crate) behind: Behind,
}

/// What stands behind the front.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The services of this process.
    Services(Services),
    /// Services somewhere else, of whose insides nothing is known.
    Upstreams(Arc<Upstreams>),
}

/// The services of this process.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) keystone: Arc<Keystone>,
    pub(crate) neutron: Arc<NeutronService>,
    pub(crate) cinder: Arc<Cinder>,
    pub(crate) nova: Arc<Nova>,
    pub(crate) manila: Arc<Manila>,
}

impl Control {
    pub(crate) fn new(latency: Duration, behind: Behind) -> Self {
        Self {
            faults: FaultPlan::default(),
            holds: Holds::default(),
            log: RequestLog::default(),
            latency_ms: AtomicU64::new(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            behind,
        }
    }

    /// The services of this process, or the answer to a call that needs them.
    fn services(&self) -> Result<&Services, Box<Response>> {
        match &self.behind {
            Behind::Services(services) => Ok(services),
            Behind::Upstreams(_) => Err(Box::new(refuse(
                StatusCode::NOT_IMPLEMENTED,
                "the services stand behind this front and only they know that; ask their own API",
            ))),
        }
    }

    /// Added to each answer.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }
}

/// Shared handle of the handlers.
type Shared = State<Arc<Control>>;

/// Everything under `/admin`.
pub(crate) fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/admin/ready", get(ready))
        .route("/admin/faults", post(faults::add).get(faults::list).delete(faults::clear))
        .route("/admin/holds", get(holds::list))
        .route("/admin/holds/{id}/release", post(holds::release))
        .route("/admin/log", get(log::list).delete(log::clear))
        .route("/admin/log/marker", post(log::mark))
        .route("/admin/state", get(inspect::state))
        .route("/admin/servers", post(servers::register))
        .route("/admin/shares/{id}/move", post(shares::relocate))
        .route("/admin/shares/{id}/resync", post(shares::resync))
        .route("/admin/tokens/revoke", post(settings::revoke))
        .route("/admin/options", get(settings::show).post(settings::change))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such admin call") })
        .with_state(control)
}

/// `GET /admin/ready`: 200 when the cloud, or everything behind this front, answers.
async fn ready(State(control): Shared) -> Response {
    let unready = match &control.behind {
        Behind::Services(_) => None,
        Behind::Upstreams(upstreams) => upstreams.unready().await,
    };
    match unready {
        None => Json(json!({"ready": true})).into_response(),
        Some(reason) => refuse(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

/// An error answer of this interface.
pub(crate) fn refuse(status: StatusCode, message: impl std::fmt::Display) -> Response {
    (status, Json(json!({"error": message.to_string()}))).into_response()
}

/// Reads a body; an empty one counts as `{}`.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Box<Response>> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Box::new(refuse(StatusCode::BAD_REQUEST, error)))
}
