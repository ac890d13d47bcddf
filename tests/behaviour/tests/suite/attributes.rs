//! Attributes of ports and security groups by option, of a network's containers and of one.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Inside, World, udp_closes, udp_opens};

use crate::Case;
use crate::addresses::{delete_port, make_port, network_of, show_port};
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("security_groups_of_a_networks_containers_are_chosen_by_name", groups_of_network),
    ("a_containers_own_groups_win_over_its_networks", groups_of_container),
    ("port_security_is_switched_off_for_one_container", security_off),
    ("a_containers_port_gets_policy_pairs_and_dns_name", everything),
    ("an_existing_port_is_given_back_without_our_attributes", existing),
    ("a_group_nobody_has_is_refused_and_nothing_is_made", unknown_group),
    ("an_option_with_a_typing_mistake_is_refused_with_the_right_one", mistyped),
];

const PORTS: &str = "/networking/v2.0";

fn make(world: &World, path: &str, kind: &str, body: Value) -> Result<String> {
    let answer = world.cloud.api("POST", &format!("{PORTS}/{path}"), Some(json!({kind: body})))?;
    Ok(text(&answer[kind], "id").to_owned())
}

fn delete(world: &World, path: &str, id: &str) -> Result<()> {
    world.cloud.api("DELETE", &format!("{PORTS}/{path}/{id}"), None).map(drop)
}

/// A group of the tenant's that lets a UDP port in.
fn make_group(world: &World, name: &str, port: u16) -> Result<String> {
    let id = make(world, "security-groups", "security_group", json!({"name": name}))?;
    let rule = json!({"security_group_id": id, "direction": "ingress", "ethertype": "IPv4", "protocol": "udp",
        "port_range_min": port, "port_range_max": port});
    make(world, "security-group-rules", "security_group_rule", rule)?;
    Ok(id)
}

/// Whether a UDP port is open, or closed, to a stranger.
fn is_open(world: &World, inside: &Inside, network: &str, port: u16, open: bool) -> Result<bool> {
    let stranger = world.stranger("one", network)?;
    let address = world.address("one", network)?;
    if open {
        udp_opens(&stranger, inside, address, port)
    } else {
        udp_closes(&stranger, inside, address, port)
    }
}

fn port_of(world: &World, container: &str, network: &str) -> Result<Value> {
    let address = world.address(container, network)?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}&device_owner=compute:kuryr"))?;
    ensure!(ports.len() == 1, "{ports:?}");
    Ok(ports[0].clone())
}

fn groups_of_network(world: &mut World) -> Result<()> {
    let group = make_group(world, "web", 4711)?;
    let options = ["--subnet", "10.20.0.0/24", "-o", "neutron.port.security_groups=web"];
    world.create_network("foo", &options)?;
    let inside = world.run("one", &["--network", "foo"])?;
    ensure!(port_of(world, "one", "foo")?["security_groups"] == json!([group]), "not the network's groups");
    ensure!(is_open(world, &inside, "foo", 4711, true)?, "the group lets 4711 in");
    ensure!(is_open(world, &inside, "foo", 4712, false)?, "nothing lets 4712 in");
    remove(world, &["one"], &["foo"])?;
    delete(world, "security-groups", &group)
}

fn groups_of_container(world: &mut World) -> Result<()> {
    let (web, db) = (make_group(world, "web", 4711)?, make_group(world, "db", 4712)?);
    let options = ["--subnet", "10.20.0.0/24", "-o", "neutron.port.security_groups=web"];
    world.create_network("foo", &options)?;
    let own = format!("name=foo,driver-opt=neutron.port.security_groups={db}");
    let inside = world.run("one", &["--network", &own, "--expose", "4713/udp"])?;
    let groups = port_of(world, "one", "foo")?["security_groups"].clone();
    let has = |id: &str| groups.as_array().is_some_and(|all| all.iter().any(|g| g == id));
    ensure!(has(&db) && !has(&web), "{groups}");
    for (port, open) in [(4712, true), (4713, true), (4711, false)] {
        ensure!(is_open(world, &inside, "foo", port, open)?, "{port} is not as it should be");
    }
    // The same by `docker network connect`.
    create(world, "bar", "10.28.0.0/24", "10.28.0.1")?;
    let option = "neutron.port.security_groups=db";
    world.docker(&["network", "connect", "--driver-opt", option, "bar", "one"])?;
    ensure!(text(&port_of(world, "one", "bar")?, "device_owner") == "compute:kuryr");
    let groups = port_of(world, "one", "bar")?["security_groups"].clone();
    ensure!(groups.as_array().is_some_and(|all| all.iter().any(|g| *g == json!(db))), "{groups}");
    remove(world, &["one"], &["foo", "bar"])?;
    delete(world, "security-groups", &web)?;
    delete(world, "security-groups", &db)
}

fn security_off(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let off = "name=foo,driver-opt=neutron.port.port_security=false";
    let inside = world.run("one", &["--network", off, "--expose", "80"])?;
    let port = port_of(world, "one", "foo")?;
    ensure!(port["port_security_enabled"] == json!(false) && port["security_groups"] == json!([]), "{port}");
    ensure!(is_open(world, &inside, "foo", 4711, true)?, "everything is open");
    let both = "name=foo,driver-opt=neutron.port.port_security=false,driver-opt=neutron.port.security_groups=default";
    let error = world.docker_fails(&["run", "--network", both, "--name", "two", "busybox", "true"])?;
    ensure!(error.contains("neutron.port.security_groups") && error.contains("port security off"), "{error}");
    remove(world, &["two", "one"], &["foo"])
}

fn everything(world: &mut World) -> Result<()> {
    let policy = json!({"policy": {"name": "slow", "shared": true}});
    let policy = world.cloud.api_as("admin", "POST", &format!("{PORTS}/qos/policies"), Some(policy))?;
    let policy = text(&policy["policy"], "id").to_owned();
    let before = list(world, "ports", "")?.len();
    let options = ["--subnet", "10.20.0.0/24", "-o", "neutron.port.qos_policy=slow"];
    world.create_network("foo", &options)?;
    let own = "name=foo,driver-opt=neutron.port.allowed_address_pairs=10.20.0.200,driver-opt=neutron.port.dns_name=one";
    world.run("one", &["--network", own])?;
    let port = port_of(world, "one", "foo")?;
    ensure!(text(&port, "qos_policy_id") == policy && text(&port, "dns_name") == "one", "{port}");
    ensure!(text(&port["allowed_address_pairs"][0], "ip_address") == "10.20.0.200", "{port}");
    remove(world, &["one"], &["foo"])?;
    ensure!(list(world, "ports", "")?.len() == before, "a port was left");
    let path = format!("{PORTS}/qos/policies/{policy}");
    world.cloud.api_as("admin", "DELETE", &path, None).map(drop)
}

fn existing(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let port = make_port(world, &network, "10.20.0.99", json!({"dns_name": "theirs"}))?;
    let id = text(&port, "id").to_owned();
    let before = show_port(world, &id)?;
    let off = "name=foo,ip=10.20.0.99,driver-opt=neutron.port.port_security=false,driver-opt=neutron.port.dns_name=ours";
    world.run("one", &["--network", off])?;
    let during = show_port(world, &id)?;
    ensure!(
        during["port_security_enabled"] == json!(false) && text(&during, "dns_name") == "ours",
        "{during}"
    );
    world.remove("one")?;
    let after = show_port(world, &id)?;
    ensure!(before == after, "not given back as found:\n{before}\n{after}");
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn unknown_group(world: &mut World) -> Result<()> {
    let options = ["--subnet", "10.20.0.0/24", "-o", "neutron.port.security_groups=nobodys"];
    let error = world.create_network_fails("foo", &options)?;
    ensure!(error.contains("security group") && error.contains("nobodys"), "{error}");
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let before = list(world, "ports", "device_owner=compute:kuryr")?.len();
    let own = "name=foo,driver-opt=neutron.port.security_groups=nobodys";
    let error = world.docker_fails(&["run", "--network", own, "--name", "one", "busybox", "true"])?;
    ensure!(error.contains("nobodys"), "{error}");
    ensure!(list(world, "ports", "device_owner=compute:kuryr")?.len() == before, "a port was left");
    remove(world, &["one"], &["foo"])
}

fn mistyped(world: &mut World) -> Result<()> {
    let options = ["--subnet", "10.20.0.0/24", "-o", "neutron.port.security_group=web"];
    let error = world.create_network_fails("foo", &options)?;
    ensure!(error.contains("did you mean `neutron.port.security_groups`"), "{error}");
    Ok(())
}
