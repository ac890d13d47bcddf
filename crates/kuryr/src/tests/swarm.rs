//! Swarm networks, in the order in which managers and nodes of Docker 28.5 call.

mod faults;
mod holders;
mod life;
mod local;
mod managers;
mod nodes;
mod orphans;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::docker::{Docker, Outcome, docker_id, ip};
use crate::{
    AddressKind, AddressRequest, AllocationRequest, CreatedEndpoint, EndpointRequest, Error, IpamData,
    NetworkRequest, Pool, PoolRequest, Result,
};

pub(super) const GLOBAL: &str = "kuryr_global";
pub(super) const LOCAL: &str = "kuryr_local";
pub(super) const ID: &str = "d8jze08m3b8xamv30wdmjpnpp";
pub(super) const RANGE: &str = "10.30.0.0/24";

/// The plugin of a node; every manager is one, too.
pub(super) fn node(host: &str) -> Docker {
    Docker::with(|settings| {
        settings.host = host.to_owned();
        settings.global_space = Some(GLOBAL.to_owned());
    })
}

/// The plugin of another node of the same cloud.
pub(super) fn beside(one: &Docker, host: &str) -> Docker {
    let mut other = node(host);
    other.world = std::sync::Arc::clone(&one.world);
    other.restart();
    other
}

pub(super) type Given = [(&'static str, String)];

pub(super) fn options(given: &Given) -> BTreeMap<String, String> {
    given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// A swarm network as the managers know it.
#[derive(Debug, Clone)]
pub(super) struct Global {
    pub(super) pool: Pool,
    pub(super) options: BTreeMap<String, String>,
    pub(super) gateway: IpNet,
}

pub(super) async fn pool(docker: &Docker, space: &str, range: &str, ipam: &Given) -> Result<Pool> {
    let request = PoolRequest {
        space: space.to_owned(),
        pool: Some(range).filter(|range| !range.is_empty()).map(|range| range.parse().unwrap()),
        options: options(ipam),
        ..PoolRequest::default()
    };
    docker.service.request_pool(request).await
}

pub(super) async fn address(docker: &Docker, pool: &str, wanted: Option<IpAddr>) -> Result<IpNet> {
    ask(docker, pool, wanted, AddressKind::Container).await
}

pub(super) async fn ask(
    docker: &Docker,
    pool: &str,
    address: Option<IpAddr>,
    kind: AddressKind,
) -> Result<IpNet> {
    let request = AddressRequest { pool_id: pool.to_owned(), address, kind, mac: None, container_name: None };
    docker.service.request_address(request).await
}

pub(super) async fn allocate(
    docker: &Docker,
    id: &str,
    given: BTreeMap<String, String>,
    ranges: &[&str],
) -> Result<BTreeMap<String, String>> {
    let ipv4 = ranges.iter().map(|range| range.parse().unwrap()).collect();
    let request = AllocationRequest { id: id.to_owned(), options: given, ipv4, ipv6: Vec::new() };
    docker.service.allocate_network(request).await
}

/// `docker network create --scope swarm`, on the leader.
pub(super) async fn create(
    docker: &Docker,
    id: &str,
    range: &str,
    o: &Given,
    ipam: &Given,
) -> Result<Global> {
    let pool = pool(docker, GLOBAL, range, ipam).await?;
    let made = async {
        let gateway = ask(docker, &pool.id, pool.gateway.map(|g| g.addr()), AddressKind::Gateway).await?;
        let options = allocate(docker, id, options(o), &[&pool.pool.to_string()]).await?;
        Ok(Global { pool: pool.clone(), options, gateway })
    };
    let made: Result<Global> = made.await;
    if made.is_err() {
        let _ = docker.service.release_pool(&pool.id).await;
    }
    made
}

/// What a leader does after a change: all that is known, again.
pub(super) async fn replay(
    docker: &Docker,
    id: &str,
    known: &Global,
    live: &[IpNet],
    ipam: &Given,
) -> Result<Global> {
    let range = known.pool.pool.to_string();
    let pool = pool(docker, GLOBAL, &range, ipam).await?;
    let gateway = ask(docker, &pool.id, Some(known.gateway.addr()), AddressKind::Gateway).await?;
    let options = allocate(docker, id, known.options.clone(), &[&range]).await?;
    for live in live {
        assert_eq!(address(docker, &pool.id, Some(live.addr())).await?, *live);
    }
    Ok(Global { pool, options, gateway })
}

/// `docker network rm`, on the leader.
pub(super) async fn remove(docker: &Docker, id: &str, known: &Global) -> Result<()> {
    docker.service.free_network(id).await?;
    docker.service.release_address(&known.pool.id, known.gateway.addr()).await?;
    docker.service.release_pool(&known.pool.id).await
}

/// A task on a node.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) endpoint: String,
    pub(super) address: IpNet,
    pub(super) created: CreatedEndpoint,
}

/// The first task of a network comes to a node.
pub(super) async fn arrive(docker: &Docker, id: &str, known: &Global, ipam: &Given) -> Result<Pool> {
    let pool = pool(docker, LOCAL, &known.pool.pool.to_string(), ipam).await?;
    let gateway = known.gateway.addr();
    let gateway = ask(docker, &pool.id, Some(gateway), AddressKind::Gateway).await?;
    let data = IpamData { pool: pool.pool, gateway: Some(gateway), aux: Vec::new() };
    let request = NetworkRequest {
        id: id.to_owned(),
        options: known.options.clone(),
        ipv4: vec![data],
        ..NetworkRequest::default()
    };
    docker.service.create_network(request).await?;
    Ok(pool)
}

pub(super) async fn start(docker: &Docker, id: &str, pool: &Pool, wanted: IpNet) -> Result<Task> {
    let got = address(docker, &pool.id, Some(wanted.addr())).await?;
    let endpoint = docker_id();
    let request = EndpointRequest {
        network_id: id.to_owned(),
        endpoint_id: endpoint.clone(),
        ipv4: Some(got),
        ..EndpointRequest::default()
    };
    let made = async {
        let created = docker.service.create_endpoint(request).await?;
        docker.service.join(id, &endpoint).await?;
        Ok(created)
    };
    match made.await {
        Ok(created) => Ok(Task { endpoint, address: got, created }),
        Err(error) => {
            // As Docker does it.
            docker.service.release_address(&pool.id, got.addr()).await.ok();
            Err(error)
        }
    }
}

pub(super) async fn stop(docker: &Docker, id: &str, pool: &Pool, task: &Task) -> Result<()> {
    docker.service.leave(id, &task.endpoint).await?;
    docker.service.delete_endpoint(id, &task.endpoint).await?;
    docker.service.release_address(&pool.id, task.address.addr()).await
}

/// The last task of a network has left a node.
pub(super) async fn depart(docker: &Docker, id: &str, known: &Global, pool: &Pool) -> Result<()> {
    docker.service.release_address(&pool.id, known.gateway.addr()).await?;
    docker.service.release_pool(&pool.id).await?;
    docker.service.delete_network(id).await
}

/// The ports that hold addresses of containers, by address.
pub(super) fn held(docker: &Docker) -> Vec<openstack::network::Port> {
    let cloud = docker.world.cloud.lock().unwrap();
    let mut ports: Vec<_> =
        cloud.ports.values().filter(|p| crate::swarm::is_reservation(p)).cloned().collect();
    ports.sort_by_key(|p| p.fixed_ips[0].ip_address);
    ports
}

pub(super) fn only(docker: &Docker) -> openstack::network::Port {
    let ports = held(docker);
    assert_eq!(ports.len(), 1, "{ports:#?}");
    ports[0].clone()
}

pub(super) fn refusal<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let error: Error = outcome.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 600, "{text}");
    text
}

/// Nothing left of a swarm network: neither in the cloud nor in these journals.
pub(super) fn assert_as_before(before: &crate::doubles::Cloud, nodes: &[&Docker]) {
    assert_eq!(nodes[0].world.snapshot(), *before);
    for node in nodes {
        node.assert_forgotten("at the end");
        assert!(node.service.inner.reservations.all(|_| true).is_empty());
    }
}

pub(super) fn at(text: &str) -> Option<IpAddr> {
    Some(ip(text))
}

pub(super) async fn dead<T>(docker: &Docker, work: impl Future<Output = Result<T>>) -> Outcome<T> {
    docker.unless_dead(work).await
}
