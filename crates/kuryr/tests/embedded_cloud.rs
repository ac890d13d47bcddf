//! The service between the real edges: the development cloud over HTTP and the kernel's links, in a network
//! namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use host_net::Links;
use journal::StateDir;
use kuryr::{
    AddressKind, AddressRequest, AllocationRequest, EndpointRequest, ExposedPort, Host, HostPaths, IpamData,
    NetworkRequest, PoolRequest, Service, Settings,
};
use openstack::network::{Client, NewPort, WantedIp};
use openstack::{AuthSettings, Session};
use os::netns::{NetNs, run_in};

/// Panics without the right to make a namespace: a skipped test proves nothing.
fn in_fresh_namespace<F: Future<Output = ()>>(test: impl FnOnce(Client, Links) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let links = Links::open().unwrap();
            links.set_up("lo", true).await.unwrap();
            let mut options = devcloud::Options::new("127.0.0.1:0".parse().unwrap());
            options.demo_is_admin = true;
            let cloud = devcloud::DevCloud::start(options).await.unwrap();
            let options = [
                ("auth_type", "password"),
                ("auth_url", cloud.auth_url.as_str()),
                ("username", "demo"),
                ("password", "demo"),
                ("project_name", "demo"),
                ("user_domain_id", "default"),
                ("project_domain_id", "default"),
            ];
            let options: BTreeMap<String, String> =
                options.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            let settings = AuthSettings::from_keystoneauth_map("the test", &options).unwrap();
            test(Client::new(Session::new(settings).unwrap()), links).await;
            cloud.stop().await.unwrap();
        });
    })
    .unwrap();
}

async fn left(client: &Client) -> [usize; 5] {
    [
        client.list_networks(&[]).await.unwrap().len(),
        client.list_subnets(&[]).await.unwrap().len(),
        client.list_subnetpools(&[]).await.unwrap().len(),
        client.list_ports(&[]).await.unwrap().len(),
        client.list_security_groups(&[]).await.unwrap().len(),
    ]
}

async fn address(service: &Service, pool: &str, address: Option<IpAddr>) -> kuryr::Result<ipnet::IpNet> {
    let kind = AddressKind::Container;
    let request = AddressRequest { pool_id: pool.to_owned(), address, kind, mac: None, container_name: None };
    service.request_address(request).await
}

#[test]
fn a_container_lives_and_dies_on_the_development_cloud_and_the_kernel() {
    in_fresh_namespace(|client, links| async move {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let settings = Settings { host: "node-1".to_owned(), ..Settings::default() };
        let host = Host::new(links.clone(), HostPaths::default());
        let neutron = Arc::new(client.clone());
        let service = Service::open(settings, &state, neutron, host).unwrap();
        service.recover().await.unwrap();
        let before = left(&client).await;
        let range = "10.9.0.0/24".parse().unwrap();
        let wanted = PoolRequest { space: "s".to_owned(), pool: Some(range), ..PoolRequest::default() };
        let pool = service.request_pool(wanted).await.unwrap();
        let network = "ab".repeat(32);
        let data = IpamData { pool: pool.pool, gateway: pool.gateway, aux: Vec::new() };
        let request = NetworkRequest { id: network.clone(), ipv4: vec![data], ..NetworkRequest::default() };
        service.create_network(request).await.unwrap();

        let own = address(&service, &pool.id, None).await.unwrap();
        let endpoint = "cd".repeat(32);
        let request = EndpointRequest {
            network_id: network.clone(),
            endpoint_id: endpoint.clone(),
            ipv4: Some(own),
            exposed: vec![ExposedPort { protocol: 17, port: 1234 }],
            ..EndpointRequest::default()
        };
        let mac = service.create_endpoint(request).await.unwrap().mac.unwrap();
        let joined = service.join(&network, &endpoint).await.unwrap();
        let link = links.link(&joined.source_name).await.unwrap().unwrap();
        assert_eq!((link.mac, link.mtu), (Some(mac.0), 1450));
        let info = service.endpoint_info(&network, &endpoint).await.unwrap();
        let near = links.link(&info["link"]).await.unwrap().unwrap();
        assert!(near.up && near.master.is_some());
        let port = client.get_port(&info["port"]).await.unwrap();
        assert_eq!((port.device_id.as_str(), port.security_groups.len()), (endpoint.as_str(), 2));

        // The container's address is refused to another; an unbound port's is taken and given back.
        let refused = address(&service, &pool.id, Some(own.addr())).await.unwrap_err().to_string();
        assert!(refused.contains("is used by port"), "{refused}");
        let subnet_id = port.fixed_ips.first().unwrap().subnet_id.clone();
        let new = NewPort {
            network_id: port.network_id.clone(),
            name: "theirs".into(),
            fixed_ips: vec![WantedIp { subnet_id, ip_address: None }],
            ..NewPort::default()
        };
        let theirs = client.create_port(&new).await.unwrap();
        let free = theirs.fixed_ips.first().unwrap().ip_address;
        address(&service, &pool.id, Some(free)).await.unwrap();
        let taken = client.get_port(&theirs.id).await.unwrap();
        assert!(taken.tags.iter().any(|t| t == "kuryr.port.existing"), "{taken:?}");
        service.release_address(&pool.id, free).await.unwrap();
        let back = client.get_port(&theirs.id).await.unwrap();
        assert_eq!(
            (back.device_owner, back.device_id, back.tags),
            (String::new(), String::new(), Vec::new())
        );
        assert_eq!((back.host_id, back.mac_address), (theirs.host_id, theirs.mac_address));
        client.delete_port(&theirs.id).await.unwrap();

        service.leave(&network, &endpoint).await.unwrap();
        service.delete_endpoint(&network, &endpoint).await.unwrap();
        service.release_address(&pool.id, own.addr()).await.unwrap();
        assert!(links.link(&info["link"]).await.unwrap().is_none());
        service.release_pool(&pool.id).await.unwrap();
        service.delete_network(&network).await.unwrap();
        assert_eq!(left(&client).await, before);
    });
}

/// A manager or node of a swarm, with a journal of its own.
fn of_swarm(client: &Client, links: &Links) -> (Service, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let settings = Settings {
        host: "node-1".to_owned(),
        global_space: Some("kuryr_global".to_owned()),
        ..Settings::default()
    };
    let host = Host::new(links.clone(), HostPaths::default());
    (Service::open(settings, &state, Arc::new(client.clone()), host).unwrap(), dir)
}

fn range_in(space: &str) -> PoolRequest {
    let pool = Some("10.30.0.0/24".parse().unwrap());
    PoolRequest { space: space.to_owned(), pool, ..PoolRequest::default() }
}

#[test]
fn managers_that_race_and_a_node_share_a_network_of_the_development_cloud() {
    in_fresh_namespace(|client, links| async move {
        let before = left(&client).await;
        let ((one, _one), (two, _two)) = (of_swarm(&client, &links), of_swarm(&client, &links));
        let (first, second) = tokio::join!(
            one.request_pool(range_in("kuryr_global")),
            two.request_pool(range_in("kuryr_global"))
        );
        let (pool, other) = (first.unwrap(), second.unwrap());
        assert_eq!(pool, other, "one of them has won");
        assert_eq!(client.list_networks(&[("name", "kuryr-net-d8jze08m")]).await.unwrap().len(), 0);
        let id = "d8jze08m3b8xamv30wdmjpnpp".to_owned();
        let allocation =
            AllocationRequest { id: id.clone(), ipv4: vec![pool.pool], ..AllocationRequest::default() };
        let options = one.allocate_network(allocation.clone()).await.unwrap();
        assert_eq!(two.allocate_network(allocation).await.unwrap(), options, "a change of the leader");
        assert_eq!(client.list_networks(&[("name", "kuryr-net-d8jze08m")]).await.unwrap().len(), 1);
        let vip = address(&one, &pool.id, None).await.unwrap();
        let task = address(&one, &pool.id, None).await.unwrap();
        assert_eq!(address(&two, &pool.id, Some(task.addr())).await.unwrap(), task);

        // The node is the second manager's host.
        let here = two.request_pool(range_in("kuryr_local")).await.unwrap();
        let data = IpamData { pool: here.pool, gateway: here.gateway, aux: Vec::new() };
        let request =
            NetworkRequest { id: id.clone(), options, ipv4: vec![data], ..NetworkRequest::default() };
        two.create_network(request).await.unwrap();
        for round in 0..2 {
            assert_eq!(address(&two, &here.id, Some(task.addr())).await.unwrap(), task);
            let endpoint = "cd".repeat(32);
            let request = EndpointRequest {
                network_id: id.clone(),
                endpoint_id: endpoint.clone(),
                ipv4: Some(task),
                exposed: vec![ExposedPort { protocol: 6, port: 80 }],
                ..EndpointRequest::default()
            };
            let mac = two.create_endpoint(request).await.unwrap().mac.unwrap();
            let joined = two.join(&id, &endpoint).await.unwrap();
            let link = links.link(&joined.source_name).await.unwrap().unwrap();
            assert_eq!(link.mac, Some(mac.0));
            let info = two.endpoint_info(&id, &endpoint).await.unwrap();
            let port = client.get_port(&info["port"]).await.unwrap();
            assert_eq!((port.device_id.as_str(), port.tags.len()), (endpoint.as_str(), 2));
            if round == 1 {
                // The manager is told first this time.
                one.release_address(&pool.id, task.addr()).await.unwrap();
                assert_eq!(client.get_port(&port.id).await.unwrap().device_id, endpoint);
            }
            two.leave(&id, &endpoint).await.unwrap();
            two.delete_endpoint(&id, &endpoint).await.unwrap();
            two.release_address(&here.id, task.addr()).await.unwrap();
            match client.get_port(&port.id).await {
                Ok(kept) => {
                    assert_eq!(round, 0);
                    assert_eq!((kept.device_owner.as_str(), kept.device_id.as_str()), ("kuryr:swarm", ""));
                    assert_eq!((kept.tags, kept.security_groups.len()), (vec!["kuryr.g".to_owned()], 1));
                }
                Err(gone) => assert!(round == 1 && gone.is_not_found(), "{gone}"),
            }
        }
        two.release_pool(&here.id).await.unwrap();
        two.delete_network(&id).await.unwrap();
        one.release_address(&pool.id, vip.addr()).await.unwrap();
        two.free_network(&id).await.unwrap();
        two.release_pool(&pool.id).await.unwrap();
        assert_eq!(left(&client).await, before);
    });
}
