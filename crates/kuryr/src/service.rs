//! The service: requests in, each run to its end even if the caller goes away.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use journal::StateDir;
use tokio::sync::OnceCell;

use crate::api::{
    AddressRequest, CreatedEndpoint, EndpointRequest, EndpointStatus, Joined, MachineStatus, NetworkRequest,
    NetworkStatus, Pool, PoolRequest, PoolStatus, Status,
};
use crate::attributes::KnownIds;
use crate::binding::Binding;
use crate::guest::Guest;
use crate::locks::Locks;
use crate::marks::Marks;
use crate::recover::Stale;
use crate::spares::Spares;
use crate::state::{EndpointRow, GroupRow, NetworkRow, Phase, PoolRow, PortRow};
use crate::swarm::{Place, Places, ReservationRow};
use crate::table::Table;
use crate::{Error, Host, Neutron, Result, Settings};

/// Docker wants `Leave` answered at once, and it changes nothing outside the journal.
const LEAVE_WAIT: Duration = Duration::from_millis(20);

/// The network service. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

/// What every operation works with.
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) neutron: Arc<dyn Neutron>,
    pub(crate) host: Host,
    /// What containers of a virtual machine share.
    pub(crate) guest: Guest,
    pub(crate) pools: Table<PoolRow>,
    pub(crate) networks: Table<NetworkRow>,
    pub(crate) ports: Table<PortRow>,
    pub(crate) endpoints: Table<EndpointRow>,
    pub(crate) groups: Table<GroupRow>,
    pub(crate) reservations: Table<ReservationRow>,
    /// Subnets of a swarm's pools.
    pub(crate) swarm: Places,
    /// Addresses of a swarm that other hosts seem to have left.
    pub(crate) abandoned: crate::swarm::orphans::Abandoned,
    pub(crate) locks: Locks,
    pub(crate) marks: Marks,
    extensions: OnceCell<BTreeSet<String>>,
    pub(crate) known_ids: KnownIds,
    pub(crate) sweeper: OnceLock<()>,
    stale: Mutex<Stale>,
    /// Ports whose endpoint's id is being written.
    pub(crate) recording: Mutex<BTreeSet<String>>,
    pub(crate) spares: Spares,
    /// The journal has entries that cannot be read.
    pub(crate) unreadable: bool,
    /// Pools without network that a previous process handed out.
    pub(crate) left_behind: BTreeSet<String>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Service {
    /// Reads the journal. Makes no call to the cloud and none to the kernel.
    ///
    /// # Errors
    /// [`Error::Journal`] when the state directory cannot be read.
    pub fn open(settings: Settings, state: &StateDir, neutron: Arc<dyn Neutron>, host: Host) -> Result<Self> {
        let pools: Table<PoolRow> = Table::open(state, "pools")?;
        let mut inner = Inner {
            guest: Guest::new(settings.guest.clone(), &neutron, &host.links),
            settings,
            neutron,
            host,
            left_behind: pools.all(|p| p.network.is_none()).into_iter().map(|p| p.id).collect(),
            pools,
            networks: Table::open(state, "networks")?,
            ports: Table::open(state, "ports")?,
            endpoints: Table::open(state, "endpoints")?,
            groups: Table::open(state, "groups")?,
            reservations: Table::open(state, "reservations")?,
            swarm: Places::default(),
            abandoned: crate::swarm::orphans::Abandoned::default(),
            locks: Locks::default(),
            marks: Marks::open(state)?,
            extensions: OnceCell::new(),
            known_ids: KnownIds::default(),
            sweeper: OnceLock::new(),
            stale: Mutex::default(),
            recording: Mutex::default(),
            spares: Spares::default(),
            unreadable: false,
        };
        inner.unreadable = inner.pools.is_incomplete()
            || inner.networks.is_incomplete()
            || inner.ports.is_incomplete()
            || inner.endpoints.is_incomplete()
            || inner.groups.is_incomplete()
            || inner.reservations.is_incomplete();
        inner.return_stale(Stale::of(&inner));
        for plug in inner.endpoints.all(|_| true).into_iter().filter_map(|e| e.plug) {
            inner.guest.remember(&plug);
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `work` to its end in its own task and waits for it up to the deadline: a client that hangs up must
    /// not leave half an operation behind.
    pub(crate) async fn run<T, F>(
        &self,
        operation: &'static str,
        resource: String,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let task = tokio::spawn(work(Arc::clone(&self.inner)));
        let deadline = self.inner.settings.deadline;
        match tokio::time::timeout(deadline, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(died)) => Err(Error::Broken { operation, resource, reason: died.to_string() }),
            Err(_) => Err(Error::Deadline { operation, resource, seconds: deadline.as_secs() }),
        }
    }

    /// A pool for a network: the user's range without a call to Neutron, or a range allocated by Neutron.
    ///
    /// # Errors
    /// Bad options, an ambiguous or absent existing subnet, an automatic range that overlaps this host's own.
    pub async fn request_pool(&self, request: PoolRequest) -> Result<Pool> {
        let name = request.pool.map_or_else(|| "automatic".to_owned(), |p| p.to_string());
        self.run("request pool", name, |s| async move { s.request_pool(request).await }).await
    }

    /// Docker no longer needs the pool; unknown ones are already released.
    ///
    /// # Errors
    /// Neutron or the journal fail; it is tried again in the background.
    pub async fn release_pool(&self, pool_id: &str) -> Result<()> {
        let id = pool_id.to_owned();
        self.run("release pool", id.clone(), |s| async move { s.release_pool(&id).await }).await
    }

    /// An address of a pool, with the pool's prefix length. For a container, this is the port.
    ///
    /// # Errors
    /// Outside the subnet, used by somebody else, quota, Neutron fails.
    pub async fn request_address(&self, request: AddressRequest) -> Result<IpNet> {
        if let Some(place) = Place::of_managers_id(&request.pool_id) {
            return self.request_managers_address(place, request).await;
        }
        let name = request.address.map_or_else(|| request.pool_id.clone(), |a| a.to_string());
        self.run("request address", name, |s| async move { s.request_address(request).await }).await
    }

    /// Docker no longer needs the address: the port is deleted, or given back as found. Unknown ones are released.
    ///
    /// # Errors
    /// Neutron, links or the journal fail; it is tried again in the background.
    pub async fn release_address(&self, pool_id: &str, address: IpAddr) -> Result<()> {
        let id = pool_id.to_owned();
        let work = |s: Arc<Inner>| async move { s.release_address(&id, address).await };
        self.run("release address", address.to_string(), work).await
    }

    /// Makes or adopts the Neutron network of a Docker network; all or nothing.
    ///
    /// # Errors
    /// Bad options, conflicts with what exists, quota, Neutron fails.
    pub async fn create_network(&self, request: NetworkRequest) -> Result<()> {
        self.run("create network", request.id.clone(), |s| async move { s.create_network(request).await })
            .await
    }

    /// Removes what was made for a Docker network and gives back what was adopted. Unknown ones are deleted.
    ///
    /// # Errors
    /// Neutron or the journal fail; it is tried again in the background.
    pub async fn delete_network(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.run("delete network", id.clone(), |s| async move { s.delete_network(&id).await }).await
    }

    /// Binds the reserved port to this host and plugs it.
    ///
    /// # Errors
    /// No such network or address, binding refused, link trouble, port not active.
    pub async fn create_endpoint(&self, request: EndpointRequest) -> Result<CreatedEndpoint> {
        let name = request.endpoint_id.clone();
        let work = |s: Arc<Inner>| async move {
            s.recognise_network(&request.network_id).await?;
            let addresses: Vec<IpNet> = [request.ipv4, request.ipv6].into_iter().flatten().collect();
            s.claim_addresses(&request.network_id, &addresses)?;
            s.create_endpoint(request).await
        };
        self.run("create endpoint", name, work).await
    }

    /// Unplugs an endpoint; its port goes with the address. Unknown ones are deleted.
    ///
    /// # Errors
    /// A link cannot be removed; it is tried again in the background.
    pub async fn delete_endpoint(&self, network_id: &str, endpoint_id: &str) -> Result<()> {
        let (network, id) = (network_id.to_owned(), endpoint_id.to_owned());
        let work = |s: Arc<Inner>| async move {
            s.recognise_endpoint_to_remove(&network, &id).await?;
            s.delete_endpoint(&id).await
        };
        self.run("delete endpoint", endpoint_id.to_owned(), work).await
    }

    /// What Docker needs to move the link into the container; from memory.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown endpoint.
    pub async fn join(&self, network_id: &str, endpoint_id: &str) -> Result<Joined> {
        let (network, endpoint) = (network_id.to_owned(), endpoint_id.to_owned());
        let work = |s: Arc<Inner>| async move {
            s.recognise_network(&network).await?;
            s.recognise_endpoint(&network, &endpoint).await?;
            let _turn = s.locks.lock("endpoint", &endpoint).await;
            s.join(&network, &endpoint)
        };
        self.run("join", endpoint_id.to_owned(), work).await
    }

    /// The container left; unknown endpoints have left.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub async fn leave(&self, _network_id: &str, endpoint_id: &str) -> Result<()> {
        // Whoever has it for longer makes or removes it: then there is nothing to note.
        match self.inner.locks.lock_within(LEAVE_WAIT, "endpoint", endpoint_id).await {
            Some(_turn) => self.inner.leave(endpoint_id),
            None => Ok(()),
        }
    }

    /// Port, link and state of an endpoint from memory; empty for an unknown one.
    ///
    /// # Errors
    /// None today.
    pub async fn endpoint_info(
        &self,
        _network_id: &str,
        endpoint_id: &str,
    ) -> Result<BTreeMap<String, String>> {
        Ok(self.inner.endpoint_info(endpoint_id))
    }

    /// Finds this virtual machine's own port and trunk; on bare metal there is nothing to find.
    ///
    /// # Errors
    /// The interface, its port or its trunk is not there or not clear ([`Error::is_lasting`]), or Neutron fails.
    pub async fn find_itself(&self) -> Result<()> {
        match &self.inner.guest.settings {
            Some(settings) => self.inner.guest.own(settings).await.map(drop),
            None => Ok(()),
        }
    }

    /// Whether Docker knows of an endpoint here.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.inner.endpoints.find(|_| true).is_some()
    }

    /// What the service holds.
    #[must_use]
    pub fn status(&self) -> Status {
        let s = &self.inner;
        let networks = s
            .networks
            .all(|n| !n.id.starts_with(crate::pools::PENDING) && n.role != crate::swarm::Role::Manager);
        let endpoints = s.endpoints.all(|_| true);
        let doomed = s.networks.all(|n| n.phase == Phase::Deleting).len()
            + s.ports.all(|p| p.phase == Phase::Deleting).len()
            + s.groups.all(|g| g.phase == Phase::Deleting).len()
            + s.reservations.all(|r| r.phase == Phase::Deleting).len()
            + endpoints.iter().filter(|e| e.phase == Phase::Deleting).count();
        let machine = s.guest.settings.as_ref().map(|settings| {
            let own = s.guest.remembered();
            MachineStatus {
                driver: settings.mode.name().to_owned(),
                link: settings.link.clone(),
                port_id: own.as_ref().map(|own| own.port.clone()),
                network_id: own.as_ref().map(|own| own.network.clone()),
                trunk_id: own.and_then(|own| own.trunk),
                spares: s.ports.all(|p| p.spare && p.phase == Phase::Ready).len(),
            }
        });
        Status {
            machine,
            networks: networks
                .into_iter()
                .map(|n| NetworkStatus {
                    subnets: n.subnets.iter().filter_map(|sub| sub.cidr).collect(),
                    id: n.id,
                    neutron_id: n.neutron_id,
                    adopted: n.adopted,
                    phase: n.phase.text(),
                })
                .collect(),
            endpoints: endpoints
                .into_iter()
                .map(|e| EndpointStatus {
                    port_id: e.plug.as_ref().map(|p| p.port_id.clone()),
                    link: e.plug.map(|p| p.host).unwrap_or_default(),
                    id: e.id,
                    network_id: e.network,
                    phase: e.phase.text(),
                    joined: e.joined,
                })
                .collect(),
            pools: s
                .pools
                .all(|_| true)
                .into_iter()
                .map(|p| PoolStatus {
                    id: crate::pools::public_id_of(&p),
                    pool: p.pool,
                    network_id: p.network,
                })
                .collect(),
            doomed,
        }
    }
}

impl Inner {
    /// Ends every change of the journal where the process's life ends.
    #[cfg(test)]
    pub(crate) fn guard(&self, process: &Arc<crate::doubles::Process>) {
        self.pools.guard(process.clone());
        self.networks.guard(process.clone());
        self.ports.guard(process.clone());
        self.endpoints.guard(process.clone());
        self.groups.guard(process.clone());
        self.reservations.guard(process.clone());
    }

    pub(crate) fn binding(&self) -> Binding<'_> {
        Binding {
            host: &self.host,
            name: &self.settings.host,
            integration_bridge: &self.settings.integration_bridge,
            scripted: &self.settings.script_vif_types,
            marks: &self.marks,
            guest: &self.guest,
        }
    }

    pub(crate) fn take_stale(&self) -> Stale {
        std::mem::take(&mut *self.stale.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Two rounds may run at once, so what one returns adds to what the other did.
    pub(crate) fn return_stale(&self, stale: Stale) {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).merge(stale);
    }

    /// Neutron's extensions; asked once per process.
    pub(crate) async fn known_extensions(&self) -> openstack::Result<&BTreeSet<String>> {
        self.extensions.get_or_try_init(|| self.neutron.extensions()).await
    }

    /// Whether Neutron has an extension; not taken for absent for ever on a failure.
    pub(crate) async fn has_extension(&self, alias: &str) -> bool {
        match self.known_extensions().await {
            Ok(all) => all.contains(alias),
            Err(error) => {
                tracing::warn!(%error, "cannot list Neutron's extensions, going on without {alias}");
                false
            }
        }
    }
}

/// Takes the outcome of a creation; if its effect is unknown, what it may have made counts instead.
pub(crate) async fn settle<T>(
    made: openstack::Result<T>,
    look: impl Future<Output = openstack::Result<Option<T>>>,
) -> openstack::Result<T> {
    match made {
        Err(error) if error.effect_unknown() => match look.await {
            Ok(Some(found)) => Ok(found),
            _ => Err(error),
        },
        other => other,
    }
}
