//! A session: credentials, token, catalog and the rules by which calls are made.

mod call;
mod catalog;
mod exchange;
mod identity;
mod retry;
mod token;
mod transport;
mod versions;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderValue;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::error::ApiError;
use crate::settings::{AuthSettings, Credentials, ServiceType};
use crate::{Error, Result, fault};

pub(crate) use call::Call;
pub use exchange::CallRecord;
use exchange::{About, Failure, Reply, shown};
pub(crate) use token::Token;
pub(crate) use versions::Microversion;

/// Sees every exchange. Called on the path of the call: it must be quick.
pub type Observer = Arc<dyn Fn(&CallRecord) + Send + Sync>;

/// A set of credentials in use: one token, one pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    observer: Option<Observer>,
}

struct Shared {
    settings: AuthSettings,
    http: reqwest::Client,
    keeper: identity::Keeper,
    versions: versions::Known,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Session {
    /// Sets up a session. Makes no call: the cloud may be down.
    ///
    /// # Errors
    /// [`Error::Config`]: a certificate or key file cannot be read.
    pub fn new(settings: AuthSettings) -> Result<Self> {
        let http = transport::client(&settings.tls, &settings.origin)?;
        let (keeper, versions) = (identity::Keeper::default(), versions::Known::default());
        Ok(Self { shared: Arc::new(Shared { settings, http, keeper, versions }), observer: None })
    }

    /// The same session, with `observer` told of every exchange made through it and its clones.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &AuthSettings {
        &self.shared.settings
    }

    /// Gets a token unless there is a good one: to find wrong credentials early.
    ///
    /// # Errors
    /// Whatever keeps Keystone from giving one.
    pub async fn authenticate(&self) -> Result<()> {
        self.token(None).await.map(drop)
    }

    /// The project the token is for, if it is for one.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn project_id(&self) -> Result<Option<String>> {
        Ok(self.token(None).await?.project_id.clone())
    }

    /// Makes a call and reads its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|e| call.decode(e.to_string()))
    }

    /// Makes a call within its deadline.
    pub(crate) async fn send(&self, call: &Call) -> Result<Vec<u8>> {
        let deadline = self.deadline(call.deadline);
        let sent = AtomicBool::new(false);
        let attempts = self.attempts(call, Instant::now() + deadline, &sent);
        tokio::time::timeout(deadline, attempts).await.unwrap_or_else(|_| {
            Err(if sent.load(Ordering::Relaxed) {
                Error::Timeout {
                    service: call.service.as_str(),
                    operation: call.operation.clone(),
                    seconds: deadline.as_secs().max(1),
                }
            } else {
                self.no_token_in_time(deadline)
            })
        })
    }

    fn deadline(&self, usual: Duration) -> Duration {
        self.shared.settings.timeout.unwrap_or(usual)
    }

    async fn attempts(&self, call: &Call, until: Instant, sent: &AtomicBool) -> Result<Vec<u8>> {
        let global_id = format!("req-{}", Uuid::new_v4());
        let mut pauses = retry::pauses();
        let mut refused: Option<Arc<Token>> = None;
        loop {
            let token = self.token(refused.as_ref()).await?;
            let mut url = catalog::endpoint(&self.shared.settings, &token, call.service)?;
            url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
            url.set_query(call.query.as_deref());
            let about = About {
                service: call.service.as_str(),
                method: &call.method,
                template: call.template,
                operation: &call.operation,
                url: &url,
                global_id: &global_id,
            };
            sent.store(true, Ordering::Relaxed);
            let (error, repeat, retry_after) =
                match self.exchange(self.request(call, &url, &token)?, &about).await {
                    Ok(reply) if (200..300).contains(&reply.status) => return Ok(reply.body),
                    Ok(reply) if reply.status == 401 && refused.is_none() && token.id.is_some() => {
                        // The service did not look at the request, so this repeats nothing, whatever the method.
                        sent.store(false, Ordering::Relaxed);
                        refused = Some(token);
                        continue;
                    }
                    Ok(reply) => {
                        let repeat =
                            retry::after_status(call.repeat, reply.status, reply.retry_after.is_some());
                        (self.refusal(&about, &reply, &token), repeat, reply.retry_after)
                    }
                    Err(Failure { error, sent }) => (error, retry::after_failure(call.repeat, sent), None),
                };
            self.pause_or_fail(&mut pauses, until, error, repeat, retry_after).await?;
        }
    }

    /// Waits until the next attempt, or gives back the error when there is none.
    async fn pause_or_fail(
        &self,
        pauses: &mut impl Iterator<Item = Duration>,
        until: Instant,
        error: Error,
        repeat: bool,
        retry_after: Option<Duration>,
    ) -> Result<()> {
        let pause = pauses.next().filter(|_| repeat).map(|backoff| retry::pause(backoff, retry_after));
        match pause.and_then(|pause| Instant::now().checked_add(pause)).filter(|at| *at < until) {
            Some(at) => {
                tracing::debug!(%error, "trying again");
                tokio::time::sleep_until(at).await;
                Ok(())
            }
            None => Err(error),
        }
    }

    fn request(&self, call: &Call, url: &Url, token: &Token) -> Result<reqwest::RequestBuilder> {
        let mut request = self.shared.http.request(call.method.clone(), url.clone());
        if let Some(token) = self.token_header(token)? {
            request = request.header("x-auth-token", token);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request = request.header(http::header::ACCEPT, "application/json");
        if let Some(body) = &call.body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        Ok(request)
    }

    fn token_header(&self, token: &Token) -> Result<Option<HeaderValue>> {
        let Some(id) = &token.id else { return Ok(None) };
        let mut value = HeaderValue::from_str(id.expose_secret()).map_err(|_| {
            Error::Config(format!(
                "the token from {} has characters no header can carry",
                self.settings().origin
            ))
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The error that an error answer is.
    fn refusal(&self, about: &About<'_>, reply: &Reply, token: &Token) -> Error {
        let fault = fault::parse(reply.status, &reply.body);
        let message = self.scrub(fault.message, Some(token));
        let decode =
            |reason| Error::Decode { service: about.service, operation: about.operation.to_owned(), reason };
        match reply.status {
            // A 404 that the service itself did not write says nothing about the resource; taken for one, a wrong
            // endpoint would make everything look deleted.
            404 if fault.kind.is_empty() => decode(format!(
                "HTTP 404 ({message}) that names no resource; check the endpoint {}",
                shown(about.url)
            )),
            300..400 => decode(format!(
                "HTTP {} instead of an answer; check the endpoint {}",
                reply.status,
                shown(about.url)
            )),
            status => Error::Api(Box::new(ApiError {
                service: about.service,
                operation: about.operation.to_owned(),
                status,
                kind: self.scrub(fault.kind, Some(token)),
                message,
                request_id: reply.request_id.clone(),
            })),
        }
    }

    /// A service's text, in case it repeats a secret of ours.
    fn scrub(&self, text: String, token: Option<&Token>) -> String {
        let own = match &self.settings().credentials {
            Credentials::None => None,
            Credentials::Password { password, .. } => Some(password),
            Credentials::Token(token) => Some(token),
            Credentials::ApplicationCredential { secret, .. }
            | Credentials::NamedApplicationCredential { secret, .. } => Some(secret),
        };
        let secrets = own.into_iter().chain(token.and_then(|t| t.id.as_ref()));
        secrets
            .map(ExposeSecret::expose_secret)
            .filter(|secret| secret.len() > 2)
            .fold(text, |text, secret| text.replace(secret, "***"))
    }
}

/// An error with its causes on one line, none said twice.
pub(crate) fn flatten(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A reader's complaint without the values it quotes: they may be secrets of a connection.
fn without_values(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}…{}", text.get(..=from).unwrap_or(""), text.get(to..).unwrap_or(""))
        }
        _ => text.to_owned(),
    }
}

impl ServiceType {
    /// The major version of the API spoken, as it stands in URLs and version documents.
    fn major_version(self) -> &'static str {
        match self {
            Self::Network => "v2.0",
            Self::BlockStorage => "v3",
            Self::SharedFileSystems => "v2",
            Self::Compute => "v2.1",
        }
    }

    /// The endpoint's version roots, for discovery.
    fn version_roots(self, session: &Session, token: &Token) -> Result<[Url; 2]> {
        Ok(catalog::version_roots(&catalog::endpoint(session.settings(), token, self)?, self))
    }
}
