//! Neutron's calls as they stand on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use openstack::network::{
    NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, PortUpdate, SubPort, Taggable, Trunk,
};
use serde_json::{Value, json};

/// Answers every call with whatever fits it.
fn anything(seen: &Seen, _: usize) -> Answer {
    let subnet = json!({ "id": "s", "network_id": "n", "ip_version": 4, "cidr": "10.0.0.0/24" });
    let pool = json!({ "id": "sp", "default_prefixlen": "24" });
    let (status, body) = match (seen.method.as_str(), seen.target.split(['?', '/']).nth(3).unwrap_or("")) {
        ("DELETE", _) => return text(204, ""),
        (_, _) if seen.target.contains("/tags") => (200, json!({ "tags": [] })),
        ("GET", "extensions") => {
            (200, json!({ "extensions": [{ "alias": "tag-ports", "name": "x" }, { "alias": "agent" }] }))
        }
        (_, "networks") => (200, json!({ "network": { "id": "n" }, "networks": [{ "id": "n" }] })),
        (_, "subnets") => (200, json!({ "subnet": subnet, "subnets": [subnet] })),
        (_, "subnetpools") => (200, json!({ "subnetpool": pool, "subnetpools": [pool] })),
        (_, "security-groups") => {
            (200, json!({ "security_group": { "id": "g" }, "security_groups": [{ "id": "g" }] }))
        }
        (_, "trunks") if seen.method == "PUT" => (200, trunk()),
        (_, "trunks") => (200, json!({ "trunk": trunk(), "trunks": [trunk()] })),
        (_, "security-group-rules") => (201, json!({ "security_group_rules": [{}, {}] })),
        _ => (200, json!({ "port": port("p"), "ports": [port("p")] })),
    };
    answer(status, &body)
}

fn trunk() -> Value {
    let subport = json!({ "port_id": "c", "segmentation_type": "vlan", "segmentation_id": 100 });
    json!({ "id": "t", "port_id": "p", "status": "ACTIVE", "revision_number": 4, "sub_ports": [subport] })
}

fn subport(id: &str, vlan: u16) -> SubPort {
    SubPort { port_id: id.to_owned(), segmentation_type: "vlan".to_owned(), segmentation_id: vlan }
}

#[tokio::test]
async fn every_call_has_its_line_and_body() {
    let cloud = Cloud::start(anything).await;
    let net = cloud.network();
    assert!(net.extensions().await.unwrap().contains("tag-ports"));
    net.list_networks(&[("name", "a"), ("name", "b")]).await.unwrap();
    net.get_network("n/1").await.unwrap();
    net.create_network(&NewNetwork { name: "x".into(), admin_state_up: true, ..Default::default() })
        .await
        .unwrap();
    net.update_network_name("n", "y").await.unwrap();
    net.delete_network("n").await.unwrap();
    net.list_subnets(&[("network_id", "n")]).await.unwrap();
    net.get_subnet("s").await.unwrap();
    net.delete_subnet("s").await.unwrap();
    net.list_subnetpools(&[]).await.unwrap();
    assert_eq!(net.get_subnetpool("sp").await.unwrap().default_prefixlen, 24);
    net.delete_subnetpool("sp").await.unwrap();
    net.list_ports(&[("fixed_ips", "ip_address=10.0.0.5")]).await.unwrap();
    net.create_ports(&[NewPort::default(), NewPort::default()]).await.unwrap();
    assert!(net.create_ports(&[]).await.unwrap().is_empty());
    let update = PortUpdate { host_id: Some(String::new()), ..Default::default() };
    net.update_port("p", &update, Some(7)).await.unwrap();
    net.delete_port("p").await.unwrap();
    net.list_security_groups(&[("tags", "t")]).await.unwrap();
    let group = NewSecurityGroup { name: "g".into(), ..NewSecurityGroup::default() };
    net.create_security_group(&group).await.unwrap();
    let rule = NewSecurityGroupRule {
        security_group_id: "g".into(),
        direction: "ingress",
        ethertype: "IPv4",
        protocol: "udp".into(),
        port_range_min: 1234,
        port_range_max: 1238,
    };
    net.create_security_group_rules(&[rule.clone(), rule]).await.unwrap();
    net.create_security_group_rules(&[]).await.unwrap();
    net.delete_security_group("g").await.unwrap();
    net.set_tags(Taggable::Network, "n", &["a:1".to_owned(), "b".to_owned()]).await.unwrap();
    net.add_tags(Taggable::Network, "n", &["c".to_owned()]).await.unwrap();
    net.add_tag(Taggable::SubnetPool, "sp", "a/b").await.unwrap();
    net.remove_tag(Taggable::SecurityGroup, "g", "a").await.unwrap();

    let calls = cloud.calls();
    let lines: Vec<_> = calls.iter().map(|c| c.line().replace("/net/v2.0", "")).collect();
    assert_eq!(
        lines,
        [
            "GET /extensions",
            "GET /networks?name=a&name=b",
            "GET /networks/n%2F1",
            "POST /networks",
            "PUT /networks/n",
            "DELETE /networks/n",
            "GET /subnets?network_id=n",
            "GET /subnets/s",
            "DELETE /subnets/s",
            "GET /subnetpools",
            "GET /subnetpools/sp",
            "DELETE /subnetpools/sp",
            "GET /ports?fixed_ips=ip_address%3D10.0.0.5",
            "POST /ports",
            "PUT /ports/p",
            "DELETE /ports/p",
            "GET /security-groups?tags=t",
            "POST /security-groups",
            "POST /security-group-rules",
            "DELETE /security-groups/g",
            "PUT /networks/n/tags",
            "POST /networks/n/tags",
            "PUT /subnetpools/sp/tags/a%2Fb",
            "DELETE /security-groups/g/tags/a"
        ]
    );
    let body =
        |line: &str| calls.iter().find(|c| c.line().replace("/net/v2.0", "") == line).unwrap().body.clone();
    assert_eq!(body("POST /networks")["network"]["name"], "x");
    assert_eq!(body("PUT /networks/n"), json!({ "network": { "name": "y" } }));
    assert_eq!(body("POST /ports")["ports"].as_array().map(Vec::len), Some(2));
    assert_eq!(body("PUT /ports/p"), json!({ "port": { "binding:host_id": "" } }));
    assert_eq!(body("POST /security-group-rules")["security_group_rules"][1]["port_range_max"], 1238);
    assert_eq!(body("PUT /networks/n/tags"), json!({ "tags": ["a:1", "b"] }));
    assert_eq!(body("POST /networks/n/tags"), json!({ "tags": ["c"] }));
    assert_eq!(body("PUT /subnetpools/sp/tags/a%2Fb"), Value::Null);
    let update = calls.iter().find(|c| c.line().contains("PUT /net/v2.0/ports")).unwrap();
    assert_eq!(update.header("if-match"), "revision_number=7");
}

#[tokio::test]
async fn what_is_gone_is_deleted_and_an_empty_id_deletes_nothing() {
    let cloud = Cloud::start(|_, _| neutron_fault(404, "NotFound", "it is not there")).await;
    let net = cloud.network();
    net.delete_network("n").await.unwrap();
    net.delete_subnet("s").await.unwrap();
    net.delete_subnetpool("p").await.unwrap();
    net.delete_port("p").await.unwrap();
    net.delete_security_group("g").await.unwrap();
    net.remove_tag(Taggable::Port, "p", "t").await.unwrap();
    assert!(net.get_port("p").await.unwrap_err().is_not_found());
    let calls = cloud.calls().len();
    for bad in ["", ".", ".."] {
        assert!(net.delete_port(bad).await.is_err());
    }
    assert_eq!(cloud.calls().len(), calls);
}

#[tokio::test]
async fn a_fault_reads_as_one_line_with_the_resource_and_the_request() {
    let cloud =
        Cloud::start(|_, _| neutron_fault(409, "OverQuota", "Quota exceeded\nfor resources: ['port']."))
            .await;
    let error = cloud.network().update_port("1b2c", &PortUpdate::default(), None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "network: update port 1b2c: Quota exceeded for resources: ['port'] (HTTP 409, OverQuota, req-of-the-service)"
    );
    assert!(
        error.is_over_quota() && error.is_conflict() && error.is_kind("OverQuota") && !error.effect_unknown()
    );
}

#[tokio::test]
async fn an_answer_that_repeats_our_secrets_is_not_repeated() {
    let cloud =
        Cloud::start(|seen, _| text(400, &format!("you sent {CANARY} and {}", seen.header("x-auth-token"))))
            .await;
    let error = cloud.network().list_ports(&[("name", "n")]).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(CANARY) && !shown.contains("tok-1") && shown.contains("***"), "{shown}");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_error_without_its_values() {
    let cloud = Cloud::start(|_, n| match n {
        0 => text(200, "<html>login</html>"),
        1 => answer(200, &json!({ "ports": "no" })),
        _ => answer(200, &json!({ "port": { "id": "p", "network_id": "n", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": CANARY } })),
    })
    .await;
    let net = cloud.network();
    for error in [
        net.list_ports(&[]).await.unwrap_err(),
        net.list_ports(&[]).await.unwrap_err(),
        net.get_port("p").await.unwrap_err(),
    ] {
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("cannot understand the answer") && !shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn subports_are_changed_in_one_call_whose_answer_is_the_trunk_itself() {
    let cloud = Cloud::start(anything).await;
    let net = cloud.network();
    let found = net.list_trunks(&[("port_id", "p")]).await.unwrap();
    let whole = Trunk {
        id: "t".to_owned(),
        name: String::new(),
        port_id: "p".to_owned(),
        status: "ACTIVE".to_owned(),
        admin_state_up: false,
        revision_number: 4,
        sub_ports: vec![subport("c", 100)],
    };
    assert_eq!(found, std::slice::from_ref(&whole));
    assert_eq!(net.get_trunk("t").await.unwrap(), whole);
    assert_eq!(net.add_subports("t", &[subport("c", 100), subport("d", 4094)]).await.unwrap(), whole);
    assert_eq!(net.remove_subports("t", &["c".to_owned()]).await.unwrap(), whole);
    assert_eq!(net.add_subports("t", &[]).await.unwrap(), whole);
    assert_eq!(net.remove_subports("t", &[]).await.unwrap(), whole);

    let calls = cloud.calls();
    let lines: Vec<_> = calls.iter().map(|c| c.line().replace("/net/v2.0", "")).collect();
    assert_eq!(
        lines,
        [
            "GET /trunks?port_id=p",
            "GET /trunks/t",
            "PUT /trunks/t/add_subports",
            "PUT /trunks/t/remove_subports",
            "GET /trunks/t",
            "GET /trunks/t"
        ]
    );
    assert_eq!(
        calls[2].body,
        json!({ "sub_ports": [
            { "port_id": "c", "segmentation_type": "vlan", "segmentation_id": 100 },
            { "port_id": "d", "segmentation_type": "vlan", "segmentation_id": 4094 },
        ]})
    );
    assert_eq!(calls[3].body, json!({ "sub_ports": [{ "port_id": "c" }] }));
}

#[tokio::test]
async fn a_subport_that_is_not_there_is_told_from_a_trunk_that_is_not_there() {
    let gone = |kind: &'static str| Cloud::start(move |_, _| neutron_fault(404, kind, "it is not there"));
    for kind in ["SubPortNotFound", "TrunkNotFound"] {
        let cloud = gone(kind).await;
        let error = cloud.network().remove_subports("t", &["c".to_owned()]).await.unwrap_err();
        assert!(error.is_not_found() && error.is_kind(kind) && !error.effect_unknown(), "{error}");
        assert_eq!(
            error.to_string(),
            format!(
                "network: remove 1 subports from trunk t: it is not there (HTTP 404, {kind}, req-of-the-service)"
            )
        );
    }
}

#[test]
fn a_parent_port_says_which_ports_its_trunk_carries() {
    let read = |value: Value| serde_json::from_value::<openstack::network::Port>(value).unwrap();
    let mut parent = port("p");
    assert_eq!(read(parent.clone()).trunk_details, None);
    assert!(!json!(read(parent.clone())).as_object().unwrap().contains_key("trunk_details"));
    let mut carried = json!(subport("c", 100));
    carried["mac_address"] = json!("fa:16:3e:00:00:02");
    parent["description"] = json!("of the VM");
    parent["trunk_details"] = json!({ "trunk_id": "t", "sub_ports": [carried] });
    let parent = read(parent);
    assert_eq!(parent.description, "of the VM");
    let details = parent.trunk_details.unwrap();
    assert_eq!((details.trunk_id.as_str(), details.sub_ports), ("t", vec![subport("c", 100)]));
}
