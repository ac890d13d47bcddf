//! Makes the data path follow the model. It is level-triggered: whatever changed, the wanted state of each
//! network that differs is computed anew under that network's lock and put in place, so the last writer wins and
//! networks do not wait for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::error::RecvError;

use super::NeutronService;
use crate::datapath::{NetworkDataPath, NetworkView, PortView};
use crate::model::binding::Vif;
use crate::model::views::Views;

type NetworkLocks = BTreeMap<String, Arc<tokio::sync::Mutex<()>>>;

/// The data path and what is known to be in place on it.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    path: Option<Arc<dyn NetworkDataPath>>,
    installed: Mutex<Views>,
    locks: Mutex<NetworkLocks>,
}

impl Wiring {
    pub(crate) fn new(path: Option<Arc<dyn NetworkDataPath>>) -> Self {
        Self { path, ..Self::default() }
    }

    fn installed<T>(&self, look: impl FnOnce(&mut Views) -> T) -> T {
        look(&mut self.installed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_of(&self, network: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(network.into()).or_default())
    }
}

/// Networks on which two states differ.
fn differing(wanted: &Views, installed: &Views) -> BTreeSet<String> {
    let mut networks = BTreeSet::new();
    let mut note = |a: &Views, b: &Views| {
        networks.extend(
            a.networks.iter().filter(|(id, v)| b.networks.get(*id) != Some(v)).map(|(id, _)| id.clone()),
        );
        let ports = a.ports.iter().filter(|(id, v)| b.ports.get(*id) != Some(v));
        networks.extend(ports.map(|(_, v)| v.network_id.clone()));
    };
    note(wanted, installed);
    note(installed, wanted);
    networks
}

impl NeutronService {
    /// Puts the data path into the model's state. Returns when filtering of all changed ports is in place.
    pub(crate) async fn settle(&self) {
        let Some(path) = self.wiring.path.clone() else { return };
        let wanted = self.read(|model| model.views());
        for network in self.wiring.installed(|installed| differing(&wanted, installed)) {
            let lock = self.wiring.lock_of(&network);
            let _turn = lock.lock().await;
            self.settle_network(&*path, &network).await;
        }
    }

    /// The first [`Self::settle`] after a start, which also ends what an earlier run left on the data path.
    pub(crate) async fn settle_first(&self) {
        let Some(path) = self.wiring.path.clone() else { return };
        self.settle().await;
        let wanted = self.read(|model| model.views().networks);
        if self.wiring.installed(|installed| installed.networks != wanted) {
            // A bridge that could not be taken over may have containers in it; the next settling tries again.
            return;
        }
        if let Err(error) = path.all_told().await {
            tracing::warn!(%error, "cannot remove what an earlier run left");
        }
    }

    async fn settle_network(&self, path: &dyn NetworkDataPath, network: &str) {
        let wanted = self.read(|model| model.views());
        let before = self.wiring.installed(|installed| installed.clone());
        if let Some(view) = wanted.networks.get(network)
            && before.networks.get(network) != Some(view)
        {
            self.raise_network(path, view).await;
        }
        for (id, view) in before.ports.iter().filter(|(_, v)| v.network_id == network) {
            if !wanted.ports.contains_key(id) {
                match path.port_down(id).await {
                    Ok(()) => self.wiring.installed(|i| drop(i.ports.remove(id))),
                    Err(error) => tracing::warn!(port = %view.id, %error, "cannot take the port down"),
                }
            }
        }
        let changed =
            |view: &&PortView| view.network_id == network && before.ports.get(&view.id) != Some(*view);
        let changed: Vec<PortView> = wanted.ports.values().filter(changed).cloned().collect();
        if !changed.is_empty() {
            self.raise_ports(path, &before, changed).await;
        }
        // Looked up anew: a binding that failed just now may have been the network's only one.
        let unused = self.read(|model| !model.views().networks.contains_key(network));
        if unused && self.wiring.installed(|installed| installed.networks.contains_key(network)) {
            match path.network_down(network).await {
                Ok(()) => self.wiring.installed(|i| drop(i.networks.remove(network))),
                Err(error) => tracing::warn!(network, %error, "cannot take the network down"),
            }
        }
    }

    async fn raise_network(&self, path: &dyn NetworkDataPath, view: &NetworkView) {
        match path.network_up(view).await {
            Ok(()) => self.wiring.installed(|i| drop(i.networks.insert(view.id.clone(), view.clone()))),
            Err(error) => tracing::warn!(network = %view.id, %error, "cannot bring the network up"),
        }
    }

    /// All at once, or one by one to find the one that cannot be.
    async fn raise_ports(&self, path: &dyn NetworkDataPath, before: &Views, changed: Vec<PortView>) {
        if path.ports_up(&changed).await.is_ok() {
            self.wiring
                .installed(|i| i.ports.extend(changed.into_iter().map(|view| (view.id.clone(), view))));
            return;
        }
        for view in &changed {
            self.raise_port(path, view, !before.ports.contains_key(&view.id)).await;
        }
    }

    async fn raise_port(&self, path: &dyn NetworkDataPath, view: &PortView, new: bool) {
        let Err(error) = path.port_up(view).await else {
            self.wiring.installed(|i| drop(i.ports.insert(view.id.clone(), view.clone())));
            return;
        };
        tracing::warn!(port = %view.id, %error, "cannot install the port's filtering");
        if !new {
            return;
        }
        // An unfiltered port must not be plugged: the binding has failed, as an agent would report.
        let failed = self.write(|model| {
            if let Some(port) = model.ports.get_mut(&view.id) {
                let host = port.host_id.clone();
                port.bind(&host, Vif::failed());
                port.standard.bump();
                model.refresh_status(&view.id);
            }
            Ok(())
        });
        drop(failed);
        drop(path.port_down(&view.id).await);
    }

    /// Lets ports follow their devices until the data path goes away. Events count from this call on, not from
    /// the first poll.
    pub(crate) fn follow_links(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        let path = self.wiring.path.clone().map(|path| (path.link_events(), path));
        async move {
            let Some((mut events, path)) = path else { return };
            self.resync_links(&*path).await;
            loop {
                match events.recv().await {
                    Ok((prefix, up)) => self.link_changed(&prefix, up),
                    Err(RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "link events were lost, asking for the links as they are");
                        self.resync_links(&*path).await;
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    async fn resync_links(&self, path: &dyn NetworkDataPath) {
        let Some(up) = path.links_up().await else { return };
        let before = self.read(|model| model.links_up.clone()).unwrap_or_default();
        for prefix in before.difference(&up) {
            self.link_changed(prefix, false);
        }
        for prefix in up.difference(&before) {
            self.link_changed(prefix, true);
        }
    }

    fn link_changed(&self, prefix: &str, up: bool) {
        let noted = self.write(|model| {
            let links = model.links_up.get_or_insert_default();
            let new = up && links.insert(prefix.into());
            if !up {
                links.remove(prefix);
            }
            let ports: Vec<String> =
                model.ports.keys().filter(|id| id.starts_with(prefix)).map(str::to_owned).collect();
            for id in ports {
                model.report(&id);
                if new {
                    model.follow_plug(&id);
                }
            }
            Ok(())
        });
        drop(noted);
    }
}
