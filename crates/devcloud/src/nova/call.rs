//! What every handler gets to know about a request.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::Nova;
use super::microversion::Microversion;
use crate::caller::Caller;
use crate::cinder::Fault;

/// What a handler answers.
pub(super) type Answer = Result<Response, Fault>;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) version: Microversion,
    params: HashMap<String, String>,
}

impl Call {
    fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The server in the path.
    pub(super) fn server(&self) -> &str {
        self.param("server")
    }

    /// The volume in the path.
    pub(super) fn volume(&self) -> &str {
        self.param("volume")
    }
}

impl FromRequestParts<Arc<Nova>> for Call {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, nova: &Arc<Nova>) -> Result<Self, Fault> {
        let version = Microversion::of(&parts.headers)?;
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            return Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "The request you have made requires authentication.",
            ));
        };
        let params = RawPathParams::from_request_parts(parts, nova)
            .await
            .map(|raw| raw.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            .unwrap_or_default();
        Ok(Self { caller, version, params })
    }
}
