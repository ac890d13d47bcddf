//! Keeps the token: one request for it at a time, none in vain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::call::Repeat;
use super::exchange::{About, Failure, shown};
use super::{Session, Token, retry, token};
use crate::settings::Credentials;
use crate::{Error, Result};

const SERVICE: &str = "identity";
const TEMPLATE: &str = "/auth/tokens";
/// Below the deadline of the calls that wait for the token.
const DEADLINE: Duration = Duration::from_secs(15);
/// While the old token still works, calls do not wait long for a new one.
const DEADLINE_OF_RENEWAL: Duration = Duration::from_secs(5);
/// How long a failure is answered from memory.
const REMEMBER_FAILURE: Duration = Duration::from_secs(1);
/// The same while the old token still works.
const REMEMBER_FAILED_RENEWAL: Duration = Duration::from_secs(10);

/// The token in use and the last failure to get one.
#[derive(Default)]
pub(super) struct Keeper(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    failed: Option<(Instant, Error)>,
}

impl Session {
    /// A good token, other than the `refused` one. Concurrent callers wait for the same request.
    pub(super) async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>> {
        let mut state = self.shared.keeper.0.lock().await;
        if state.token.as_ref().zip(refused).is_some_and(|(ours, refused)| Arc::ptr_eq(ours, refused)) {
            state.token = None;
        }
        if let Some(token) = state.token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(Arc::clone(token));
        }
        let usable = state.token.clone().filter(|token| token.is_valid());
        let (deadline, remember) = match usable {
            Some(_) => (DEADLINE_OF_RENEWAL, REMEMBER_FAILED_RENEWAL),
            None => (DEADLINE, REMEMBER_FAILURE),
        };
        if let Some((at, error)) = &state.failed
            && at.elapsed() < remember
        {
            return usable.ok_or_else(|| error.clone());
        }
        // A quarter is left for the call itself.
        let deadline = self.settings().timeout.map_or(deadline, |timeout| deadline.min(timeout * 3 / 4));
        let until = tokio::time::Instant::now() + deadline;
        let answer = tokio::time::timeout(deadline, self.ask_for_token(until)).await;
        match answer.unwrap_or_else(|_| Err(self.no_token_in_time(deadline))) {
            Ok(token) => {
                let token = Arc::new(token);
                *state = State { token: Some(Arc::clone(&token)), failed: None };
                Ok(token)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                if usable.is_some() {
                    tracing::warn!(%error, "cannot renew the token, going on with the old one");
                }
                usable.ok_or(error)
            }
        }
    }

    pub(super) fn no_token_in_time(&self, waited: Duration) -> Error {
        Error::Unreachable {
            service: SERVICE,
            operation: "get a token".to_owned(),
            url: self.settings().auth_url.as_ref().map(shown).unwrap_or_default(),
            reason: format!("no answer within {:.1} s", waited.as_secs_f64()),
            sent: false,
        }
    }

    async fn ask_for_token(&self, until: tokio::time::Instant) -> Result<Token> {
        let settings = self.settings();
        let auth_url = match (&settings.credentials, &settings.auth_url) {
            (Credentials::None, _) => return Ok(Token::none()),
            (_, Some(url)) => url,
            (_, None) => {
                return Err(Error::Config(format!(
                    "`auth_url` is missing in {}: it says where Keystone is",
                    settings.origin
                )));
            }
        };
        let mut url: Url = auth_url.clone();
        url.set_path(&format!("{}{TEMPLATE}", url.path().trim_end_matches('/')));
        let operation = format!("get a token with {}", settings.origin);
        let global_id = format!("req-{}", Uuid::new_v4());
        let about = About {
            service: SERVICE,
            method: &Method::POST,
            template: TEMPLATE,
            operation: &operation,
            url: &url,
            global_id: &global_id,
        };
        let body = token::request(settings);
        let mut pauses = retry::pauses();
        loop {
            let request = self.shared.http.post(url.clone()).json(&body);
            let received = Instant::now();
            let (error, repeat, retry_after) = match self.exchange(request, &about).await {
                Ok(reply) if reply.status == 200 || reply.status == 201 => {
                    let id =
                        reply.subject_token.ok_or_else(|| decode(&operation, "no X-Subject-Token header"))?;
                    let answer = serde_json::from_slice(&reply.body)
                        .map_err(|e| decode(&operation, &super::without_values(&e.to_string())))?;
                    return Ok(Token::new(id, answer, received));
                }
                Ok(reply) => {
                    let repeat =
                        retry::after_status(Repeat::Always, reply.status, reply.retry_after.is_some());
                    (self.no_token(&about, &reply), repeat, reply.retry_after)
                }
                // A second token does no harm.
                Err(Failure { error, .. }) => (error, true, None),
            };
            self.pause_or_fail(&mut pauses, until, error, repeat, retry_after).await?;
        }
    }

    /// Keystone's refusal, with what to do about it.
    fn no_token(&self, about: &About<'_>, reply: &super::Reply) -> Error {
        let error = self.refusal(about, reply, &Token::none());
        match error {
            Error::Api(mut api) if api.status == 401 || api.status == 403 => {
                api.message = format!(
                    "{}; check the credentials and the scope in {}",
                    api.message,
                    self.settings().origin
                );
                Error::Api(api)
            }
            other => other,
        }
    }
}

fn decode(operation: &str, reason: &str) -> Error {
    Error::Decode { service: SERVICE, operation: operation.to_owned(), reason: reason.to_owned() }
}
