//! Docker's side: the order of its calls and what it takes back when one fails.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use journal::StateDir;
use openstack::MacAddr;

use crate::doubles::{Process, World};
use crate::{
    AddressKind, AddressRequest, CreatedEndpoint, EndpointRequest, Error, ExposedPort, IpamData, Joined,
    NetworkRequest, PoolRequest, Service, Settings,
};

#[derive(Debug)]
pub(super) enum Failure {
    Refused(Error),
    Died,
}

pub(super) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(super) fn text(self) -> String {
        match self {
            Self::Refused(error) => error.to_string(),
            Self::Died => "died".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Net {
    pub(super) subnet: Option<IpNet>,
    pub(super) ip_range: Option<IpNet>,
    pub(super) subnet6: Option<IpNet>,
    pub(super) v6: bool,
    pub(super) gateway: Option<IpAddr>,
    pub(super) aux: Vec<IpAddr>,
    pub(super) internal: bool,
    pub(super) options: Vec<(&'static str, String)>,
    pub(super) ipam: Vec<(&'static str, String)>,
}

pub(super) fn v4(subnet: &str) -> Net {
    Net { subnet: Some(subnet.parse().unwrap()), ..Net::default() }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub(super) ip: Option<IpAddr>,
    pub(super) ip6: Option<IpAddr>,
    pub(super) mac: Option<MacAddr>,
    pub(super) exposed: Vec<ExposedPort>,
    pub(super) name: Option<&'static str>,
    /// `--driver-opt`
    pub(super) options: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) network: String,
    pub(super) endpoint: String,
    pub(super) addresses: Vec<(String, IpNet)>,
    pub(super) created: CreatedEndpoint,
    pub(super) joined: Option<Joined>,
}

pub(super) struct Docker {
    pub(super) world: Arc<World>,
    pub(super) process: Arc<Process>,
    pub(super) service: Service,
    pub(super) settings: Settings,
    /// What the driver's capabilities say of MACs: Docker invents one where the user gives none.
    pub(super) requires_mac: bool,
    state: StateDir,
    _dir: tempfile::TempDir,
    /// Network id to pools with their gateway.
    pub(super) networks: BTreeMap<String, Vec<(String, IpNet, Option<IpAddr>)>>,
    held_pools: Vec<(String, Option<IpAddr>)>,
    held_addresses: Vec<(String, IpNet)>,
}

pub(super) fn docker_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// As Docker invents them: locally administered.
fn invented_mac() -> MacAddr {
    let [a, b, c, d, e, ..] = *uuid::Uuid::new_v4().as_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pairs(list: &[(&'static str, String)]) -> BTreeMap<String, String> {
    list.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
}

impl Docker {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        // Memory: these tests write thousands of journal entries, and nobody pulls the plug.
        let memory = tempfile::tempdir_in("/dev/shm");
        let dir = memory.or_else(|_| tempfile::tempdir()).unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let world = Arc::new(World::default());
        {
            let mut cloud = world.cloud.lock().unwrap();
            cloud.vif_type = "bridge".to_owned();
            for alias in ["tag-ports-during-bulk-creation", "standard-attr-tag", "tag-creation"] {
                cloud.extensions.insert(alias.to_owned());
            }
        }
        let mut settings = Settings { host: "node-1".to_owned(), ..Settings::default() };
        change(&mut settings);
        let process = Process::new(&world);
        let service = Service::open(settings.clone(), &state, process.clone(), process.host()).unwrap();
        service.inner.guard(&process);
        let (networks, held_pools, held_addresses) = Default::default();
        let requires_mac = true;
        Self {
            world,
            process,
            service,
            settings,
            requires_mac,
            state,
            _dir: dir,
            networks,
            held_pools,
            held_addresses,
        }
    }

    /// The plugin of another host, on the same cloud.
    pub(super) fn beside(&self) -> Self {
        let mut other = Self::new();
        other.world = Arc::clone(&self.world);
        other.restart();
        other
    }

    /// The plugin is started again on an empty state directory; Docker lives on.
    pub(super) fn lose_journal(&mut self) {
        self._dir = tempfile::tempdir().unwrap();
        self.state = StateDir::open(self._dir.path()).unwrap();
        self.restart();
    }

    /// The plugin is started again; Docker lives on.
    pub(super) async fn reboot(&mut self) {
        self.restart();
        self.service.recover().await.unwrap();
    }

    /// As [`Self::reboot`], without recovery.
    pub(super) fn restart(&mut self) {
        self.process = Process::new(&self.world);
        let (neutron, host) = (self.process.clone(), self.process.host());
        self.service = Service::open(self.settings.clone(), &self.state, neutron, host).unwrap();
        self.service.inner.guard(&self.process);
    }

    /// Nothing that was not answered can take effect any more.
    pub(super) fn let_late_ones_expire(&self) {
        let s = &self.service.inner;
        for mut row in s.ports.all(|p| p.late_until.is_some()) {
            row.late_until = Some(1);
            s.ports.put(&row.id, &row).unwrap();
        }
        for mut row in s.networks.all(|n| n.late_until.is_some()) {
            row.late_until = Some(1);
            s.networks.put(&row.id, &row).unwrap();
        }
        for mut row in s.reservations.all(|r| r.late_until.is_some()) {
            row.late_until = Some(1);
            s.reservations.put(&row.id, &row).unwrap();
        }
        for mut row in s.groups.all(|g| g.late_until.is_some()) {
            row.late_until = Some(1);
            s.groups.put(&row.id, &row).unwrap();
        }
    }

    /// As long as Docker could still come back to what it asked for.
    pub(super) fn let_time_pass(&self) {
        self.let_late_ones_expire();
        let s = &self.service.inner;
        for mut row in s.ports.all(|_| true) {
            row.created -= 11 * 60 * 1000;
            s.ports.put(&row.id, &row).unwrap();
        }
        for mut row in s.networks.all(|n| n.created > 0) {
            row.created -= 11 * 60 * 1000;
            s.networks.put(&row.id, &row).unwrap();
        }
        for mut row in s.pools.all(|_| true) {
            row.created -= 11 * 60 * 1000;
            row.released = row.released.map(|at| at - 61_000);
            s.pools.put(&row.id, &row).unwrap();
        }
    }

    pub(super) async fn sweep(&self) {
        self.service.inner.sweep().await.unwrap();
    }

    pub(super) async fn unless_dead<T>(&self, work: impl Future<Output = crate::Result<T>>) -> Outcome<T> {
        tokio::select! {
            biased;
            () = self.process.death() => Err(Failure::Died),
            done = work => done.map_err(Failure::Refused),
        }
    }

    /// What Docker does when a network or container start fails.
    pub(super) async fn roll_back(&mut self) {
        for (pool, address) in std::mem::take(&mut self.held_addresses) {
            let _ = self.unless_dead(self.service.release_address(&pool, address.addr())).await;
        }
        for (pool, gateway) in std::mem::take(&mut self.held_pools) {
            if let Some(gateway) = gateway {
                let _ = self.unless_dead(self.service.release_address(&pool, gateway)).await;
            }
            let _ = self.unless_dead(self.service.release_pool(&pool)).await;
        }
    }

    pub(super) async fn network_create(&mut self, net: &Net) -> Outcome<String> {
        let id = docker_id();
        self.network_create_as(&id, net).await.map(|()| id)
    }

    pub(super) async fn network_create_as(&mut self, id: &str, net: &Net) -> Outcome {
        let made = self.try_network_create(id, net).await;
        match &made {
            Ok(()) => self.held_pools.clear(),
            Err(Failure::Refused(_)) => self.roll_back().await,
            Err(Failure::Died) => {}
        }
        made
    }

    async fn try_network_create(&mut self, id: &str, net: &Net) -> Outcome {
        let mut pools = Vec::new();
        let mut request = NetworkRequest {
            id: id.to_owned(),
            options: pairs(&net.options),
            internal: net.internal,
            ..NetworkRequest::default()
        };
        let families: &[bool] = if net.v6 { &[false, true] } else { &[false] };
        for v6 in families {
            let wanted = PoolRequest {
                space: "kuryr".to_owned(),
                pool: if *v6 { net.subnet6 } else { net.subnet },
                sub_pool: net.ip_range.filter(|_| !v6),
                options: pairs(&net.ipam),
                v6: *v6,
            };
            let pool = self.unless_dead(self.service.request_pool(wanted)).await?;
            self.held_pools.push((pool.id.clone(), None));
            let asked = net.gateway.filter(|_| !v6);
            let mut gateway = pool.gateway;
            if asked.is_some() || gateway.is_none() {
                gateway = Some(self.address(&pool.id, asked, AddressKind::Gateway).await?);
            }
            self.held_pools.last_mut().unwrap().1 = gateway.map(|g| g.addr());
            let mut aux = Vec::new();
            for address in net.aux.iter().filter(|_| !v6) {
                let got = self.address(&pool.id, Some(*address), AddressKind::Container).await?;
                self.held_addresses.push((pool.id.clone(), got));
                aux.push(got);
            }
            pools.push((pool.id, pool.pool, gateway.map(|g| g.addr())));
            let data = IpamData { pool: pool.pool, gateway, aux };
            if *v6 { request.ipv6.push(data) } else { request.ipv4.push(data) }
        }
        self.unless_dead(self.service.create_network(request)).await?;
        self.held_addresses.clear();
        self.networks.insert(id.to_owned(), pools);
        Ok(())
    }

    pub(super) async fn address(
        &self,
        pool: &str,
        address: Option<IpAddr>,
        kind: AddressKind,
    ) -> Outcome<IpNet> {
        self.address_for(pool, address, kind, None, None).await
    }

    pub(super) async fn address_for(
        &self,
        pool: &str,
        address: Option<IpAddr>,
        kind: AddressKind,
        mac: Option<MacAddr>,
        container_name: Option<&str>,
    ) -> Outcome<IpNet> {
        let container_name = container_name.map(str::to_owned);
        let request = AddressRequest { pool_id: pool.to_owned(), address, kind, mac, container_name };
        self.unless_dead(self.service.request_address(request)).await
    }

    pub(super) async fn network_rm(&mut self, id: &str) -> Outcome {
        for (pool, _, gateway) in self.networks.get(id).cloned().unwrap_or_default() {
            if let Some(gateway) = gateway {
                self.unless_dead(self.service.release_address(&pool, gateway)).await?;
            }
            self.unless_dead(self.service.release_pool(&pool)).await?;
        }
        self.unless_dead(self.service.delete_network(id)).await?;
        self.networks.remove(id);
        Ok(())
    }

    pub(super) async fn run(&mut self, network: &str, run: &Run) -> Outcome<Container> {
        let started = self.try_run(network, run).await;
        match &started {
            Ok(_) => self.held_addresses.clear(),
            Err(Failure::Refused(_)) => self.roll_back().await,
            Err(Failure::Died) => {}
        }
        started
    }

    async fn try_run(&mut self, network: &str, run: &Run) -> Outcome<Container> {
        let mac = run.mac.or_else(|| self.requires_mac.then(invented_mac));
        let mut request = EndpointRequest {
            network_id: network.to_owned(),
            endpoint_id: docker_id(),
            mac,
            exposed: run.exposed.clone(),
            options: run.options.iter().map(|(k, v)| ((*k).to_owned(), v.clone().into())).collect(),
            ..EndpointRequest::default()
        };
        for (pool, range, _) in self.networks[network].clone() {
            let v6 = matches!(range, IpNet::V6(_));
            let wanted = if v6 { run.ip6 } else { run.ip };
            // Without the capability a MAC of the user's own comes with the endpoint only.
            let mac = mac.filter(|_| self.requires_mac);
            let got = self.address_for(&pool, wanted, AddressKind::Container, mac, run.name).await?;
            self.held_addresses.push((pool, got));
            *(if v6 { &mut request.ipv6 } else { &mut request.ipv4 }) = Some(got);
        }
        let endpoint = request.endpoint_id.clone();
        let created = self.unless_dead(self.service.create_endpoint(request)).await?;
        let joined = match self.unless_dead(self.service.join(network, &endpoint)).await {
            Ok(joined) => joined,
            Err(failure) => {
                let _ = self.unless_dead(self.service.delete_endpoint(network, &endpoint)).await;
                return Err(failure);
            }
        };
        self.unless_dead(self.settled()).await?;
        Ok(Container {
            network: network.to_owned(),
            endpoint,
            addresses: self.held_addresses.clone(),
            created,
            joined: Some(joined),
        })
    }

    /// What runs in the background about ports is done, or has failed.
    async fn settled(&self) -> crate::Result<()> {
        let s = &self.service.inner;
        let unrecorded = || s.ports.all(|p| p.unrecorded && p.endpoint.is_some());
        for port in unrecorded() {
            drop(s.locks.lock_within(Duration::from_millis(300), "record", &port.id).await);
        }
        for _ in 0..10 {
            if unrecorded().is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Docker logs errors of a stop and goes on; the first one is returned to the test.
    pub(super) async fn stop(&self, container: &Container) -> Outcome {
        let (network, endpoint) = (&container.network, &container.endpoint);
        let mut first = self.unless_dead(self.service.leave(network, endpoint)).await;
        let deleted = self.unless_dead(self.service.delete_endpoint(network, endpoint)).await;
        first = first.and(deleted);
        for (pool, address) in &container.addresses {
            let released = self.unless_dead(self.service.release_address(pool, address.addr())).await;
            first = first.and(released);
        }
        first
    }

    pub(super) fn journal(&self) -> std::path::PathBuf {
        self.state.path().to_path_buf()
    }

    /// As many ports, endpoints and links of ours as containers run.
    pub(super) fn assert_nothing_of_ours_but(&self, running: usize) {
        let s = &self.service.inner;
        assert_eq!(s.ports.all(|_| true).len(), running);
        assert_eq!(s.endpoints.all(|_| true).len(), running);
        let cloud = self.world.cloud.lock().unwrap();
        assert_eq!(
            cloud.ports.values().filter(|p| p.tags.iter().any(|t| t == "compute:kuryr")).count(),
            running
        );
        assert_eq!(cloud.links.values().filter(|l| l.mark.is_some()).count(), running);
    }

    /// A port as it is while its creation's answer is under way: Neutron has it, and the record does not say which it is.
    pub(super) fn reservation_without_an_answer(&self, network: &str) -> String {
        let s = &self.service.inner;
        let network = s.networks.get(network).unwrap();
        let id = uuid::Uuid::new_v4().to_string();
        let new = openstack::network::NewPort {
            network_id: network.neutron_id.clone().unwrap(),
            device_owner: crate::names::DEVICE_OWNER.to_owned(),
            description: Some(s.marks.port_description(&id)),
            ..openstack::network::NewPort::default()
        };
        self.world.cloud.lock().unwrap().add_port(&new).unwrap();
        let row = crate::state::PortRow {
            id: id.clone(),
            phase: crate::state::Phase::Creating,
            late_until: None,
            pool: None,
            network: network.id,
            subnet_id: String::new(),
            address: None,
            port: None,
            originals: None,
            merged_into: None,
            endpoint: None,
            devices: std::collections::BTreeSet::from([id.clone()]),
            groups: std::collections::BTreeSet::new(),
            trunk: Some("t".to_owned()),
            attached: false,
            spare: false,
            worn: false,
            label: None,
            unrecorded: false,
            mac: None,
            swarm: false,
            refused: Vec::new(),
            created: crate::state::now(),
        };
        s.ports.put(&id, &row).unwrap();
        id
    }

    pub(super) fn assert_in_journal(&self, endpoint: &str) {
        assert!(self.service.inner.endpoints.get(endpoint).is_some());
    }

    /// Nothing of ours in the journal.
    pub(super) fn assert_forgotten(&self, when: &str) {
        let s = &self.service.inner;
        assert!(s.networks.all(|_| true).is_empty(), "{when}: {:?}", s.networks.all(|_| true));
        assert!(s.pools.all(|_| true).is_empty(), "{when}: {:?}", s.pools.all(|_| true));
        assert!(s.ports.all(|_| true).is_empty(), "{when}: {:?}", s.ports.all(|_| true));
        assert!(s.endpoints.all(|_| true).is_empty(), "{when}: {:?}", s.endpoints.all(|_| true));
        assert!(s.groups.all(|_| true).is_empty(), "{when}: {:?}", s.groups.all(|_| true));
    }
}

pub(super) fn quickly() -> Duration {
    Duration::from_millis(300)
}
