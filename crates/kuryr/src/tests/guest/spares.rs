//! Subports that are ready before a container needs them.

use super::{Machine, docker_in, net, settings};
use crate::doubles::Fault;
use crate::guest::{GuestMode, GuestSettings, Spares};
use crate::tests::docker::{Docker, Failure, Run, ip};

fn pool(min: usize, max: usize) -> GuestSettings {
    GuestSettings { spares: Spares { min, max }, ..settings(GuestMode::Vlan) }
}

/// A network in a machine with a pool, filled.
async fn filled(min: usize, max: usize) -> (Docker, Machine, String) {
    let (mut docker, machine) = docker_in(pool(min, max)).await;
    docker.requires_mac = false;
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    (docker, machine, network)
}

#[tokio::test]
async fn a_container_starts_and_stops_without_a_call() {
    let (mut docker, machine, network) = filled(2, 4).await;
    let calls = docker.world.calls();
    // Attached one by one here only where the first is under way before the others ask.
    let adding = calls.iter().filter(|call| *call == "PUT add_subports").count();
    assert!((1..=2).contains(&adding), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "POST ports").count(), 1);
    assert_eq!(machine.sub_ports(&docker).len(), 4);
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), Vec::<String>::new());
    assert_eq!(docker.service.status().machine.unwrap().spares, 3);
    // The port's own MAC: Docker has none to suggest.
    assert!(container.created.mac.is_some());
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.calls(), Vec::<String>::new());
    assert_eq!(docker.service.status().machine.unwrap().spares, 4);
    docker.network_rm(&network).await.unwrap();
    let calls = docker.world.calls();
    assert!(calls.iter().filter(|call| *call == "PUT remove_subports").count() <= 2, "{calls:?}");
    assert!(machine.sub_ports(&docker).is_empty());
    docker.assert_forgotten("after the network");
}

#[tokio::test]
async fn below_the_low_mark_it_is_filled_to_the_high_one_and_above_that_nothing_is_kept() {
    let (mut docker, machine, network) = filled(2, 3).await;
    let mut containers = Vec::new();
    for left in [2, 1] {
        containers.push(docker.run(&network, &Run::default()).await.unwrap());
        assert_eq!(docker.service.status().machine.unwrap().spares, left);
    }
    docker.service.inner.fill_pools().await.unwrap();
    assert_eq!(docker.service.status().machine.unwrap().spares, 3);
    assert_eq!(machine.sub_ports(&docker).len(), 5);
    for container in &containers {
        docker.stop(container).await.unwrap();
    }
    assert_eq!(docker.service.status().machine.unwrap().spares, 3);
    assert_eq!(machine.sub_ports(&docker).len(), 3);
    docker.assert_nothing_of_ours_but_ports(3);
}

#[tokio::test]
async fn a_port_that_was_changed_for_a_container_is_not_kept_and_one_of_a_certain_address_is_found() {
    let (mut docker, machine, network) = filled(1, 2).await;
    let exposed = vec![crate::ExposedPort { protocol: 6, port: 80 }];
    let container = docker.run(&network, &Run { exposed, ..Run::default() }).await.unwrap();
    docker.stop(&container).await.unwrap();
    assert_eq!(machine.sub_ports(&docker).len(), 1);
    assert!(docker.world.cloud.lock().unwrap().groups.is_empty());
    docker.world.calls();
    let held = docker.spare_address();
    let container = docker.run(&network, &Run { ip: Some(held), ..Run::default() }).await.unwrap();
    assert_eq!(docker.world.calls(), Vec::<String>::new());
    assert_eq!(container.addresses[0].1.addr(), held);
    // One with a MAC of its own leaves the trunk for it.
    docker.service.inner.fill_pools().await.unwrap();
    let mac = "02:42:0a:00:00:09".parse().unwrap();
    let own = docker.run(&network, &Run { mac: Some(mac), ..Run::default() }).await.unwrap();
    let port = docker.port_at(own.addresses[0].1).unwrap();
    assert_eq!(port.mac_address, mac);
    for container in [container, own] {
        docker.stop(&container).await.unwrap();
    }
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after the network");
}

#[tokio::test]
async fn another_process_takes_the_pool_over_but_not_what_has_left_the_trunk() {
    let (mut docker, machine, network) = filled(2, 4).await;
    docker.restart();
    docker.service.find_itself().await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    assert_eq!(docker.service.status().machine.unwrap().spares, 4);
    docker.world.calls();
    docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.world.calls(), Vec::<String>::new());

    docker.world.cloud.lock().unwrap().trunks.get_mut(&machine.trunk).unwrap().sub_ports.truncate(1);
    docker.restart();
    docker.service.inner.fill_pools().await.unwrap();
    let members: Vec<String> = machine.sub_ports(&docker).into_iter().map(|(_, port)| port).collect();
    for spare in docker.service.inner.ports.all(|p| p.spare) {
        assert!(members.contains(&spare.port.unwrap().id));
    }
}

#[tokio::test]
async fn spares_are_no_forgotten_reservations_and_no_orphans() {
    let (docker, machine, _) = filled(2, 4).await;
    docker.let_time_pass();
    docker.sweep().await;
    assert_eq!(machine.sub_ports(&docker).len(), 4);
    assert_eq!(docker.service.collect_orphans(false).await.unwrap().orphans, []);
}

#[tokio::test]
async fn a_quota_that_is_used_up_stops_the_filling_and_no_container() {
    let (mut docker, machine) = docker_in(pool(2, 4)).await;
    docker.requires_mac = false;
    docker.service.find_itself().await.unwrap();
    let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
    let ports = docker.world.cloud.lock().unwrap().ports.len();
    docker.world.cloud.lock().unwrap().quota_ports = Some(ports + 2);
    assert!(docker.service.inner.fill_pools().await.is_err());
    assert!(machine.sub_ports(&docker).is_empty());
    docker.let_late_ones_expire();
    docker.sweep().await;
    docker.run(&network, &Run::default()).await.unwrap();
}

#[tokio::test]
async fn an_automatic_range_has_a_pool_once_it_is_a_networks() {
    let (mut docker, machine) = docker_in(pool(2, 4)).await;
    docker.requires_mac = false;
    docker.operator_pool("kuryr", "10.20.0.0/16", 24).await;
    let wanted = crate::PoolRequest { space: "kuryr".to_owned(), ..crate::PoolRequest::default() };
    let range = docker.service.request_pool(wanted).await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    assert!(machine.sub_ports(&docker).is_empty());
    docker.service.release_pool(&range.id).await.unwrap();
    let network = docker.network_create(&crate::tests::docker::Net::default()).await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    assert_eq!(machine.sub_ports(&docker).len(), 4);
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after the network");
}

#[tokio::test]
async fn both_families_are_served_without_a_pool() {
    let (mut docker, machine) = docker_in(pool(2, 4)).await;
    docker.requires_mac = false;
    let both = crate::tests::docker::Net {
        v6: true,
        subnet6: Some("fd09::/64".parse().unwrap()),
        ..net(GuestMode::Vlan)
    };
    let network = docker.network_create(&both).await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    assert!(machine.sub_ports(&docker).is_empty());
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    docker.assert_forgotten("after the network");
}

/// A fault, or the process's end, at every call and after every change of the journal while the pool is filled.
#[tokio::test]
async fn nothing_leaks_whatever_happens_while_the_pool_is_filled() {
    let prepared = async || {
        let (mut docker, _) = docker_in(pool(2, 3)).await;
        docker.requires_mac = false;
        docker.service.find_itself().await.unwrap();
        let before = docker.world.snapshot();
        let network = docker.network_create(&net(GuestMode::Vlan)).await.unwrap();
        docker.world.all_calls();
        docker.world.disarm();
        (docker, network, before)
    };
    let (docker, ..) = prepared().await;
    docker.service.inner.fill_pools().await.unwrap();
    let (calls, changes) = (docker.world.all_calls(), docker.world.journal_changes());
    let faults = [
        Fault::Status(400),
        Fault::Status(404),
        Fault::Status(409),
        Fault::Fail,
        Fault::Late,
        Fault::Dropped,
        Fault::Lost,
        Fault::Down,
        Fault::DieBefore,
        Fault::DieAfter,
    ];
    let at_calls = (1..=calls).flat_map(|at| faults.map(|fault| (at, fault)));
    for (at, fault) in at_calls.chain((1..=changes).map(|at| (at, Fault::DieAfterWrite))) {
        let when = format!("{fault:?} at {at}");
        let (mut docker, network, before) = prepared().await;
        docker.world.arm(at, fault);
        let filled = docker.fill_unless_dead().await;
        docker.world.disarm();
        // Its last words may have been that all is well.
        let dies = matches!(fault, Fault::DieBefore | Fault::DieAfter | Fault::DieAfterWrite);
        if matches!(filled, Err(Failure::Died)) || dies {
            docker.restart();
            docker.service.find_itself().await.unwrap();
            docker.sweep().await;
        }
        docker.let_late_ones_expire();
        docker.sweep().await;
        docker.forgive_pause();
        docker.service.inner.fill_pools().await.unwrap_or_else(|e| panic!("{when}: {e}"));
        let container =
            docker.run(&network, &Run::default()).await.unwrap_or_else(|e| panic!("{when}: {e:?}"));
        docker.stop(&container).await.unwrap();
        docker.network_rm(&network).await.unwrap_or_else(|e| panic!("{when}: {e:?}"));
        docker.sweep().await;
        assert_eq!(docker.world.snapshot(), before, "{when}");
        docker.assert_forgotten(&when);
    }
}

#[tokio::test]
async fn a_trunk_that_was_replaced_takes_no_container_along() {
    let (mut docker, machine, network) = filled(2, 3).await;
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let mut trunk = cloud.trunks.remove(&machine.trunk).unwrap();
        trunk.id = "the-new-one".to_owned();
        trunk.sub_ports.clear();
        cloud.trunks.insert(trunk.id.clone(), trunk);
    }
    docker.service.inner.spares.look_again();
    docker.service.inner.fill_pools().await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    let member = |docker: &Docker, port: &str| {
        docker.world.cloud.lock().unwrap().trunks["the-new-one"].sub_ports.iter().any(|s| s.port_id == port)
    };
    let container = docker.run(&network, &Run::default()).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert!(member(&docker, &port.id));
}

#[tokio::test]
async fn a_pool_that_was_switched_off_or_made_smaller_is_given_back() {
    let (mut docker, machine, network) = filled(2, 4).await;
    docker.settings.guest = Some(pool(0, 1));
    docker.restart();
    docker.service.inner.fill_pools().await.unwrap();
    assert_eq!(machine.sub_ports(&docker).len(), 1);
    docker.settings.guest = Some(settings(GuestMode::Vlan));
    docker.requires_mac = true;
    docker.restart();
    // An address that a ready port holds is a container's all the same.
    let held = docker.spare_address();
    let container = docker.run(&network, &Run { ip: Some(held), ..Run::default() }).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.service.inner.fill_pools().await.unwrap();
    assert!(machine.sub_ports(&docker).is_empty());
}

#[tokio::test]
async fn a_network_that_cannot_be_served_keeps_no_other_from_its_pool() {
    let (mut docker, machine, _) = filled(1, 2).await;
    let other = docker.network_create(&crate::tests::docker::v4("10.8.0.0/29")).await.unwrap();
    // Nothing is left on the first one, by order of their ids.
    let third = docker.network_create(&crate::tests::docker::v4("10.7.0.0/24")).await.unwrap();
    let subnet = docker
        .world
        .cloud
        .lock()
        .unwrap()
        .subnets
        .values()
        .find(|s| s.cidr.to_string() == "10.8.0.0/29")
        .unwrap()
        .id
        .clone();
    docker.world.cloud.lock().unwrap().subnets.get_mut(&subnet).unwrap().allocation_pools.clear();
    assert!(docker.service.inner.fill_pools().await.is_err());
    let of = |network: &str| docker.service.inner.ports.all(|p| p.spare && p.network == network).len();
    assert_eq!((of(&other), of(&third)), (0, 2));
    assert_eq!(machine.sub_ports(&docker).len(), 4);
}

#[tokio::test]
async fn the_second_end_of_a_container_leaves_the_next_one_its_port() {
    let (mut docker, machine, network) = filled(1, 1).await;
    let first = docker.run(&network, &Run::default()).await.unwrap();
    let row = docker.service.inner.endpoints.get(&first.endpoint).unwrap();
    docker.stop(&first).await.unwrap();
    let next = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(next.addresses, first.addresses);
    // As a crash before its last word left it.
    let ended = crate::state::EndpointRow { phase: crate::state::Phase::Deleting, ..row };
    docker.service.inner.endpoints.put(&ended.id, &ended).unwrap();
    docker.sweep().await;
    assert_eq!(machine.sub_ports(&docker).len(), 1);
    let link = next.joined.unwrap().source_name;
    assert!(docker.world.cloud.lock().unwrap().links.contains_key(&link));
}

impl Docker {
    async fn fill_unless_dead(&self) -> crate::tests::docker::Outcome {
        self.unless_dead(self.service.inner.fill_pools()).await
    }

    fn forgive_pause(&self) {
        self.service.inner.spares.forgive_pause();
    }

    fn spare_address(&self) -> std::net::IpAddr {
        let spare = self.service.inner.ports.find(|p| p.spare).unwrap();
        let address = spare.address.unwrap().addr();
        assert_ne!(address, ip("10.9.0.1"));
        address
    }

    fn assert_nothing_of_ours_but_ports(&self, count: usize) {
        let s = &self.service.inner;
        assert_eq!((s.ports.all(|_| true).len(), s.endpoints.all(|_| true).len()), (count, 0));
        let cloud = self.world.cloud.lock().unwrap();
        let ours = cloud.ports.values().filter(|p| p.tags.iter().any(|tag| tag == "compute:kuryr"));
        assert_eq!(ours.count(), count);
        assert!(cloud.links.keys().all(|name| name == "eth0"));
    }
}
