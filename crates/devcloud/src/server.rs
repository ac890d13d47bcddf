//! Starting and stopping: one listener in front of all services.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use http::Request;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Behind, Control, Services};
use crate::cinder::{self, Cinder, CinderOptions};
use crate::error::{Error, Result};
use crate::front::{Front, without_slash};
use crate::keystone::{self, Keystone};
use crate::listener::{self, GRACE};
use crate::manila::{self, Manila, ManilaOptions};
use crate::model::{Model, VifTypes};
use crate::neutron::{self, NeutronService, Wiring};
use crate::nova::{self, Nova};
use crate::options::Options;
use crate::seeds::seed;
use crate::store::{Changed, Store, load};

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
    neutron: Arc<NeutronService>,
    cinder: Arc<Cinder>,
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
        let (listener, addr) = listener::bind(options.listen).await?;
        let base = options.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
        let base = base.trim_end_matches('/').to_owned();

        let saved = options.state_file.as_deref().map(load).transpose()?.flatten();
        let (mut model, volume, shares, compute) = match saved {
            Some(saved) => (saved.network, Some(saved.volume), Some(saved.share), saved.compute),
            None => {
                let mut model = Model::default();
                seed(&mut model);
                (model, None, None, None)
            }
        };
        model.vif = VifTypes { default: options.vif_type.clone(), ..VifTypes::default() };
        model.default_mtu = options.mtu;
        model.most_pairs = options.max_allowed_address_pair;
        // Asked for before anybody can look, so that no port seems down for a moment.
        model.links_up = match &options.network_path {
            Some(path) => Some(path.links_up().await.unwrap_or_default()),
            None => None,
        };
        for id in model.ports.keys().map(str::to_owned).collect::<Vec<_>>() {
            if model.refresh_status(&id) {
                model.follow_plug(&id);
            }
        }

        let changed = Changed::new();
        let wiring = Wiring::new(options.network_path.clone());
        let neutron = Arc::new(NeutronService::new(model, wiring, changed.clone(), base.clone()));
        let cinder = Cinder::new(CinderOptions::default(), options.volume_path.clone());
        cinder.set_public_url(&format!("{base}/volume"));
        if let Some(volume) = volume {
            cinder.restore(volume).map_err(|reason| Error::Part { part: "the volume service", reason })?;
        }
        let nova = Nova::new(Arc::clone(&cinder), format!("{base}/compute"));
        if let Some(compute) = compute {
            nova.restore(compute).map_err(|reason| Error::Part { part: "the compute service", reason })?;
        }
        let manila = Manila::new(ManilaOptions::default(), options.share_export.clone());
        manila.set_public_url(&format!("{base}/share"));
        // A file from before there were shares has none.
        if let Some(shares) = shares.filter(|shares| !shares.is_null()) {
            manila.restore(shares).map_err(|reason| Error::Part { part: "the share service", reason })?;
        }
        let keystone = Arc::new(Keystone::new(&options, base.clone()));
        let all = Services {
            keystone: Arc::clone(&keystone),
            neutron: Arc::clone(&neutron),
            cinder: Arc::clone(&cinder),
            nova: Arc::clone(&nova),
            manila: Arc::clone(&manila),
        };
        let services = services(&all);
        let control = Arc::new(Control::new(options.latency, Behind::Services(all)));

        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Listens before the first settling, so that no event of a device that exists already is missed.
        tasks.spawn(until(stop.clone(), Arc::clone(&neutron).follow_links()));
        neutron.settle_first().await;
        let store = Store {
            path: options.state_file.clone(),
            changed,
            neutron: Arc::clone(&neutron),
            cinder: Arc::clone(&cinder),
            nova,
            manila,
        };
        let saver = store.path.is_some().then(|| tokio::spawn(store.follow(stop.clone())));
        let front =
            Front { control: Arc::clone(&control), services, admin: admin::router(Arc::clone(&control)) };
        tasks.spawn(listener::accept(listener, front, stop.clone(), tasks.clone()));
        let auth_url = format!("{base}/identity");
        Ok(Running { auth_url, addr, stop, control, neutron, cinder, options, tasks, saver })
    }
}

fn services(all: &Services) -> Router {
    let keystone = &all.keystone;
    let gate = from_fn_with_state(Arc::clone(keystone), keystone::authenticate);
    let volume = Router::new().nest("/volume", cinder::router(Arc::clone(&all.cinder)));
    let share = Router::new().nest("/share", manila::router(Arc::clone(&all.manila)));
    let network = neutron::router(Arc::clone(&all.neutron));
    let by_path =
        |prefix: &'static str| move |path: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    let (is_network, is_volume, is_share) = (by_path("/networking"), by_path("/volume"), by_path("/share"));
    let (is_compute, is_metadata) = (by_path("/compute"), by_path("/metadata"));
    let (network, volume, share) =
        (network.layer(gate.clone()), volume.layer(gate.clone()), share.layer(gate.clone()));
    let compute = nova::router(Arc::clone(&all.nova)).layer(gate);
    // Servers have no credentials.
    let servers = Arc::clone(&all.nova);
    let metadata = Router::new().fallback(move |request: Request<Body>| {
        let answer = servers.metadata(request.uri().path());
        async move { answer }
    });
    let identity = keystone::router(Arc::clone(keystone));
    // Each service keeps its own answer to unknown paths.
    Router::new().fallback(move |mut request: Request<Body>| {
        *request.uri_mut() = without_slash(request.uri());
        let path = request.uri().path();
        let service = if is_network(path) {
            network.clone()
        } else if is_volume(path) {
            volume.clone()
        } else if is_compute(path) {
            compute.clone()
        } else if is_metadata(path) {
            metadata.clone()
        } else if is_share(path) {
            share.clone()
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
        let emptied = self.neutron.write(|model| {
            model.ports.clear();
            model.networks.clear();
            Ok(())
        });
        drop(emptied);
        self.neutron.settle().await;
        let Some(path) = &self.options.volume_path else { return };
        let volumes = self.cinder.snapshot();
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
