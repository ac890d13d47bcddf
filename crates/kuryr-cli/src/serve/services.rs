//! Concrete edges wired into the services.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docker_plugin::{Plugin, PluginBuilder};
use journal::StateDir;
use openstack::{Session, block_storage, compute, network, shared_file_systems};

use super::carrier::Carrier;
use super::machine;
use crate::error::Error;
use crate::faces::{Ipam, Networks, Volumes};
use crate::settings::{Configuration, NetworkPlugin, VolumePlugin};

/// First and longest pause between two looks for a virtual machine's own port.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);

/// What runs in this process.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) network: Option<kuryr::Service>,
    pub(crate) volume: Option<fuxi::Service>,
    /// Kept for their locks; a status socket is in each of them.
    pub(crate) states: Vec<Arc<StateDir>>,
    /// Kept for its lock: the interface of a virtual machine that carries its containers' traffic.
    carrier: Option<Arc<Carrier>>,
}

/// Opens journals and edges. Makes no call to the cloud: it may be down.
pub(crate) fn open(configuration: &Configuration) -> Result<Services, Error> {
    let mut services = Services { network: None, volume: None, states: Vec::new(), carrier: None };
    if let Some(plugin) = &configuration.network {
        let state = services.state(plugin.state_dir.clone())?;
        if let Some(guest) = &plugin.service.guest {
            services.carrier = Some(Arc::new(Carrier::hold(&guest.link)?));
        }
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
    let host = Arc::new(fuxi::LocalHost::open(&plugin.volume_dir, &plugin.host, plugin.my_ip)?);
    let service = open_cinder(plugin, state, host.clone())?;
    // Without Manila too the shares' journal is read: what it names is no other volume's name.
    let (settings, client): (_, Arc<dyn fuxi::share::SharedFileSystems>) = match &plugin.manila {
        Some(manila) => {
            let session = Session::new(manila.credentials.clone())?;
            (manila.settings.clone(), Arc::new(shared_file_systems::Client::new(session)))
        }
        None => {
            let (host, my_ip) = (plugin.host.clone(), plugin.my_ip);
            (fuxi::share::ShareSettings { host, my_ip, ..Default::default() }, Arc::new(fuxi::NotServed))
        }
    };
    Ok(service.with_shares(&plugin.providers, settings, state, client, host)?)
}

fn open_cinder(
    plugin: &VolumePlugin,
    state: &StateDir,
    host: Arc<fuxi::LocalHost>,
) -> Result<fuxi::Service, Error> {
    let settings = plugin.service.clone();
    let Some(cinder) = &plugin.cinder else {
        return Ok(fuxi::Service::open(settings, state, Arc::new(fuxi::NotServed), host)?);
    };
    let cinder = Arc::new(block_storage::Client::new(Session::new(cinder.clone())?));
    let Some(nova) = &plugin.nova else { return Ok(fuxi::Service::open(settings, state, cinder, host)?) };
    let servers = compute::Client::new(Session::new(nova.auth.clone())?);
    let identity = fuxi::ThisServer::new(nova.metadata.clone());
    let nova = fuxi::Nova { servers: Arc::new(servers), identity: Arc::new(identity) };
    Ok(fuxi::Service::open_in_server(settings, state, cinder, host, nova)?)
}

impl Services {
    /// The state directory at that path; both plugins may share one.
    fn state(&mut self, path: PathBuf) -> Result<Arc<StateDir>, Error> {
        if let Some(open) = self.states.iter().find(|s| s.path() == path) {
            return Ok(open.clone());
        }
        let state = Arc::new(StateDir::open(path)?);
        machine::check(&state, Path::new("/"))?;
        self.states.push(state.clone());
        Ok(state)
    }

    /// The plugins Docker talks to: one each for networks and volumes, or `one` of that name for both.
    pub(crate) fn plugins(&self, configuration: &Configuration, one: Option<&str>) -> Vec<Plugin> {
        let network = self.network.as_ref().zip(configuration.network.as_ref());
        let networks = |builder: PluginBuilder| match network {
            Some((service, settings)) => builder
                .network(Arc::new(Networks::new(service.clone(), settings)))
                .ipam(Arc::new(Ipam::new(service.clone(), settings))),
            None => builder,
        };
        let volumes = |builder: PluginBuilder| match &self.volume {
            Some(service) => builder.volume(Arc::new(Volumes::new(service.clone()))),
            None => builder,
        };
        if let Some(name) = one {
            return vec![volumes(networks(Plugin::builder(name))).build()];
        }
        let mut plugins = Vec::new();
        if network.is_some() {
            plugins.push(networks(Plugin::builder("kuryr")).build());
        }
        if self.volume.is_some() {
            plugins.push(volumes(Plugin::builder("fuxi")).build());
        }
        plugins
    }

    /// Looks for this virtual machine's own port until it is found. Ends only with an error that somebody has to do
    /// something about, and only while no container needs the service.
    pub(crate) async fn find_itself(self) -> Error {
        let Some(service) = &self.network else { return std::future::pending().await };
        let mut pause = SOON;
        loop {
            match service.find_itself().await {
                Ok(()) => return std::future::pending().await,
                Err(error) if error.is_lasting() && !service.is_in_use() => return error.into(),
                Err(error) => {
                    tracing::warn!(%error, "cannot find this virtual machine's port now, trying again later");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
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
