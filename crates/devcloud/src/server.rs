//! Starting and stopping: one listener in front of all services.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Control};
use crate::cinder::{self, Cinder, CinderOptions};
use crate::error::{Error, Result};
use crate::front::{Closed, Front};
use crate::keystone::{self, Keystone};
use crate::model::{Model, VifTypes};
use crate::neutron::{self, NeutronService, Wiring};
use crate::options::Options;
use crate::seeds::seed;
use crate::store::{Changed, Store, load};

/// Longest request body.
const MOST_BYTES: usize = 16 << 20;
/// How long answers under way may take after a stop.
const GRACE: Duration = Duration::from_secs(5);

/// The development cloud.
#[derive(Debug, Clone, Copy)]
pub struct DevCloud;

/// A started cloud. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// For `auth_url`: ends in `/identity`.
    pub auth_url: String,
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
    control: Arc<Control>,
    options: Options,
    tasks: TaskTracker,
    saver: Option<JoinHandle<Result<()>>>,
}

impl DevCloud {
    /// Loads the saved state if there is one, brings the data path into its state, and listens. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The address cannot be listened on, or the state file does not fit.
    pub async fn start(options: Options) -> Result<Running> {
        let listen = options.listen;
        let fail = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(fail)?;
        let addr = listener.local_addr().map_err(fail)?;
        let base = options.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
        let base = base.trim_end_matches('/').to_owned();

        let saved = options.state_file.as_deref().map(load).transpose()?.flatten();
        let (mut model, volume) = match saved {
            Some(saved) => (saved.network, Some(saved.volume)),
            None => {
                let mut model = Model::default();
                seed(&mut model);
                (model, None)
            }
        };
        model.vif = VifTypes { default: options.vif_type.clone(), ..VifTypes::default() };
        model.default_mtu = options.mtu;
        // Asked for before anybody can look, so that no port seems down for a moment.
        model.links_up = match &options.network_path {
            Some(path) => Some(path.links_up().await.unwrap_or_default()),
            None => None,
        };
        for id in model.ports.keys().cloned().collect::<Vec<_>>() {
            model.refresh_status(&id);
        }

        let changed = Changed::new();
        let wiring = Wiring::new(options.network_path.clone());
        let neutron = Arc::new(NeutronService::new(model, wiring, changed.clone(), base.clone()));
        let cinder = Cinder::new(CinderOptions::default(), options.volume_path.clone());
        cinder.set_public_url(&format!("{base}/volume"));
        if let Some(volume) = volume {
            cinder.restore(volume).map_err(|reason| Error::Part { part: "the volume service", reason })?;
        }
        let keystone = Arc::new(Keystone::new(&options, base.clone()));
        let control = Arc::new(Control::new(
            options.latency,
            Arc::clone(&keystone),
            Arc::clone(&neutron),
            Arc::clone(&cinder),
        ));

        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Listens before the first settling, so that no event of a device that exists already is missed.
        tasks.spawn(until(stop.clone(), Arc::clone(&neutron).follow_links()));
        neutron.settle_first().await;
        let store = Store { path: options.state_file.clone(), changed, neutron, cinder: Arc::clone(&cinder) };
        let saver = store.path.is_some().then(|| tokio::spawn(store.follow(stop.clone())));
        let front = Front {
            control: Arc::clone(&control),
            services: services(&control),
            admin: admin::router(Arc::clone(&control)),
        };
        tasks.spawn(accept(listener, front, stop.clone(), tasks.clone()));
        Ok(Running { auth_url: format!("{base}/identity"), addr, stop, control, options, tasks, saver })
    }
}

fn services(control: &Control) -> Router {
    let gate = from_fn_with_state(Arc::clone(&control.keystone), keystone::authenticate);
    let volume = Router::new().nest("/volume", cinder::router(Arc::clone(&control.cinder)));
    let network = neutron::router(Arc::clone(&control.neutron));
    let by_path =
        |prefix: &'static str| move |path: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    let (is_network, is_volume) = (by_path("/networking"), by_path("/volume"));
    let (network, volume) = (network.layer(gate.clone()), volume.layer(gate));
    let identity = keystone::router(Arc::clone(&control.keystone));
    // Each service keeps its own answer to unknown paths.
    Router::new().fallback(move |request: Request<Body>| {
        let path = request.uri().path();
        let service = if is_network(path) {
            network.clone()
        } else if is_volume(path) {
            volume.clone()
        } else {
            identity.clone()
        };
        async move {
            match tower::ServiceExt::oneshot(service, request).await {
                Ok(answer) => answer,
                Err(never) => {
                    let never: Infallible = never;
                    match never {}
                }
            }
        }
    })
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

async fn accept(listener: TcpListener, front: Front, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: others must finish first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        tasks.spawn(serve(stream, front.clone(), stop.clone(), tasks.clone()));
    }
}

async fn serve(stream: TcpStream, front: Front, stop: CancellationToken, tasks: TaskTracker) {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
    drop(stream.set_nodelay(true));
    let is_local = peer.ip().to_canonical().is_loopback() || peer.ip() == local.ip();
    let service = hyper::service::service_fn(move |request| {
        let (front, tasks) = (front.clone(), tasks.clone());
        async move { answer(request, front, is_local, tasks).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => drop(done),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(GRACE, connection).await);
        }
    }
}

/// Runs a request to its end even if the caller goes away meanwhile, as a real service does.
async fn answer(
    request: Request<Incoming>,
    front: Front,
    is_local: bool,
    tasks: TaskTracker,
) -> std::result::Result<Response, Closed> {
    let (parts, body) = request.into_parts();
    let body: Bytes = match Limited::new(body, MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    };
    let path = parts.uri.path();
    if path == "/admin" || path.starts_with("/admin/") {
        if !is_local {
            return Ok(admin::refuse(StatusCode::FORBIDDEN, "only callers on this machine may do that"));
        }
        return Ok(front.admin(parts, body).await);
    }
    let work = tasks.spawn(async move { front.handle(parts, body).await });
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request handler failed");
        Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
    })
}

impl Running {
    /// Stops listening, lets answers under way finish, saves the state, and takes the data path down unless the
    /// state was saved to go on from.
    ///
    /// # Errors
    /// The state could not be saved.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        self.control.holds.release_all();
        self.tasks.close();
        drop(tokio::time::timeout(GRACE + GRACE, self.tasks.wait()).await);
        if let Some(saver) = self.saver.take() {
            return saver.await.unwrap_or_else(|error| {
                Err(Error::Part { part: "the state writer", reason: error.to_string() })
            });
        }
        self.dismantle().await;
        Ok(())
    }

    /// Removes every bridge, filter and block device: without a saved state nobody could find them again.
    async fn dismantle(&self) {
        let emptied = self.control.neutron.write(|model| {
            model.ports.clear();
            model.networks.clear();
            Ok(())
        });
        drop(emptied);
        self.control.neutron.settle().await;
        let Some(path) = &self.options.volume_path else { return };
        let volumes = self.control.cinder.snapshot();
        for id in volumes.get("volumes").and_then(|v| v.as_object()).into_iter().flat_map(|v| v.keys()) {
            if let Err(error) = path.unexport(id).await {
                tracing::warn!(volume = %id, %error, "cannot take the block device away");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.control.holds.release_all();
    }
}
