//! The gate in front of the other services, as keystonemiddleware's `auth_token`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::Keystone;
use super::fault::Fault;
use super::tokens::Token;
use crate::caller::Caller;
use crate::cinder::ServiceCaller;

/// Documents anybody may read: which versions there are.
const OPEN: [&str; 9] = [
    "/networking",
    "/volume",
    "/volume/",
    "/volume/v3",
    "/share",
    "/share/",
    "/share/v2",
    "/compute",
    "/compute/v2.1",
];

impl Keystone {
    fn valid(&self, request: &Request, header: &str) -> Option<(Token, bool)> {
        let text = request.headers().get(header)?.to_str().ok()?;
        self.with(|known| {
            let token = known.tokens.get(text).filter(|t| t.is_valid())?.clone();
            // Follows the directory, so that a changed role counts at once.
            let project = token.project_id.as_deref().unwrap_or_default();
            let promoted =
                token.trust_id.is_none() && known.directory.roles(&token.user_id, project).contains(&"admin");
            Some((token, promoted))
        })
    }
}

/// Lets requests with a valid token pass, and tells the service who calls.
pub(crate) async fn authenticate(
    State(keystone): State<Arc<Keystone>>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some((token, is_admin)) = keystone.valid(&request, "x-auth-token") else {
        let mut answer = Fault::unauthorized().into_response();
        let place = format!("Keystone uri=\"{}/identity\"", keystone.public_url);
        if let Ok(value) = HeaderValue::from_str(&place) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        return answer;
    };
    if keystone.valid(&request, "x-service-token").is_some_and(|(t, _)| t.roles.contains(&"service")) {
        request.extensions_mut().insert(ServiceCaller);
    }
    // A token without a project owns nothing, sees what is shared and passes no policy.
    let project_id = token.project_id.unwrap_or_default();
    request.extensions_mut().insert(Caller { user_id: token.user_id, project_id, is_admin });
    next.run(request).await
}
