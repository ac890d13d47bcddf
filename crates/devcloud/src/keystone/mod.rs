//! The Identity API v3: who may call, and where the services are.

mod access;
mod auth_request;
mod catalog;
mod directory;
mod fault;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) use access::authenticate;
use directory::Directory;
pub use directory::{APPLICATION_CREDENTIAL_ID, APPLICATION_CREDENTIAL_NAME, TRUST_ID};
use tokens::Token;

use crate::options::Options;

/// The identity service.
#[derive(Debug)]
pub(crate) struct Keystone {
    state: Mutex<Known>,
    lifetime: Duration,
    pub(crate) public_url: String,
}

#[derive(Debug)]
struct Known {
    directory: Directory,
    tokens: HashMap<String, Token>,
}

impl Keystone {
    pub(crate) fn new(options: &Options, public_url: String) -> Self {
        let known = Known { directory: Directory::seeded(options), tokens: HashMap::new() };
        Self { state: Mutex::new(known), lifetime: options.token_lifetime, public_url }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives `demo` the role `admin`, or takes it.
    pub(crate) fn set_demo_is_admin(&self, on: bool) {
        self.with(|known| known.directory.demo_is_admin = on);
    }

    /// Forgets tokens: one by its text, or those of one user by name, or all. Tells how many.
    pub(crate) fn revoke(&self, token: Option<&str>, user: Option<&str>) -> usize {
        self.with(|known| {
            let before = known.tokens.len();
            let user =
                user.map(|name| known.directory.user_named(name).map(|u| u.id.clone()).unwrap_or_default());
            known.tokens.retain(|text, held| match (token, &user) {
                (Some(token), _) => text != token,
                (None, Some(user)) => held.user_id != *user,
                (None, None) => false,
            });
            before - known.tokens.len()
        })
    }

    /// Project ids by name.
    pub(crate) fn projects(&self) -> Value {
        self.with(|known| {
            known.directory.projects.iter().map(|p| (p.name.clone(), Value::from(p.id.clone()))).collect()
        })
    }
}

/// Everything under `/identity`.
pub(crate) fn router(service: Arc<Keystone>) -> Router {
    Router::new()
        .route("/identity", get(versions))
        .route("/identity/v3", get(version))
        .route("/identity/v3/auth/tokens", post(tokens::issue).get(tokens::validate).delete(tokens::revoke))
        .route("/identity/v3/auth/catalog", get(tokens::catalog))
        .route("/identity/v3/auth/projects", get(tokens::projects))
        .fallback(|| async { fault::Fault::not_found("The resource could not be found.") })
        .with_state(service)
}

fn v3(service: &Keystone) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/identity/v3/", service.public_url)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

async fn versions(State(service): State<Arc<Keystone>>) -> Response {
    let body = json!({"versions": {"values": [v3(&service)]}});
    (StatusCode::MULTIPLE_CHOICES, Json(body)).into_response()
}

async fn version(State(service): State<Arc<Keystone>>) -> Response {
    Json(json!({"version": v3(&service)})).into_response()
}

/// The id of a seeded project: the same in every run.
pub(crate) fn project_id(name: &str) -> String {
    directory::stable_id("project", name)
}
