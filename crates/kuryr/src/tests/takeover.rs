//! Networks and containers the Python driver, or we before the journal was lost, left for Docker to use.

use std::collections::BTreeMap;

use super::docker::{Container, Docker, Net, Run, docker_id, ip, v4};
use crate::doubles::Fault;
use crate::names;

/// Gives everything the names, tags and ids of the Python driver, and Docker the pool ids it would have.
fn in_the_peers_way(docker: &mut Docker, containers: &[&Container]) {
    let mut pools: BTreeMap<String, String> = BTreeMap::new();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let rows = docker.service.inner.networks.all(|_| true);
        for row in &rows {
            let made: Vec<String> = row.made_pools.iter().filter_map(|p| p.id.clone()).collect();
            for subnet in &row.subnets {
                let id = subnet.id.clone().unwrap();
                let made = cloud.subnets[&id].subnetpool_id.clone().filter(|p| made.contains(p));
                let pool = made.or_else(|| {
                    // One is made beside an adopted subnet.
                    let cidr = subnet.cidr.unwrap();
                    let known = cloud.pools.values().find(|p| p.name == format!("kuryrPool-{cidr}"));
                    let pool = known.cloned().unwrap_or_else(|| openstack::network::SubnetPool {
                        id: uuid::Uuid::new_v4().to_string(),
                        name: format!("kuryrPool-{cidr}"),
                        description: String::new(),
                        prefixes: vec![cidr],
                        default_prefixlen: cidr.prefix_len(),
                        ip_version: if subnet.v6 { 6 } else { 4 },
                        shared: false,
                        tags: Vec::new(),
                    });
                    cloud.pools.insert(pool.id.clone(), pool.clone());
                    Some(pool.id)
                });
                let pool = pool.unwrap();
                let tags = &mut cloud.subnets.get_mut(&id).unwrap().tags;
                if !tags.contains(&pool) {
                    tags.push(pool.clone());
                }
                pools.insert(format!("l1:{}", subnet.pool.clone().unwrap()), pool);
            }
        }
        for network in cloud.networks.values_mut() {
            network.description.clear();
            network.tags.retain(|tag| !tag.starts_with("kuryr.pool."));
        }
        cloud.subnets.values_mut().for_each(|s| s.description.clear());
        cloud.pools.values_mut().for_each(|p| p.description.clear());
        for container in containers {
            let endpoint = &container.endpoint;
            let has = |p: &&mut openstack::network::Port| {
                p.fixed_ips.iter().any(|ip| ip.ip_address == container.addresses[0].1.addr())
            };
            let port = cloud.ports.values_mut().find(has).unwrap();
            port.device_id.clone_from(endpoint);
            port.tags.extend(names::network_tags(endpoint, false));
            if port.tags.iter().any(|t| t == "compute:kuryr") {
                port.name = "kuryr-unbound-port".to_owned();
            }
        }
        cloud.links.values_mut().for_each(|l| l.mark = None);
    }
    for known in docker.networks.values_mut().flatten() {
        known.0 = pools[&known.0].clone();
    }
}

fn taken_over(container: &Container, docker: &Docker) -> Container {
    let pools = &docker.networks[&container.network];
    let addresses =
        container.addresses.iter().zip(pools).map(|((_, a), pool)| (pool.0.clone(), *a)).collect();
    Container { addresses, ..container.clone() }
}

fn using(id: &str) -> Net {
    Net { options: vec![("neutron.net.uuid", id.to_owned())], ..v4("10.9.0.0/24") }
}

#[tokio::test]
async fn a_network_of_the_peer_with_a_running_container_is_served_and_removed() {
    let mut docker = Docker::new();
    let found = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let old = docker.run(&network, &Run::default()).await.unwrap();
    in_the_peers_way(&mut docker, &[&old]);
    let old = taken_over(&old, &docker);
    docker.lose_journal();
    let new = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(new.joined.as_ref().unwrap().gateway, Some(ip("10.9.0.1")));
    // Known from now on.
    docker.world.calls();
    let third = docker.run(&network, &Run::default()).await.unwrap();
    assert!(docker.world.calls().iter().all(|c| !c.starts_with("GET")));
    docker.stop(&old).await.unwrap();
    assert!(docker.port_at(old.addresses[0].1).is_none());
    docker.stop(&third).await.unwrap();
    docker.stop(&new).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the takeover");
}

#[tokio::test]
async fn what_the_peer_made_is_removed_when_docker_asks_for_nothing_else() {
    let mut docker = Docker::new();
    let found = docker.world.snapshot();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    in_the_peers_way(&mut docker, &[]);
    docker.lose_journal();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the removal");
}

#[tokio::test]
async fn what_the_peer_adopted_is_given_back_with_its_tags_cleaned() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    docker.operator_port(&id, "10.9.0.55").await;
    let found = docker.world.snapshot();
    let network = docker.network_create(&using(&id)).await.unwrap();
    let run = Run { ip: Some(ip("10.9.0.55")), ..Run::default() };
    let old = docker.run(&network, &run).await.unwrap();
    in_the_peers_way(&mut docker, &[&old]);
    let old = taken_over(&old, &docker);
    docker.lose_journal();
    docker.stop(&old).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    let mut left = docker.world.snapshot();
    // The Python driver forgets the MAC a port had.
    for port in left.ports.values_mut() {
        port.mac_address = found.ports[&port.id].mac_address;
        port.admin_state_up = found.ports[&port.id].admin_state_up;
    }
    assert_eq!(left, found);
    docker.assert_forgotten("after giving back");
}

/// B46.
#[tokio::test]
async fn what_other_hosts_of_the_peer_still_use_stays() {
    let mut one = Docker::new();
    let id = one.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = one.world.snapshot();
    let mut two = one.beside();
    let here = one.network_create(&using(&id)).await.unwrap();
    let there = two.network_create(&using(&id)).await.unwrap();
    in_the_peers_way(&mut one, &[]);
    in_the_peers_way(&mut two, &[]);
    one.lose_journal();
    two.lose_journal();
    one.run(&here, &Run::default()).await.unwrap();
    let endpoint = one.service.status().endpoints[0].id.clone();
    one.service.delete_endpoint(&here, &endpoint).await.unwrap();
    one.network_rm(&here).await.unwrap();
    assert_eq!(one.world.snapshot().pools.len(), 1);
    let container = two.run(&there, &Run::default()).await.unwrap();
    two.stop(&container).await.unwrap();
    two.network_rm(&there).await.unwrap();
    assert_eq!(two.world.snapshot(), found);
}

#[tokio::test]
async fn two_docker_networks_on_one_pool_of_the_peer_are_told_apart_by_their_endpoints() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    let one = docker.network_create(&using(&id)).await.unwrap();
    let two = docker.network_create(&using(&id)).await.unwrap();
    in_the_peers_way(&mut docker, &[]);
    docker.lose_journal();
    let first = docker.run(&one, &Run::default()).await.unwrap();
    let second = docker.run(&two, &Run::default()).await.unwrap();
    docker.stop(&first).await.unwrap();
    docker.network_rm(&one).await.unwrap();
    let third = docker.run(&two, &Run::default()).await.unwrap();
    docker.stop(&second).await.unwrap();
    docker.stop(&third).await.unwrap();
    docker.network_rm(&two).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after both");
}

#[tokio::test]
async fn our_own_network_is_recognised_after_the_journal_is_lost() {
    let mut docker = Docker::new();
    let found = docker.world.snapshot();
    let net = Net { v6: true, subnet6: Some("fd09::/64".parse().unwrap()), ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let old = docker.run(&network, &Run::default()).await.unwrap();
    docker.lose_journal();
    let new = docker.run(&network, &Run::default()).await.unwrap();
    let joined = new.joined.as_ref().unwrap();
    assert_eq!((joined.gateway, joined.gateway6), (Some(ip("10.9.0.1")), Some(ip("fd09::1"))));
    docker.stop(&old).await.unwrap();
    assert!(docker.port_at(new.addresses[0].1).is_some() && docker.port_at(old.addresses[0].1).is_none());
    docker.stop(&new).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the loss");
}

#[tokio::test]
async fn a_pool_of_a_lost_journal_that_no_tag_names_is_refused_not_guessed() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    let network = docker.network_create(&using(&id)).await.unwrap();
    let old = docker.run(&network, &Run::default()).await.unwrap();
    docker.lose_journal();
    let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
    assert!(text.contains("create it again"), "{text}");
    docker.stop(&old).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the loss");
}

#[tokio::test]
async fn a_container_that_stops_while_the_cloud_is_away_is_removed_later() {
    let mut docker = Docker::new();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    let old = docker.run(&network, &Run::default()).await.unwrap();
    in_the_peers_way(&mut docker, &[&old]);
    let old = taken_over(&old, &docker);
    docker.lose_journal();
    docker.world.arm(1, Fault::Down);
    assert!(docker.stop(&old).await.is_err());
    docker.world.disarm();
    assert!(docker.port_at(old.addresses[0].1).is_some());
    docker.sweep().await;
    let after = docker.world.snapshot();
    assert_eq!((after.ports, after.links), (before.ports, before.links));
    docker.assert_forgotten("after the cloud came back");
}

#[tokio::test]
async fn strangers_are_not_taken_for_what_docker_asks_to_remove() {
    let docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    docker.operator_port(&id, "10.9.0.55").await;
    let network = docker_id();
    let endpoint = docker_id();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        // Somebody copied the tags, and nothing else.
        cloud.networks.get_mut(&id).unwrap().tags.extend(names::network_tags(&network, false));
        let port = cloud.ports.values_mut().find(|p| p.name == "theirs").unwrap();
        port.tags.extend(names::network_tags(&endpoint, false));
    }
    let before = docker.world.snapshot();
    docker.service.delete_endpoint(&network, &endpoint).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    docker.service.delete_network(&network).await.unwrap();
    let after = docker.world.snapshot();
    assert_eq!((after.subnets, after.ports), (before.subnets, before.ports));
    assert_eq!(after.networks[&id].tags, ["theirs"]);
    docker.assert_forgotten("strangers");
}

#[tokio::test]
async fn an_address_docker_releases_is_never_looked_up() {
    let docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&id, "10.9.0.55").await;
    docker.change_port(&port.id, |p| p.tags = vec!["compute:kuryr".to_owned()]);
    let pool = uuid::Uuid::new_v4().to_string();
    docker.world.cloud.lock().unwrap().subnets.values_mut().for_each(|s| s.tags = vec![pool.clone()]);
    let before = docker.world.snapshot();
    docker.service.release_address(&pool, ip("10.9.0.55")).await.unwrap();
    docker.service.release_pool(&pool).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
    assert!(docker.world.calls().is_empty());
}

#[tokio::test]
async fn a_takeover_with_a_fault_at_any_call_leaves_nothing() {
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down] {
        for at in 1..=16 {
            let when = format!("{fault:?} at {at}");
            let mut docker = Docker::new();
            let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
            let found = docker.world.snapshot();
            let own = docker.network_create(&v4("10.8.0.0/24")).await.unwrap();
            let adopted = docker.network_create(&using(&id)).await.unwrap();
            in_the_peers_way(&mut docker, &[]);
            docker.lose_journal();
            docker.world.arm(at, fault);
            let removed = docker.network_rm(&own).await.is_ok() && docker.network_rm(&adopted).await.is_ok();
            docker.world.disarm();
            docker.reboot().await;
            if !removed {
                // Docker does not repeat it, but did not get that far with the second either.
                docker.sweep().await;
                let _ = docker.network_rm(&own).await;
                let _ = docker.network_rm(&adopted).await;
            }
            docker.sweep().await;
            assert_eq!(docker.world.snapshot(), found, "{when}");
            docker.assert_forgotten(&when);
        }
    }
}
