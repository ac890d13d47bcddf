//! Containers in the machine's trunk.

use std::collections::BTreeMap;
use std::sync::Arc;

use kuryr::{GuestMode, SubLinkKind};
use serde_json::json;

use super::machine::{Machine, OTHER, settings};

/// All VLANs there are.
const VLANS: u16 = 4094;

async fn in_trunk() -> Arc<Machine> {
    Arc::new(Machine::start(settings(GuestMode::Vlan), 10).await)
}

/// Somebody's ports, as many as asked for.
async fn theirs(machine: &Machine, count: u16) -> Vec<String> {
    let project = machine.cloud.get(&format!("ports/{}", machine.port)).await["port"]["project_id"].clone();
    let path = format!("quotas/{}", project.as_str().unwrap());
    machine.cloud.neutron("PUT", &path, json!({"quota": {"port": -1}})).await;
    let network = machine.cloud.make("networks", "network", json!({"name": "theirs"})).await;
    let port = json!({"network_id": network, "name": "theirs"});
    let wanted = vec![port; count.into()];
    let made = machine.cloud.neutron("POST", "ports", json!({"ports": wanted})).await;
    let ids = made["ports"].as_array().unwrap().iter();
    ids.map(|port| port["id"].as_str().unwrap().to_owned()).collect()
}

async fn join(machine: &Machine, ports: &[String], vlans: impl Iterator<Item = u16>) {
    let sub = |(port, vlan): (&String, u16)| json!({"port_id": port, "segmentation_type": "vlan", "segmentation_id": vlan});
    let subs: Vec<_> = ports.iter().zip(vlans).map(sub).collect();
    let path = format!("trunks/{}/add_subports", machine.trunk);
    machine.cloud.neutron("PUT", &path, json!({"sub_ports": subs})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_containers_at_once_join_a_trunk_in_two_calls_each_at_most_and_leave_it_so() {
    let machine = in_trunk().await;
    let containers = machine.run_at_once(32).await;
    let seen = machine.cloud.requests().await;
    // Two each would be without company.
    assert!(seen.len() < 64, "{} requests: {seen:#?}", seen.len());
    assert_eq!(seen.iter().filter(|seen| seen.what == "POST ports").count(), 32);
    // Each port has a VLAN of its own, and its link that VLAN.
    let by_vlan: BTreeMap<u16, String> = machine.sub_ports().await.into_iter().collect();
    assert_eq!(by_vlan.len(), 32);
    for (vlan, port) in &by_vlan {
        let shown = machine.cloud.get(&format!("ports/{port}")).await;
        let port = &shown["port"];
        assert_eq!(
            (&port["device_owner"], &port["binding:host_id"]),
            (&"trunk:subport".into(), &"hypervisor".into())
        );
        let of_port =
            |link: &&kuryr::SubLink| link.mac.is_some_and(|mac| port["mac_address"] == mac.to_string());
        let link = machine.links.all().values().find(of_port).cloned().unwrap();
        assert_eq!(link.kind, SubLinkKind::Vlan { id: *vlan });
    }
    machine.cloud.forget_requests().await;
    machine.remove_at_once(containers).await;
    let seen = machine.cloud.requests().await;
    assert!(seen.len() < 64, "{} requests: {seen:#?}", seen.len());
    assert!(machine.sub_ports().await.is_empty());
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vlan_that_somebody_takes_while_it_is_chosen_stays_his() {
    let machine = in_trunk().await;
    let port = theirs(&machine, 1).await;
    machine.cloud.hold_next("PUT", "trunks/*/add_subports").await;
    let started = {
        let machine = Arc::clone(&machine);
        tokio::spawn(async move { machine.run().await })
    };
    let wanted = machine.cloud.held("add_subports").await;
    let vlan = wanted["sub_ports"][0]["segmentation_id"].as_u64().unwrap();
    join(&machine, &port, [u16::try_from(vlan).unwrap()].into_iter()).await;
    machine.cloud.release().await;
    let container = started.await.unwrap().unwrap();
    let taken: BTreeMap<u16, String> = machine.sub_ports().await.into_iter().collect();
    assert_eq!((taken.len(), &taken[&u16::try_from(vlan).unwrap()]), (2, &port[0]));
    machine.remove(&container).await;
    assert_eq!(machine.sub_ports().await, [(u16::try_from(vlan).unwrap(), port[0].clone())]);
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_trunk_is_told_and_its_next_free_vlan_used() {
    let machine = in_trunk().await;
    let ports = theirs(&machine, VLANS).await;
    join(&machine, &ports, 1..=VLANS).await;
    let refused = machine.run().await.unwrap_err().to_string();
    assert!(refused.contains(&machine.trunk) && refused.contains("4094 VLANs are in use"), "{refused}");
    assert_eq!(machine.sub_ports().await.len(), usize::from(VLANS));
    machine.assert_empty().await;
    let path = format!("trunks/{}/remove_subports", machine.trunk);
    machine.cloud.neutron("PUT", &path, json!({"sub_ports": [{"port_id": ports[76]}]})).await;
    // It knows the trunk as full, and looks again.
    let container = machine.run().await.unwrap();
    let link = machine.links.all().values().next().cloned().unwrap();
    assert_eq!(link.kind, SubLinkKind::Vlan { id: 77 });
    machine.remove(&container).await;
    machine.assert_empty().await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vlan_that_somebody_on_the_machine_has_is_passed_over() {
    let machine = in_trunk().await;
    machine.cloud.hold_next("PUT", "trunks/*/add_subports").await;
    let started = {
        let machine = Arc::clone(&machine);
        tokio::spawn(async move { machine.run().await })
    };
    let wanted = machine.cloud.held("add_subports").await;
    let vlan = u16::try_from(wanted["sub_ports"][0]["segmentation_id"].as_u64().unwrap()).unwrap();
    let theirs = kuryr::SubLink {
        name: "eth0.theirs".to_owned(),
        parent: super::links::NIC.to_owned(),
        kind: SubLinkKind::Vlan { id: vlan },
        mac: None,
        mtu: 1450,
        mark: String::new(),
    };
    machine.links.all().insert(theirs.name.clone(), theirs);
    machine.cloud.release().await;
    let container = started.await.unwrap().unwrap();
    let [(other, _)] = machine.sub_ports().await.try_into().unwrap();
    assert_ne!(other, vlan);
    machine.remove(&container).await;
    assert_eq!(machine.links.all().keys().collect::<Vec<_>>(), ["eth0.theirs"]);
    assert!(machine.sub_ports().await.is_empty());
    assert!(machine.cloud.get(&format!("subnets?cidr={OTHER}")).await["subnets"][0].is_object());
    machine.end().await;
}
