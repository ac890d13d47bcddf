//! Addresses that the user chooses, and ports that exist already.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("a_fixed_address_is_used", fixed),
    ("the_address_of_a_running_container_is_refused_and_that_container_keeps_working", taken),
    ("the_address_of_the_dhcp_port_is_refused", dhcp),
    ("an_existing_unbound_port_is_reused_and_given_back_as_found", unbound_port),
    ("a_bound_port_is_refused_and_left_alone", bound_port),
    ("a_port_that_somebody_uses_is_refused_and_left_alone", used_port),
    ("a_mac_address_of_the_users_choice_is_on_the_port", chosen_mac),
    ("an_existing_port_is_chosen_by_its_mac_address", by_mac),
    ("a_container_of_both_families_has_one_port_from_the_start", both_families),
    ("a_port_zun_prepared_is_used_as_it_is_and_may_be_gone_at_the_end", prepared),
    ("a_container_on_a_slaac_subnet_has_neutrons_address", slaac),
    ("an_address_is_free_again_after_its_container_stopped", freed),
    ("parallel_containers_get_different_addresses", parallel),
    ("a_container_connected_later_gets_the_address_it_asks_for", connected),
];

fn fixed(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--ip", "10.20.0.55"])?;
    ensure!(world.address("one", "foo")?.to_string() == "10.20.0.55");
    ensure!(list(world, "ports", "fixed_ips=ip_address=10.20.0.55")?.len() == 1);
    remove(world, &["one"], &["foo"])
}

fn taken(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--ip", "10.20.0.55"])?;
    let before = list(world, "ports", "fixed_ips=ip_address=10.20.0.55")?;
    let error = world.docker_fails(&[
        "run",
        "--network",
        "foo",
        "--ip",
        "10.20.0.55",
        "--name",
        "two",
        "busybox",
        "true",
    ])?;
    ensure!(error.contains("10.20.0.55"), "{error}");
    let after = list(world, "ports", "fixed_ips=ip_address=10.20.0.55")?;
    ensure!(before == after, "the running container's port changed: {before:?} -> {after:?}");
    world.ping("one", "10.20.0.1")?;
    remove(world, &["two", "one"], &["foo"])
}

fn dhcp(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let mut ports = list(world, "ports", &format!("network_id={network}&device_owner=network:dhcp"))?;
    if ports.is_empty() {
        // No agent made one; its port is as good from our hand.
        let agents = json!({"device_owner": "network:dhcp", "device_id": "reserved_dhcp_port"});
        ports.push(make_port(world, &network, "10.20.0.2", agents)?);
    }
    let address = ports.first().map(address_of).unwrap_or_default();
    let error = world.docker_fails(&[
        "run",
        "--network",
        "foo",
        "--ip",
        &address,
        "--name",
        "one",
        "busybox",
        "true",
    ])?;
    ensure!(error.contains(&address), "{error}");
    ensure!(list(world, "ports", &format!("network_id={network}&device_owner=network:dhcp"))?.len() == 1);
    remove(world, &["one"], &["foo"])
}

/// The network that carries a subnet.
pub(crate) fn network_of(world: &World, cidr: &str) -> Result<String> {
    let subnets = list(world, "subnets", &format!("cidr={cidr}"))?;
    ensure!(subnets.len() == 1, "subnets {cidr}: {subnets:?}");
    Ok(text(&subnets[0], "network_id").to_owned())
}

fn address_of(port: &Value) -> String {
    text(&port["fixed_ips"][0], "ip_address").to_owned()
}

/// A port made by the tenant, before any container.
pub(crate) fn make_port(world: &World, network: &str, address: &str, extra: Value) -> Result<Value> {
    let mut port = json!({"network_id": network, "name": "mine", "fixed_ips": [{"ip_address": address}]});
    if let (Some(port), Some(extra)) = (port.as_object_mut(), extra.as_object()) {
        port.extend(extra.clone());
    }
    let answer =
        world.cloud.api_as("admin", "POST", "/networking/v2.0/ports", Some(json!({"port": port})))?;
    Ok(answer["port"].clone())
}

/// A port as it is now.
pub(crate) fn show_port(world: &World, id: &str) -> Result<Value> {
    let mut port =
        world.cloud.api_as("admin", "GET", &format!("/networking/v2.0/ports/{id}"), None)?["port"].clone();
    if let Some(map) = port.as_object_mut() {
        for restless in ["revision_number", "updated_at", "status"] {
            map.remove(restless);
        }
    }
    Ok(port)
}

pub(crate) fn delete_port(world: &World, id: &str) -> Result<()> {
    world.cloud.api_as("admin", "DELETE", &format!("/networking/v2.0/ports/{id}"), None).map(drop)
}

fn unbound_port(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let port = make_port(world, &network, "10.20.0.99", json!({}))?;
    let id = text(&port, "id").to_owned();
    let before = show_port(world, &id)?;
    world.run("one", &["--network", "foo", "--ip", "10.20.0.99"])?;
    let during = list(world, "ports", "fixed_ips=ip_address=10.20.0.99")?;
    ensure!(during.len() == 1 && text(&during[0], "id") == id, "another port was made: {during:?}");
    ensure!(
        during[0]["tags"].as_array().is_some_and(|t| t.iter().any(|t| t == "kuryr.port.existing")),
        "{during:?}"
    );
    let link = world.docker(&["exec", "one", "ip", "link", "show", "eth0"])?;
    ensure!(link.contains(text(&during[0], "mac_address")), "the port's MAC is not the container's: {link}");
    world.ping("one", "10.20.0.1")?;
    world.remove("one")?;
    let after = show_port(world, &id)?;
    ensure!(before == after, "not given back as found:\n{before}\n{after}");
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn bound_port(world: &mut World) -> Result<()> {
    refused_port(world, json!({"binding:host_id": "elsewhere"}))
}

fn used_port(world: &mut World) -> Result<()> {
    refused_port(
        world,
        json!({"device_id": "0c9a3f0e-3b7b-4a3e-9a39-0b6f5f1f4b11", "device_owner": "compute:nova"}),
    )
}

fn refused_port(world: &mut World, extra: Value) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let id = text(&make_port(world, &network, "10.20.0.99", extra)?, "id").to_owned();
    let before = show_port(world, &id)?;
    let error = world.docker_fails(&[
        "run",
        "--network",
        "foo",
        "--ip",
        "10.20.0.99",
        "--name",
        "one",
        "busybox",
        "true",
    ])?;
    ensure!(error.contains(&id) && error.contains("10.20.0.99"), "{error}");
    ensure!(before == show_port(world, &id)?, "the port was changed");
    world.remove("one")?;
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn chosen_mac(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let mac = "02:0a:0b:0c:0d:0e";
    world.run("one", &["--network", "foo", "--mac-address", mac])?;
    let address = world.address("one", "foo")?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
    ensure!(ports.first().is_some_and(|p| text(p, "mac_address") == mac), "{ports:?}");
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one"], &["foo"])
}

fn freed(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    for _ in 0..2 {
        world.run("one", &["--network", "foo", "--ip", "10.20.0.55"])?;
        world.remove("one")?;
    }
    remove(world, &[], &["foo"])
}

fn parallel(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let names: Vec<String> = (0..6).map(|n| format!("p{n}")).collect();
    std::thread::scope(|scope| {
        let runs: Vec<_> = names
            .iter()
            .map(|n| {
                let w = &*world;
                scope.spawn(move || w.run(n, &["--network", "foo"]))
            })
            .collect();
        runs.into_iter()
            .try_for_each(|run| run.join().map_or_else(|_| anyhow::bail!("panic"), |r| r.map(drop)))
    })?;
    let mut addresses = Vec::new();
    for name in &names {
        addresses.push(world.address(name, "foo")?);
    }
    addresses.sort();
    addresses.dedup();
    ensure!(addresses.len() == names.len(), "{addresses:?}");
    remove(world, &names.iter().map(String::as_str).collect::<Vec<_>>(), &["foo"])
}

fn connected(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    create(world, "bar", "10.28.0.0/24", "10.28.0.1")?;
    world.run("one", &["--network", "foo"])?;
    world.docker(&["network", "connect", "--ip", "10.28.0.44", "bar", "one"])?;
    ensure!(world.address("one", "bar")?.to_string() == "10.28.0.44");
    ensure!(list(world, "ports", "fixed_ips=ip_address=10.28.0.44")?.len() == 1);
    world.ping("one", "10.28.0.1")?;
    world.ping("one", "10.20.0.1")?;
    world.docker(&["network", "disconnect", "bar", "one"])?;
    ensure!(list(world, "ports", "fixed_ips=ip_address=10.28.0.44")?.is_empty(), "the port stayed");
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one"], &["foo", "bar"])
}

fn by_mac(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let mac = "fa:16:3e:20:00:99";
    let port = make_port(world, &network, "10.20.0.99", json!({"mac_address": mac}))?;
    let id = text(&port, "id").to_owned();
    let before = show_port(world, &id)?;
    world.run("one", &["--network", "foo", "--mac-address", mac])?;
    ensure!(world.address("one", "foo")?.to_string() == "10.20.0.99");
    ensure!(text(&show_port(world, &id)?, "device_owner") == "compute:kuryr");
    world.ping("one", "10.20.0.1")?;
    world.remove("one")?;
    let after = show_port(world, &id)?;
    ensure!(before == after, "not given back as found:\n{before}\n{after}");
    let other = [
        "run",
        "--network",
        "foo",
        "--mac-address",
        mac,
        "--ip",
        "10.20.0.98",
        "--name",
        "one",
        "busybox",
        "true",
    ];
    let error = world.docker_fails(&other)?;
    ensure!(error.contains(mac) && error.contains(&id), "{error}");
    ensure!(before == show_port(world, &id)?, "the port was changed");
    world.remove("one")?;
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn both_families(world: &mut World) -> Result<()> {
    let options = ["--ipv6", "--subnet", "10.20.0.0/24", "--subnet", "fd20::/64"];
    world.create_network("foo", &options)?;
    world.cloud.clear_log()?;
    world.run("one", &["--network", "foo"])?;
    let posts =
        world.cloud.calls()?.iter().filter(|c| c.method == "POST" && c.path.ends_with("/ports")).count();
    ensure!(posts == 1, "{posts} ports were made");
    let address = world.address("one", "foo")?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
    ensure!(ports[0]["fixed_ips"].as_array().is_some_and(|ips| ips.len() == 2), "{ports:?}");
    world.remove("one")?;
    world.run("two", &["--network", "foo", "--ip", "10.20.0.77", "--ip6", "fd20::77"])?;
    ensure!(list(world, "ports", "fixed_ips=ip_address=fd20::77")?.len() == 1);
    remove(world, &["two"], &["foo"])
}

fn slaac(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let subnet = json!({"subnet": {"name": "six", "network_id": id, "ip_version": 6, "cidr": "fd30::/64",
        "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}});
    world.cloud.api("POST", "/networking/v2.0/subnets", Some(subnet))?;
    let option = format!("neutron.net.uuid={id}");
    let options = ["--ipv6", "--subnet", "10.30.0.0/24", "--subnet", "fd30::/64", "-o", &option];
    world.create_network("foo", &options)?;
    world.run("one", &["--network", "foo", "--mac-address", "02:42:0a:00:00:09"])?;
    let shown = world.docker(&["exec", "one", "ip", "-6", "address", "show", "eth0"])?;
    ensure!(shown.contains("fd30::42:aff:fe00:9/64"), "{shown}");
    let wish = ["run", "--network", "foo", "--ip6", "fd30::9", "--name", "two", "busybox", "true"];
    let error = world.docker_fails(&wish)?;
    ensure!(error.contains("fd30::9") && error.contains("derives"), "{error}");
    remove(world, &["two", "one"], &["foo"])?;
    delete_network(world, &id)
}

/// What Zun does: a port bound to this host with an id of its own, passed by address and MAC.
fn prepared(world: &mut World) -> Result<()> {
    let network = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={network}");
    world.create_network("foo", &["--subnet", "10.30.0.0/24", "-o", &option])?;
    // The host's name in Neutron is that of any port bound to it.
    world.run("probe", &["--network", "foo"])?;
    let host = list(world, "ports", &format!("network_id={network}&device_owner=compute:kuryr"))?;
    let host = host.first().map(|p| text(p, "binding:host_id").to_owned()).unwrap_or_default();
    ensure!(!host.is_empty(), "the probe's port is bound to no host");
    world.remove("probe")?;
    let mac = "fa:16:3e:30:00:99";
    let body = json!({"mac_address": mac, "device_owner": "compute:kuryr", "binding:host_id": host,
        "device_id": "0c9a3f0e-3b7b-4a3e-9a39-0b6f5f1f4b11"});
    for deleted in [false, true] {
        let id = text(&make_port(world, &network, "10.30.0.99", body.clone())?, "id").to_owned();
        let before = show_port(world, &id)?;
        world.run("one", &["--network", "foo", "--ip", "10.30.0.99", "--mac-address", mac])?;
        let during = show_port(world, &id)?;
        ensure!(
            during["device_id"] == before["device_id"] && text(&during, "binding:host_id") == host,
            "{during}"
        );
        world.ping("one", "10.30.0.1")?;
        if deleted {
            delete_port(world, &id)?;
            world.remove("one")?;
        } else {
            world.remove("one")?;
            let after = show_port(world, &id)?;
            ensure!(before == after, "not given back as found:\n{before}\n{after}");
            delete_port(world, &id)?;
        }
    }
    remove(world, &[], &["foo"])?;
    delete_network(world, &network)
}
