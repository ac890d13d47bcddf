//! Containers whose addresses are pairs of the machine's port.

use std::sync::Arc;

use kuryr::{GuestMode, GuestSettings, IpvlanFlag, IpvlanMode, MacvlanMode, SubLinkKind};
use serde_json::{Value, json};

use super::machine::{Machine, OWN, settings};

const IPVLAN: GuestMode = GuestMode::Ipvlan(IpvlanMode::L2, IpvlanFlag::Bridge);
const MACVLAN: GuestMode = GuestMode::Macvlan(MacvlanMode::Bridge);

async fn on(guest: GuestSettings, most: usize) -> Arc<Machine> {
    Arc::new(Machine::start(guest, most).await)
}

fn pair(address: &str) -> Value {
    json!({"ip_address": address, "mac_address": "fa:16:3e:99:99:99"})
}

/// Somebody adds a pair to those that are there.
async fn add(machine: &Machine, new: Value) {
    let path = format!("ports/{}", machine.port);
    let mut pairs = machine.cloud.get(&path).await["port"]["allowed_address_pairs"].take();
    pairs.as_array_mut().unwrap().push(new);
    machine.cloud.neutron("PUT", &path, json!({"port": {"allowed_address_pairs": pairs}})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_containers_at_once_are_pairs_by_two_calls_each_at_most_and_go_so() {
    for mode in [IPVLAN, MACVLAN] {
        let machine = on(settings(mode), 32).await;
        let containers = machine.run_at_once(32).await;
        let seen = machine.cloud.requests().await;
        assert!(seen.len() < 64, "{mode:?}: {} requests: {seen:#?}", seen.len());
        let pairs = machine.pairs().await;
        assert_eq!(pairs.len(), 32);
        for container in &containers {
            let address = container.address.addr().to_string();
            let (_, mac) = pairs.iter().find(|(has, _)| *has == address).unwrap();
            assert_eq!(*mac == machine.links.mac.to_string(), mode == IPVLAN, "{pairs:?}");
        }
        assert!(machine.links.all().values().all(|link| match link.kind {
            SubLinkKind::Ipvlan { .. } => mode == IPVLAN && link.mac.is_none(),
            SubLinkKind::Macvlan { .. } => mode == MACVLAN && link.mac.is_some(),
            SubLinkKind::Vlan { .. } => false,
        }));
        machine.cloud.forget_requests().await;
        machine.remove_at_once(containers).await;
        let seen = machine.cloud.requests().await;
        assert!(seen.len() < 64, "{mode:?}: {} requests: {seen:#?}", seen.len());
        assert!(machine.pairs().await.is_empty());
        machine.assert_empty().await;
        machine.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_containers_at_once_share_one_pair_for_their_subnet() {
    let machine = on(GuestSettings { pairs_by_subnet: true, ..settings(IPVLAN) }, 1).await;
    let containers = machine.run_at_once(32).await;
    let seen = machine.cloud.requests().await;
    assert_eq!(seen.len(), 33, "{seen:#?}");
    assert_eq!(machine.pairs().await, [(OWN.to_owned(), machine.links.mac.to_string())]);
    machine.cloud.forget_requests().await;
    machine.remove_at_once(containers).await;
    let seen = machine.cloud.requests().await;
    assert_eq!(seen.len(), 33, "{seen:#?}");
    assert!(machine.pairs().await.is_empty());
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_that_somebody_adds_while_ours_are_written_stay_his_even_equal_ones() {
    for mode in [IPVLAN, MACVLAN] {
        for equal in [false, true] {
            let machine = on(settings(mode), 10).await;
            machine.cloud.hold_next("PUT", "ports/*").await;
            let started = {
                let machine = Arc::clone(&machine);
                tokio::spawn(async move { machine.run().await })
            };
            let ours = machine.cloud.held("PUT ports/").await["port"]["allowed_address_pairs"][0].take();
            let theirs = if equal { ours } else { pair("10.50.0.200") };
            add(&machine, theirs.clone()).await;
            machine.cloud.release().await;
            let container = started.await.unwrap().unwrap();
            assert_eq!(machine.pairs().await.len(), if equal { 1 } else { 2 });
            machine.remove(&container).await;
            let left = machine.pairs().await;
            let theirs = (theirs["ip_address"].as_str().unwrap(), theirs["mac_address"].as_str().unwrap());
            assert_eq!(left.len(), 1, "{mode:?} {equal} {left:?}");
            assert_eq!((left[0].0.as_str(), left[0].1.as_str()), theirs);
            machine.assert_empty().await;
            machine.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_somebody_adds_while_ours_are_removed_stays() {
    let machine = on(settings(MACVLAN), 10).await;
    let container = machine.run().await.unwrap();
    machine.cloud.hold_next("PUT", "ports/*").await;
    let ended = {
        let machine = Arc::clone(&machine);
        tokio::spawn(async move { machine.remove(&container).await })
    };
    machine.cloud.held("PUT ports/").await;
    add(&machine, pair("10.50.0.200")).await;
    machine.cloud.release().await;
    ended.await.unwrap();
    let left = machine.pairs().await;
    assert_eq!(left, [("10.50.0.200".to_owned(), "fa:16:3e:99:99:99".to_owned())]);
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_loses_its_security_needs_no_pairs_any_more() {
    let machine = on(settings(MACVLAN), 10).await;
    let (first, second) = (machine.run().await.unwrap(), machine.run().await.unwrap());
    let open = json!({"allowed_address_pairs": [], "security_groups": [], "port_security_enabled": false});
    machine.cloud.neutron("PUT", &format!("ports/{}", machine.port), json!({"port": open})).await;
    // What is known of the port is not so any more, for who goes and for who comes.
    machine.remove(&first).await;
    let third = machine.run().await.unwrap();
    assert!(machine.pairs().await.is_empty());
    machine.remove(&second).await;
    machine.remove(&third).await;
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neutrons_limit_is_told_with_its_setting_and_the_refused_one_leaves_nothing() {
    let machine = on(settings(MACVLAN), 2).await;
    let first = machine.run().await.unwrap();
    let second = machine.run().await.unwrap();
    let refused = machine.run().await.unwrap_err().to_string();
    assert!(refused.contains("max_allowed_address_pair") && refused.contains("driver = vlan"), "{refused}");
    assert_eq!((machine.pairs().await.len(), machine.ports().await.len()), (2, 2));
    assert_eq!(machine.links.all().len(), 2);
    machine.remove(&first).await;
    let third = machine.run().await.unwrap();
    machine.remove(&second).await;
    machine.remove(&third).await;
    assert!(machine.pairs().await.is_empty());
    machine.assert_empty().await;
    machine.end().await;
}
