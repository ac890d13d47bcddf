//! Docker's own IPAM drivers: `default` chooses the addresses, `null` leaves them to Neutron.

use ipnet::IpNet;

use super::docker::{Docker, docker_id, ip};
use crate::doubles::Fault;
use crate::{CreatedEndpoint, EndpointRequest, IpamData, NetworkRequest};

fn data(pool: &str, gateway: Option<&str>) -> IpamData {
    IpamData { pool: pool.parse().unwrap(), gateway: gateway.map(|g| g.parse().unwrap()), aux: Vec::new() }
}

fn net(addresses: &str) -> Option<IpNet> {
    Some(addresses.parse().unwrap())
}

async fn network(
    docker: &Docker,
    ipv4: Vec<IpamData>,
    ipv6: Vec<IpamData>,
    uuid: Option<&str>,
) -> Result<String, String> {
    let id = docker_id();
    let options = uuid.map(|uuid| ("neutron.net.uuid".to_owned(), uuid.to_owned())).into_iter().collect();
    let request = NetworkRequest {
        id: id.clone(),
        options,
        ipv4,
        ipv6,
        foreign_ipam: true,
        ..NetworkRequest::default()
    };
    docker.service.create_network(request).await.map(|()| id).map_err(|e| e.to_string())
}

async fn endpoint(
    docker: &Docker,
    network: &str,
    ipv4: Option<IpNet>,
    ipv6: Option<IpNet>,
) -> (String, crate::Result<CreatedEndpoint>) {
    let id = docker_id();
    let (network_id, endpoint_id) = (network.to_owned(), id.clone());
    let request = EndpointRequest { network_id, endpoint_id, ipv4, ipv6, ..EndpointRequest::default() };
    (id, docker.service.create_endpoint(request).await)
}

/// B17: the network needs no pool of ours, and each endpoint is one port made in one request.
#[tokio::test]
async fn b17_dockers_own_addresses_become_one_port_per_endpoint() {
    let docker = Docker::new();
    let (four, six) = (data("10.9.0.0/24", Some("10.9.0.1/24")), data("fd09::/64", Some("fd09::1/64")));
    let id = network(&docker, vec![four], vec![six], None).await.unwrap();
    // No agent of Neutron's has an address Docker may choose.
    assert!(docker.world.snapshot().ports.is_empty());
    let before = docker.world.snapshot();
    docker.world.calls();
    let (one, made) = endpoint(&docker, &id, net("10.9.0.2/24"), net("fd09::2/64")).await;
    let made = made.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports"]);
    let port = docker.port_at("10.9.0.2/24".parse().unwrap()).unwrap();
    assert_eq!((port.fixed_ips.len(), &port.device_id), (2, &one));
    assert_eq!(port.name, format!("{one}-port"));
    assert_eq!(made, CreatedEndpoint { mac: Some(port.mac_address), ipv4: None, ipv6: None });
    let joined = docker.service.join(&id, &one).await.unwrap();
    assert_eq!((joined.gateway, joined.gateway6), (Some(ip("10.9.0.1")), Some(ip("fd09::1"))));
    let (_, taken) = endpoint(&docker, &id, net("10.9.0.2/24"), None).await;
    assert!(taken.unwrap_err().to_string().contains("is used by"));
    let (_, outside) = endpoint(&docker, &id, net("10.8.0.2/24"), None).await;
    assert!(outside.unwrap_err().to_string().contains("10.8.0.2"));
    docker.world.calls();
    docker.service.delete_endpoint(&id, &one).await.unwrap();
    assert_eq!(docker.world.calls(), ["DELETE port"]);
    assert_eq!(docker.world.snapshot(), before);
    docker.service.delete_network(&id).await.unwrap();
    docker.assert_forgotten("after the network");
}

#[tokio::test]
async fn endpoints_of_dockers_addresses_survive_a_restart() {
    let mut docker = Docker::new();
    let id = network(&docker, vec![data("10.9.0.0/24", None)], Vec::new(), None).await.unwrap();
    let before = docker.world.snapshot();
    let (one, made) = endpoint(&docker, &id, net("10.9.0.2/24"), None).await;
    made.unwrap();
    docker.reboot().await;
    docker.sweep().await;
    docker.service.join(&id, &one).await.unwrap();
    docker.service.delete_endpoint(&id, &one).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn without_ipam_neutron_chooses_and_docker_is_told() {
    let docker = Docker::new();
    let theirs = docker.operator_network("theirs", &["10.9.0.0/24", "fd09::/64"]).await;
    let found = docker.world.snapshot();
    let id = network(&docker, vec![data("0.0.0.0/0", None)], Vec::new(), Some(&theirs)).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET subnets", "GET network", "GET subnets", "POST tags"]);
    let before = docker.world.snapshot();
    let (one, made) = endpoint(&docker, &id, None, None).await;
    let made = made.unwrap();
    assert_eq!(docker.world.calls(), ["POST ports"]);
    let port = docker.port_at(made.ipv4.unwrap()).unwrap();
    assert_eq!(docker.port_at(made.ipv6.unwrap()).unwrap(), port);
    assert_eq!((made.mac, made.ipv4.unwrap().prefix_len()), (Some(port.mac_address), 24));
    assert_eq!(docker.service.join(&id, &one).await.unwrap().gateway, Some(ip("10.9.0.1")));
    docker.service.delete_endpoint(&id, &one).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.service.delete_network(&id).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn without_ipam_and_without_one_existing_range_the_network_is_refused() {
    let docker = Docker::new();
    let null = || vec![data("0.0.0.0/0", None)];
    let text = network(&docker, null(), Vec::new(), None).await.unwrap_err();
    assert!(text.contains("neutron.net.uuid") && text.contains("--ipam-driver kuryr"), "{text}");
    let two = docker.operator_network("two", &["10.9.0.0/24", "10.8.0.0/24"]).await;
    let before = docker.world.snapshot();
    let text = network(&docker, null(), Vec::new(), Some(&two)).await.unwrap_err();
    assert!(text.contains("ambiguous") && text.contains("10.8.0.0/24"), "{text}");
    let none = docker.operator_network("none", &[]).await;
    assert!(network(&docker, null(), Vec::new(), Some(&none)).await.unwrap_err().contains("no subnet"));
    assert_eq!(docker.world.snapshot().subnets, before.subnets);
    docker.assert_forgotten("after the refusals");
}

#[tokio::test]
async fn no_fault_leaves_a_port_of_a_foreign_address_behind() {
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down] {
        for at in 1..=9 {
            let mut docker = Docker::new();
            let id = network(&docker, vec![data("10.9.0.0/24", None)], Vec::new(), None).await.unwrap();
            let before = docker.world.snapshot();
            docker.world.arm(at, fault);
            let process = std::sync::Arc::clone(&docker.process);
            let made = tokio::select! {
                biased;
                () = process.death() => None,
                (one, made) = endpoint(&docker, &id, net("10.9.0.2/24"), None) => Some((one, made)),
            };
            docker.world.disarm();
            match made {
                Some((one, Ok(_))) => docker.service.delete_endpoint(&id, &one).await.unwrap(),
                Some((_, Err(_))) => docker.sweep().await,
                None => {
                    docker.reboot().await;
                    let left: Vec<String> =
                        docker.service.status().endpoints.into_iter().map(|e| e.id).collect();
                    for one in left {
                        docker.service.delete_endpoint(&id, &one).await.unwrap();
                    }
                    // What was reserved for no endpoint is given up after two minutes.
                    let s = &docker.service.inner;
                    for mut row in s.ports.all(|_| true) {
                        row.created = 1;
                        s.ports.put(&row.id, &row).unwrap();
                    }
                    docker.sweep().await;
                }
            }
            assert_eq!(docker.world.snapshot(), before, "{fault:?} at call {at}");
        }
    }
}
