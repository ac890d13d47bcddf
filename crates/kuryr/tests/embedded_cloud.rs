//! The service between the real edges: the development cloud over HTTP and the kernel's links, in a network
//! namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use host_net::Links;
use journal::StateDir;
use kuryr::{
    AddressKind, AddressRequest, EndpointRequest, ExposedPort, Host, HostPaths, IpamData, NetworkRequest,
    PoolRequest, Service, Settings,
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
