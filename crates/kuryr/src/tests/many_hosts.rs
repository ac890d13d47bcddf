//! Several Docker networks, on several hosts, use one Neutron network.

use super::docker::{Docker, Net, Run, ip, v4};
use crate::doubles::Fault;

fn using(id: &str, range: &str) -> Net {
    Net { options: vec![("neutron.net.uuid", id.to_owned())], ..v4(range) }
}

fn tags(docker: &Docker, id: &str) -> usize {
    docker.world.snapshot().networks[id].tags.len()
}

#[tokio::test]
async fn two_hosts_use_one_network_and_leave_it_as_found_in_any_order() {
    for first_leaves_first in [true, false] {
        let mut one = Docker::new();
        let id = one.operator_network("theirs", &["10.9.0.0/24"]).await;
        let found = one.world.snapshot();
        let mut two = one.beside();
        let here = one.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        let there = two.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        assert_eq!(tags(&one, &id), 7);
        let (leaver, gone, stayer, kept) = if first_leaves_first {
            (&mut one, here, &mut two, there)
        } else {
            (&mut two, there, &mut one, here)
        };
        leaver.network_rm(&gone).await.unwrap();
        assert_eq!(tags(stayer, &id), 4);
        let container = stayer.run(&kept, &Run::default()).await.unwrap();
        stayer.stop(&container).await.unwrap();
        stayer.network_rm(&kept).await.unwrap();
        assert_eq!(stayer.world.snapshot(), found);
    }
}

#[tokio::test]
async fn hosts_that_come_and_go_at_once_lose_no_tag_of_each_other() {
    for several in [true, false] {
        let mut one = Docker::new();
        if !several {
            one.world.cloud.lock().unwrap().extensions.remove("tag-creation");
        }
        let id = one.operator_network("theirs", &["10.9.0.0/24"]).await;
        let found = one.world.snapshot();
        let mut two = one.beside();
        let (net, other) = (using(&id, "10.9.0.0/24"), using(&id, "10.9.0.0/24"));
        let (here, there) = tokio::join!(one.network_create(&net), two.network_create(&other));
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(tags(&one, &id), 7);
        let (gone, went) = tokio::join!(one.network_rm(&here), two.network_rm(&there));
        gone.unwrap();
        went.unwrap();
        assert_eq!(one.world.snapshot(), found);
    }
}

/// B43.
#[tokio::test]
async fn the_subnet_made_for_one_docker_network_outlives_another() {
    let mut one = Docker::new();
    let id = one.operator_network("theirs", &[]).await;
    let found = one.world.snapshot();
    let first = one.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
    let other = one.network_create(&using(&id, "10.10.0.0/24")).await.unwrap();
    one.network_rm(&first).await.unwrap();
    one.run(&other, &Run::default()).await.unwrap();
    assert_eq!(one.world.snapshot().subnets.len(), 1);
    let endpoint = one.service.status().endpoints[0].id.clone();
    one.service.delete_endpoint(&other, &endpoint).await.unwrap();
    one.network_rm(&other).await.unwrap();
    assert_eq!(one.world.snapshot(), found);
}

#[tokio::test]
async fn a_subnet_of_ours_that_two_docker_networks_use_goes_with_the_last() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &[]).await;
    let found = docker.world.snapshot();
    let maker = docker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
    let user = docker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
    docker.network_rm(&maker).await.unwrap();
    let container = docker.run(&user, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&user).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the last");
}

#[tokio::test]
async fn an_interrupted_handing_over_of_a_subnet_is_finished() {
    for at in 1..=4 {
        let mut docker = Docker::new();
        let id = docker.operator_network("theirs", &[]).await;
        let found = docker.world.snapshot();
        let maker = docker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        let user = docker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        docker.world.arm(at, Fault::DieAfter);
        let _ = docker.network_rm(&maker).await;
        docker.world.disarm();
        docker.reboot().await;
        assert_eq!(docker.world.snapshot().subnets.len(), 1, "call {at}");
        docker.network_rm(&user).await.unwrap();
        assert_eq!(docker.world.snapshot(), found, "call {at}");
    }
}

#[tokio::test]
async fn an_auxiliary_address_of_a_used_subnet_is_held_and_given_free() {
    let mut docker = Docker::with(|s| s.enable_dhcp = false);
    let id = docker.operator_network("theirs", &["10.9.0.0/28"]).await;
    let found = docker.world.snapshot();
    let net = Net { aux: vec![ip("10.9.0.3"), ip("10.9.0.4")], ..using(&id, "10.9.0.0/28") };
    docker.world.calls();
    let network = docker.network_create(&net).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET network", "GET subnets", "POST ports", "POST tags"]);
    let mut other = docker.beside();
    let elsewhere = other.network_create(&using(&id, "10.9.0.0/28")).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(other.run(&elsewhere, &Run::default()).await.unwrap());
        held.push(docker.run(&network, &Run::default()).await.unwrap());
    }
    assert!(held.iter().all(|c| !net.aux.contains(&c.addresses[0].1.addr())), "{held:?}");
    let taken = Run { ip: Some(ip("10.9.0.3")), ..Run::default() };
    assert!(other.run(&elsewhere, &taken).await.unwrap_err().text().contains("is used by port"));
    for (at, container) in held.iter().enumerate() {
        if at % 2 == 0 { other.stop(container).await.unwrap() } else { docker.stop(container).await.unwrap() }
    }
    other.network_rm(&elsewhere).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("after the addresses are free");
}

#[tokio::test]
async fn a_subnet_one_host_made_and_another_uses_goes_with_the_last_of_them() {
    for maker_leaves_first in [true, false] {
        let mut maker = Docker::new();
        let id = maker.operator_network("theirs", &[]).await;
        let found = maker.world.snapshot();
        let mut user = maker.beside();
        let made = maker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        let used = user.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
        if maker_leaves_first {
            maker.network_rm(&made).await.unwrap();
        }
        let container = user.run(&used, &Run::default()).await.unwrap();
        user.stop(&container).await.unwrap();
        user.network_rm(&used).await.unwrap();
        if !maker_leaves_first {
            assert_eq!(maker.world.snapshot().subnets.len(), 1);
            maker.network_rm(&made).await.unwrap();
        }
        assert_eq!(maker.world.snapshot(), found);
        maker.assert_forgotten("the maker");
        user.assert_forgotten("the user");
    }
}

#[tokio::test]
async fn leaving_a_subnet_at_once_leaves_none_behind() {
    let mut maker = Docker::new();
    let id = maker.operator_network("theirs", &[]).await;
    let found = maker.world.snapshot();
    let mut user = maker.beside();
    let made = maker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
    let used = user.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
    let (one, two) = tokio::join!(maker.network_rm(&made), user.network_rm(&used));
    one.unwrap();
    two.unwrap();
    assert_eq!(maker.world.snapshot(), found);
}

#[tokio::test]
async fn any_fault_while_an_address_is_held_or_a_subnet_shared_leaves_nothing() {
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down] {
        for at in 1..=9 {
            let when = format!("{fault:?} at {at}");
            let mut maker = Docker::new();
            let id = maker.operator_network("theirs", &[]).await;
            let found = maker.world.snapshot();
            let made = maker.network_create(&using(&id, "10.9.0.0/24")).await.unwrap();
            let before = maker.world.snapshot();
            let mut user = maker.beside();
            let net = Net { aux: vec![ip("10.9.0.9")], ..using(&id, "10.9.0.0/24") };
            user.world.arm(at, fault);
            let used = user.network_create(&net).await;
            user.world.disarm();
            if used.is_err() {
                user.reboot().await;
                user.roll_back().await;
                user.sweep().await;
                assert_eq!(user.world.snapshot(), before, "{when}: {used:?}");
            }
            let used = match used {
                Ok(used) => used,
                Err(_) => user.network_create(&net).await.unwrap(),
            };
            maker.network_rm(&made).await.unwrap();
            user.world.arm(at, fault);
            let removed = user.network_rm(&used).await;
            user.world.disarm();
            if removed.is_err() {
                user.reboot().await;
                user.network_rm(&used).await.unwrap();
            }
            user.sweep().await;
            assert_eq!(user.world.snapshot(), found, "{when}: {removed:?}");
            user.assert_forgotten(&when);
        }
    }
}

/// The same compose file on two hosts.
#[tokio::test]
async fn two_hosts_may_hold_the_same_auxiliary_address() {
    let mut one = Docker::new();
    let id = one.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = one.world.snapshot();
    let mut two = one.beside();
    let net = Net { aux: vec![ip("10.9.0.9")], ..using(&id, "10.9.0.0/24") };
    let here = one.network_create(&net).await.unwrap();
    let there = two.network_create(&net).await.unwrap();
    one.network_rm(&here).await.unwrap();
    two.network_rm(&there).await.unwrap();
    assert_eq!(one.world.snapshot(), found);
}

#[tokio::test]
async fn an_auxiliary_address_somebody_uses_refuses_and_keeps_no_other() {
    let mut docker = Docker::new();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&id, "10.9.0.9").await;
    let found = docker.world.snapshot();
    let net = Net { aux: vec![ip("10.9.0.8"), ip("10.9.0.9")], ..using(&id, "10.9.0.0/24") };
    let text = docker.network_create(&net).await.unwrap_err().text();
    assert!(text.contains("10.9.0.9") && text.contains(&port.id), "{text}");
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten(&text);
}
