//! Concrete edges wired into the services.

use std::path::PathBuf;
use std::sync::Arc;

use docker_plugin::Plugin;
use journal::StateDir;
use openstack::{Session, block_storage, network};

use crate::error::Error;
use crate::faces::{Ipam, Networks, Volumes};
use crate::settings::{Configuration, NetworkPlugin, VolumePlugin};

/// What runs in this process.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) network: Option<kuryr::Service>,
    pub(crate) volume: Option<fuxi::Service>,
    /// Kept for their locks; a status socket is in each of them.
    pub(crate) states: Vec<Arc<StateDir>>,
}

/// Opens journals and edges. Makes no call to the cloud: it may be down.
pub(crate) fn open(configuration: &Configuration) -> Result<Services, Error> {
    let mut services = Services { network: None, volume: None, states: Vec::new() };
    if let Some(plugin) = &configuration.network {
        let state = services.state(plugin.state_dir.clone())?;
        services.network = Some(open_network(plugin, &state)?);
    }
    if let Some(plugin) = &configuration.volume {
        let state = services.state(plugin.state_dir.clone())?;
        services.volume = Some(open_volume(plugin, &state)?);
    }
    Ok(services)
}

fn open_network(plugin: &NetworkPlugin, state: &StateDir) -> Result<kuryr::Service, Error> {
    let neutron = network::Client::new(Session::new(plugin.neutron.clone())?);
    let links = host_net::Links::open().map_err(|e| Error::Netlink(e.to_string()))?;
    let host = kuryr::Host::new(links, plugin.host.clone());
    Ok(kuryr::Service::open(plugin.service.clone(), state, Arc::new(neutron), host)?)
}

fn open_volume(plugin: &VolumePlugin, state: &StateDir) -> Result<fuxi::Service, Error> {
    let cinder = block_storage::Client::new(Session::new(plugin.cinder.clone())?);
    let host = fuxi::LocalHost::open(&plugin.volume_dir, &plugin.host, plugin.my_ip)?;
    Ok(fuxi::Service::open(plugin.service.clone(), state, Arc::new(cinder), Arc::new(host))?)
}

impl Services {
    /// The state directory at that path; both plugins may share one.
    fn state(&mut self, path: PathBuf) -> Result<Arc<StateDir>, Error> {
        if let Some(open) = self.states.iter().find(|s| s.path() == path) {
            return Ok(open.clone());
        }
        let state = Arc::new(StateDir::open(path)?);
        self.states.push(state.clone());
        Ok(state)
    }

    /// The plugins Docker talks to.
    pub(crate) fn plugins(&self, configuration: &Configuration) -> Vec<Plugin> {
        let mut plugins = Vec::new();
        if let (Some(service), Some(settings)) = (&self.network, &configuration.network) {
            plugins.push(
                Plugin::builder("kuryr")
                    .network(Arc::new(Networks::new(service.clone(), settings)))
                    .ipam(Arc::new(Ipam::new(service.clone(), settings)))
                    .build(),
            );
        }
        if let Some(service) = &self.volume {
            plugins.push(Plugin::builder("fuxi").volume(Arc::new(Volumes::new(service.clone()))).build());
        }
        plugins
    }

    /// Finishes or undoes what an earlier process left half done, then looks for what none remembers.
    pub(crate) async fn recover(self) {
        let network = async {
            let Some(service) = &self.network else { return };
            if let Err(error) = service.recover().await {
                tracing::error!(%error, "cannot look after networks that were left half done");
            }
            service.watch_for_orphans();
        };
        let volume = async {
            if let Some(service) = &self.volume {
                service.recover().await;
            }
        };
        tokio::join!(network, volume);
    }
}
