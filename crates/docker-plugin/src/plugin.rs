//! A plugin: up to three drivers behind one HTTP service.

use std::{
    fmt::Display,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    IpamDriver, NetworkDriver, PluginError, VolumeDriver, body, dispatch,
    reply::{self, Reply},
};

/// Docker gives a look-up 60 s; a held one is let go a little later.
const HOLD_FOR: Duration = Duration::from_secs(65);
const _: () = assert!(HOLD_FOR.as_secs() > 60, "closed earlier, Docker would ask again");
/// Most look-ups held at one time.
const MAX_HELD: usize = 64;
/// Longest request body, in bytes.
const MAX_BODY: usize = 4 << 20;
/// Time for a request's body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The request must not be answered: the connection is to be closed.
///
/// As the error of a [`hyper::service::Service`] it makes hyper do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("connection closed without an answer on purpose")]
pub struct NoAnswer;

/// Puts drivers together to a [`Plugin`].
pub struct PluginBuilder {
    name: String,
    network: Option<Arc<dyn NetworkDriver>>,
    ipam: Option<Arc<dyn IpamDriver>>,
    volume: Option<Arc<dyn VolumeDriver>>,
    hold_for: Duration,
    max_held: usize,
    max_body: usize,
    body_timeout: Duration,
}

impl PluginBuilder {
    /// Serves NetworkDriver.
    pub fn network(mut self, driver: Arc<dyn NetworkDriver>) -> Self {
        self.network = Some(driver);
        self
    }

    /// Serves IpamDriver.
    pub fn ipam(mut self, driver: Arc<dyn IpamDriver>) -> Self {
        self.ipam = Some(driver);
        self
    }

    /// Serves VolumeDriver.
    pub fn volume(mut self, driver: Arc<dyn VolumeDriver>) -> Self {
        self.volume = Some(driver);
        self
    }

    /// How long a look-up without an outcome is held (65 s) and how many at one time (64); the others are closed at
    /// once, which Docker takes for an outage as well, after some retries.
    pub fn hold_lookups(mut self, hold_for: Duration, at_most: usize) -> Self {
        (self.hold_for, self.max_held) = (hold_for, at_most);
        self
    }

    /// Longest request body in bytes (4 MiB) and the time for it to arrive (10 s).
    pub fn body_limits(mut self, bytes: usize, within: Duration) -> Self {
        (self.max_body, self.body_timeout) = (bytes, within);
        self
    }

    /// The plugin.
    pub fn build(self) -> Plugin {
        Plugin {
            inner: Arc::new(Inner {
                name: self.name,
                network: self.network,
                ipam: self.ipam,
                volume: self.volume,
                hold_for: self.hold_for,
                held: Semaphore::new(self.max_held.min(Semaphore::MAX_PERMITS)),
                max_body: self.max_body,
                body_timeout: self.body_timeout,
                calls: AtomicU64::new(0),
                running: TaskTracker::new(),
            }),
        }
    }
}

impl std::fmt::Debug for PluginBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A plugin ready to be served, by [`crate::server::serve`] or any other server that takes a hyper service.
///
/// Clones are the same plugin.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    network: Option<Arc<dyn NetworkDriver>>,
    ipam: Option<Arc<dyn IpamDriver>>,
    volume: Option<Arc<dyn VolumeDriver>>,
    hold_for: Duration,
    held: Semaphore,
    max_body: usize,
    body_timeout: Duration,
    calls: AtomicU64,
    running: TaskTracker,
}

impl Plugin {
    /// Begins a plugin; `name` is for the log.
    pub fn builder(name: impl Into<String>) -> PluginBuilder {
        PluginBuilder {
            name: name.into(),
            network: None,
            ipam: None,
            volume: None,
            hold_for: HOLD_FOR,
            max_held: MAX_HELD,
            max_body: MAX_BODY,
            body_timeout: BODY_TIMEOUT,
        }
    }

    /// The name given to [`Plugin::builder`].
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Number of calls that run, among them those whose client has gone.
    pub fn running(&self) -> usize {
        self.inner.running.len()
    }

    /// Waits until no call runs.
    pub async fn idle(&self) {
        self.inner.running.close();
        self.inner.running.wait().await;
    }

    /// Answers one request. `closing` ends the holding of look-ups early.
    ///
    /// # Errors
    /// [`NoAnswer`] if the connection is to be closed without an answer.
    pub async fn handle<B>(
        &self,
        request: Request<B>,
        closing: &CancellationToken,
    ) -> Result<Response<Full<Bytes>>, NoAnswer>
    where
        B: Body,
        B::Error: Display,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let method = path.strip_prefix('/').unwrap_or(path).to_owned();
        // An error would make Docker forget the volume, see `VolumeDriver::get`.
        let silent = path == "/VolumeDriver.Get" && self.inner.volume.is_some();

        let body = match body::read(body, self.inner.max_body, self.inner.body_timeout).await {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(plugin = self.name(), method, %error, "unreadable request");
                return if silent {
                    Err(NoAnswer)
                } else {
                    Ok(reply::failure(error.status(), &error.into()))
                };
            }
        };
        if !matches!(head.method, Method::POST | Method::GET) {
            let error = PluginError::new(format!("cannot {} {path}, use POST", head.method));
            return Ok(reply::failure(StatusCode::METHOD_NOT_ALLOWED, &error));
        }
        if path == "/Plugin.Activate" {
            tracing::info!(plugin = self.name(), "activated");
            return Ok(reply::success(self.activation()));
        }

        let reply = match self.spawn(path.to_owned(), method.clone(), body).await {
            Ok(reply) => reply,
            // The handler panicked; the hook of the process has printed where.
            Err(error) => {
                tracing::error!(plugin = self.name(), method, %error, "call broke off");
                let text = PluginError::new(format!("{method} broke off inside the plugin, see its log"));
                if silent { Reply::Unanswered(text) } else { Reply::Failed(text) }
            }
        };
        match reply {
            Reply::Done(json) => Ok(reply::success(json)),
            Reply::Failed(error) => Ok(reply::failure(StatusCode::INTERNAL_SERVER_ERROR, &error)),
            Reply::NoSuchMethod => {
                let error = PluginError::new(format!("plugin {} has no method {method}", self.name()));
                Ok(reply::failure(StatusCode::NOT_FOUND, &error))
            }
            Reply::Unanswered(_) => Err(NoAnswer),
            Reply::Held(_) => {
                self.hold(closing).await;
                Err(NoAnswer)
            }
        }
    }

    fn activation(&self) -> Vec<u8> {
        let names = [
            self.inner.network.as_ref().map(|_| "NetworkDriver"),
            self.inner.ipam.as_ref().map(|_| "IpamDriver"),
            self.inner.volume.as_ref().map(|_| "VolumeDriver"),
        ];
        let names: Vec<_> = names.into_iter().flatten().collect();
        serde_json::json!({ "Implements": names }).to_string().into_bytes()
    }

    /// Runs a call in a task of its own: it goes on when the client goes away, and its panic ends nothing else.
    fn spawn(&self, path: String, method: String, body: Bytes) -> tokio::task::JoinHandle<Reply> {
        let call = self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let span = tracing::info_span!("plugin_call", plugin = self.name(), method, call);
        let inner = self.inner.clone();
        let run = async move {
            let start = Instant::now();
            let reply = inner.dispatch(&path, &body).await;
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            match &reply {
                Reply::Done(_) => tracing::debug!(ms, "done"),
                Reply::Failed(error) => tracing::warn!(ms, %error, "failed"),
                Reply::NoSuchMethod => tracing::debug!(ms, "no such method"),
                Reply::Held(error) => tracing::warn!(ms, %error, "no outcome, request held"),
                Reply::Unanswered(error) => tracing::warn!(ms, %error, "not answered"),
            }
            reply
        };
        self.inner.running.spawn(run.instrument(span))
    }

    async fn hold(&self, closing: &CancellationToken) {
        let Ok(_place) = self.inner.held.try_acquire() else { return };
        tokio::select! {
            () = tokio::time::sleep(self.inner.hold_for) => {}
            () = closing.cancelled() => {}
        }
    }
}

impl Inner {
    async fn dispatch(&self, path: &str, body: &[u8]) -> Reply {
        match dispatch::split_path(path) {
            Some(("NetworkDriver", method)) => match &self.network {
                Some(driver) => dispatch::network(driver.as_ref(), method, body).await,
                None => Reply::NoSuchMethod,
            },
            Some(("IpamDriver", method)) => match &self.ipam {
                Some(driver) => dispatch::ipam(driver.as_ref(), method, body).await,
                None => Reply::NoSuchMethod,
            },
            Some(("VolumeDriver", method)) => match &self.volume {
                Some(driver) => dispatch::volume(driver.as_ref(), method, body).await,
                None => Reply::NoSuchMethod,
            },
            _ => Reply::NoSuchMethod,
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<B> hyper::service::Service<Request<B>> for Plugin
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Display + Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let plugin = self.clone();
        Box::pin(async move { plugin.handle(request, &CancellationToken::new()).await })
    }
}
