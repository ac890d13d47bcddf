//! Attributes of ports by option: of a network's containers, of one container, on ports of ours and on existing ones.

use openstack::network::{AddressPair, NewSecurityGroup, Port, QosPolicy};

use super::containers::{ADDRESS, at};
use super::docker::{Docker, Net, Run, v4};
use crate::doubles::Fault;
use crate::{ExposedPort, Neutron};

const ALIASES: [&str; 6] =
    ["security-group", "port-security", "qos", "allowed-address-pairs", "dns-integration", "binding"];

pub(super) async fn able() -> Docker {
    let docker = Docker::new();
    docker.world.cloud.lock().unwrap().extensions.extend(ALIASES.map(str::to_owned));
    for name in ["web", "db", "twice", "twice"] {
        let new = NewSecurityGroup { name: name.to_owned(), ..NewSecurityGroup::default() };
        docker.process.create_security_group(&new).await.unwrap();
    }
    for (id, name) in [("11111111-2222-3333-4444-555555555555", "slow"), ("q2", "same"), ("q3", "same")] {
        let policy = QosPolicy { id: id.to_owned(), name: name.to_owned() };
        docker.world.cloud.lock().unwrap().qos_policies.insert(id.to_owned(), policy);
    }
    docker.world.calls();
    docker
}

fn group(docker: &Docker, name: &str) -> String {
    docker.world.cloud.lock().unwrap().groups.values().find(|g| g.name == name).unwrap().id.clone()
}

fn option(key: &'static str, value: &str) -> (&'static str, String) {
    (key, value.to_owned())
}

fn everything() -> Vec<(&'static str, String)> {
    vec![
        option("neutron.port.security_groups", "web,db"),
        option("neutron.port.port_security", "true"),
        option("neutron.port.qos_policy", "slow"),
        option("neutron.port.allowed_address_pairs", "10.9.0.200=fa:16:3e:00:00:01,10.8.0.0/16"),
        option("neutron.port.dns_name", "web"),
        option("neutron.port.binding_profile", r#"{"trusted": "true"}"#),
        option("neutron.port.vnic_type", "normal"),
    ]
}

fn assert_everything(docker: &Docker, port: &Port) {
    assert_eq!(port.security_groups, [group(docker, "web"), group(docker, "db")]);
    assert_eq!(port.port_security_enabled, Some(true));
    assert_eq!(port.qos_policy_id.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
    let mac = Some("fa:16:3e:00:00:01".parse().unwrap());
    let pair = |ip: &str, mac_address| AddressPair { ip_address: ip.to_owned(), mac_address };
    assert_eq!(port.allowed_address_pairs, [pair("10.9.0.200", mac), pair("10.8.0.0/16", None)]);
    assert_eq!(port.dns_name.as_deref(), Some("web"));
    assert_eq!(port.profile["trusted"], "true");
}

#[tokio::test]
async fn attributes_of_a_network_ride_in_the_request_that_makes_the_port() {
    let mut docker = able().await;
    let network = docker.network_create(&Net { options: everything(), ..v4("10.9.0.0/24") }).await.unwrap();
    let calls = docker.world.calls();
    assert_eq!(&calls[..3], ["GET security-groups", "GET security-groups", "GET policies"]);
    for _ in 0..2 {
        let container = docker.run(&network, &Run::default()).await.unwrap();
        assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
        assert_everything(&docker, &docker.port_at(container.addresses[0].1).unwrap());
        docker.stop(&container).await.unwrap();
        assert_eq!(docker.world.calls(), ["DELETE port"]);
    }
}

#[tokio::test]
async fn attributes_of_a_container_win_over_its_networks_and_cost_no_call_more() {
    let mut docker = able().await;
    let options = vec![option("neutron.port.security_groups", "db"), option("neutron.port.dns_name", "any")];
    let network = docker.network_create(&Net { options, ..v4("10.9.0.0/24") }).await.unwrap();
    docker.run(&network, &Run { options: everything(), ..Run::default() }).await.unwrap();
    docker.world.calls();
    let container = docker.run(&network, &Run { options: everything(), ..Run::default() }).await.unwrap();
    // Names are known by now.
    assert_eq!(docker.world.calls(), ["POST ports", "PUT port"]);
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_everything(&docker, &port);
    assert_eq!(port.device_id, container.endpoint);
}

#[tokio::test]
async fn groups_of_the_user_stand_beside_those_of_exposed_ports() {
    let mut docker = able().await;
    let options = vec![option("neutron.port.security_groups", "web")];
    let network = docker.network_create(&Net { options, ..v4("10.9.0.0/24") }).await.unwrap();
    let before = docker.world.snapshot();
    let exposed = vec![ExposedPort { protocol: 6, port: 80 }];
    let run = Run { exposed, options: vec![option("neutron.port.security_groups", "db")], ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    let port = docker.port_at(container.addresses[0].1).unwrap();
    assert_eq!(port.security_groups.len(), 2);
    assert_eq!(port.security_groups[0], group(&docker, "db"));
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_port_without_security_has_no_groups_and_needs_none_for_exposed_ports() {
    let mut docker = able().await;
    let off = || vec![option("neutron.port.port_security", "false")];
    let exposed = vec![ExposedPort { protocol: 6, port: 80 }];
    for by_network in [true, false] {
        let options = if by_network { off() } else { vec![option("neutron.port.security_groups", "web")] };
        let network = docker.network_create(&Net { options, ..v4("10.9.0.0/24") }).await.unwrap();
        let options = if by_network { Vec::new() } else { off() };
        let run = Run { exposed: exposed.clone(), options, ..Run::default() };
        let container = docker.run(&network, &run).await.unwrap();
        let port = docker.port_at(container.addresses[0].1).unwrap();
        assert_eq!((port.port_security_enabled, port.security_groups.len()), (Some(false), 0));
        docker.stop(&container).await.unwrap();
        docker.network_rm(&network).await.unwrap();
    }
}

#[tokio::test]
async fn what_contradicts_a_network_without_security_is_refused_before_anything_is_changed() {
    let mut docker = able().await;
    let options = vec![option("neutron.port.port_security", "false")];
    let network = docker.network_create(&Net { options, ..v4("10.9.0.0/24") }).await.unwrap();
    let before = docker.world.snapshot();
    for key in [("neutron.port.security_groups", "web"), ("neutron.port.allowed_address_pairs", "10.9.0.9")] {
        let run = Run { options: vec![option(key.0, key.1)], ..Run::default() };
        let text = docker.run(&network, &run).await.unwrap_err().text();
        assert!(text.contains(key.0) && text.contains("port security off"), "{text}");
        assert_eq!(docker.world.snapshot(), before);
    }
    let both =
        vec![option("neutron.port.port_security", "true"), option("neutron.port.security_groups", "web")];
    docker.run(&network, &Run { options: both, ..Run::default() }).await.unwrap();
}

#[tokio::test]
async fn an_attribute_the_cloud_lacks_is_refused_by_name_before_anything_is_made() {
    let mut docker = able().await;
    let plain = docker.network_create(&v4("10.8.0.0/24")).await.unwrap();
    for (key, value, alias) in [
        ("neutron.port.security_groups", "web", "security-group"),
        ("neutron.port.port_security", "false", "port-security"),
        ("neutron.port.qos_policy", "slow", "qos"),
        ("neutron.port.allowed_address_pairs", "10.9.0.9", "allowed-address-pairs"),
        ("neutron.port.dns_name", "web", "dns-integration"),
        ("neutron.port.binding_profile", "{}", "binding"),
        ("neutron.port.vnic_type", "normal", "binding"),
    ] {
        docker.world.cloud.lock().unwrap().extensions.remove(alias);
        docker.restart();
        let before = docker.world.snapshot();
        let net = Net { options: vec![option(key, value)], ..v4("10.9.0.0/24") };
        let text = docker.network_create(&net).await.unwrap_err().text();
        assert!(text.contains(key) && text.contains(&format!("`{alias}`")), "{text}");
        assert_eq!(docker.world.snapshot(), before);
        let run = Run { options: vec![option(key, value)], ..Run::default() };
        let text = docker.run(&plain, &run).await.unwrap_err().text();
        assert!(text.contains(key) && text.contains(&format!("`{alias}`")), "{text}");
        assert_eq!(docker.world.snapshot(), before);
        docker.world.cloud.lock().unwrap().extensions.insert(alias.to_owned());
    }
}

#[tokio::test]
async fn an_unknown_and_an_ambiguous_name_are_refused_and_an_id_is_taken() {
    let mut docker = able().await;
    let before = docker.world.snapshot();
    for (key, value, expected) in [
        ("neutron.port.security_groups", "web,none", "specified security group id/name(none) does not exist"),
        ("neutron.port.security_groups", "twice", "is ambiguous"),
        ("neutron.port.qos_policy", "none", "specified QoS policy id/name(none) does not exist"),
        ("neutron.port.qos_policy", "same", "q2, q3"),
        ("neutron.port.securitygroups", "web", "did you mean `neutron.port.security_groups`"),
    ] {
        let net = Net { options: vec![option(key, value)], ..v4("10.9.0.0/24") };
        let text = docker.network_create(&net).await.unwrap_err().text();
        assert!(text.contains(expected), "{text}");
        assert_eq!(docker.world.snapshot(), before);
    }
    let id = group(&docker, "twice");
    let net = Net { options: vec![option("neutron.port.security_groups", &id)], ..v4("10.9.0.0/24") };
    let network = docker.network_create(&net).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    assert_eq!(docker.port_at(container.addresses[0].1).unwrap().security_groups, [id]);
}

#[tokio::test]
async fn a_group_deleted_after_its_name_was_looked_up_is_looked_up_again() {
    let mut docker = able().await;
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let run = Run { options: vec![option("neutron.port.security_groups", "web")], ..Run::default() };
    let container = docker.run(&network, &run).await.unwrap();
    docker.stop(&container).await.unwrap();
    let old = group(&docker, "web");
    docker.world.cloud.lock().unwrap().groups.remove(&old);
    let new = NewSecurityGroup { name: "web".to_owned(), ..NewSecurityGroup::default() };
    docker.process.create_security_group(&new).await.unwrap();
    let container = docker.run(&network, &run).await.unwrap();
    assert_eq!(docker.port_at(container.addresses[0].1).unwrap().security_groups, [group(&docker, "web")]);
    docker.stop(&container).await.unwrap();
    // A network keeps the id, so it takes none that was known before.
    let old = group(&docker, "web");
    docker.world.cloud.lock().unwrap().groups.remove(&old);
    let before = docker.world.snapshot();
    let text = docker.run(&network, &run).await.unwrap_err().text();
    assert!(text.contains("specified security group id/name(web) does not exist"), "{text}");
    assert_eq!(docker.world.snapshot(), before);
    let new = NewSecurityGroup { name: "web".to_owned(), ..NewSecurityGroup::default() };
    docker.process.create_security_group(&new).await.unwrap();
    let options = vec![option("neutron.port.security_groups", "web")];
    let network = docker.network_create(&Net { options, ..v4("10.8.0.0/24") }).await.unwrap();
    docker.run(&network, &Run::default()).await.unwrap();
}

async fn adopted(options: Vec<(&'static str, String)>) -> (Docker, String, Port) {
    let mut docker = able().await;
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let port = docker.operator_port(&id, ADDRESS).await;
    docker.change_port(&port.id, |p| {
        p.dns_name = Some("theirs".to_owned());
        p.allowed_address_pairs = vec![AddressPair { ip_address: "10.9.0.3".to_owned(), mac_address: None }];
    });
    let options = [vec![("neutron.net.uuid", id)], options].concat();
    let network = docker.network_create(&Net { options, ..v4("10.9.0.0/24") }).await.unwrap();
    (docker, network, port)
}

#[tokio::test]
async fn an_existing_port_gets_all_attributes_and_is_given_back_without_them() {
    let (mut docker, network, port) = adopted(everything()).await;
    let found = docker.world.snapshot();
    docker.world.calls();
    let container = docker.run(&network, &at(ADDRESS)).await.unwrap();
    assert_eq!(docker.world.calls(), ["GET ports", "PUT port", "PUT tag"]);
    assert_everything(&docker, &docker.world.snapshot().ports[&port.id]);
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    // Of the container this time: no security. And another kind of NIC, which no bound port may change to or from.
    let (mut docker, network, port) = adopted(vec![option("neutron.port.vnic_type", "normal")]).await;
    docker.change_port(&port.id, |p| p.vnic_type = Some("macvtap".to_owned()));
    let found = docker.world.snapshot();
    let options = vec![option("neutron.port.port_security", "off")];
    let container = docker.run(&network, &Run { options, ..at(ADDRESS) }).await.unwrap();
    let used = docker.world.snapshot().ports[&port.id].clone();
    assert_eq!((used.port_security_enabled, used.vnic_type.as_deref()), (Some(false), Some("normal")));
    assert!(used.security_groups.is_empty() && used.allowed_address_pairs.is_empty());
    docker.stop(&container).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

/// A fault at every call of a run with attributes of both kinds, and of the stop after it.
#[tokio::test]
async fn no_fault_leaves_an_attribute_behind() {
    let run = || Run {
        options: vec![option("neutron.port.port_security", "false"), option("neutron.port.dns_name", "one")],
        ..at(ADDRESS)
    };
    for fault in [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down] {
        for at in 1..=20 {
            let (mut docker, network, _) = adopted(vec![option("neutron.port.qos_policy", "slow")]).await;
            let found = docker.world.snapshot();
            docker.world.arm(at, fault);
            let outcome = docker.run(&network, &run()).await;
            let mut stopped = false;
            if let Ok(container) = &outcome {
                stopped = docker.stop(container).await.is_ok();
            }
            docker.world.disarm();
            if !stopped {
                docker.reboot().await;
                docker.roll_back().await;
                if let Ok(container) = &outcome {
                    let _ = docker.stop(container).await;
                }
            }
            docker.sweep().await;
            assert_eq!(docker.world.snapshot(), found, "{fault:?} at call {at}: {outcome:?}");
        }
    }
}
