//! Networks of our own.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("containers_on_a_new_network_ping_each_other_and_the_gateway", ping),
    ("a_new_network_stands_in_neutron_under_the_known_names_and_tags", names_and_tags),
    ("the_ip_range_becomes_the_subnet", ip_range),
    ("a_subnet_without_gateway_gets_its_first_address_as_gateway", default_gateway),
    ("without_a_subnet_one_is_allocated_from_the_default_pool", automatic_pool),
    ("two_automatic_networks_get_different_subnets", two_automatic),
    ("an_automatic_pool_that_overlaps_a_subnet_of_the_host_is_refused_at_once", overlap_with_host),
    ("two_networks_with_the_same_cidr_do_not_hurt_each_other", same_cidr),
    ("a_dual_stack_container_has_one_port_with_both_addresses", dual_stack),
    ("an_internal_network_has_no_default_route", internal),
    ("the_container_has_the_mtu_and_mac_of_its_port", mtu_and_mac),
    ("a_port_of_vif_type_tap_is_plugged_and_pings", tap),
    ("a_port_neutron_cannot_bind_is_refused_naming_the_host_and_leaves_nothing", binding_failed),
    ("an_auxiliary_address_is_given_to_nobody", auxiliary),
    ("an_ip_range_outside_the_subnet_is_refused", range_outside),
    ("several_subnets_of_one_family_are_all_usable", several_subnets),
];

/// Creates a network with a subnet and its first address as gateway.
pub(crate) fn create(world: &World, name: &str, subnet: &str, gateway: &str) -> Result<String> {
    world.create_network(name, &["--subnet", subnet, "--gateway", gateway])
}

pub(crate) fn ping(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    world.run("two", &["--network", "foo"])?;
    let two = world.address("two", "foo")?.to_string();
    world.ping("one", &two)?;
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one", "two"], &["foo"])
}

/// Removes containers, then networks.
pub(crate) fn remove(world: &World, containers: &[&str], networks: &[&str]) -> Result<()> {
    for container in containers {
        world.remove(container)?;
    }
    for network in networks {
        world.remove_network(network)?;
    }
    Ok(())
}

/// The objects of a Neutron collection.
pub(crate) fn list(world: &World, collection: &str, query: &str) -> Result<Vec<Value>> {
    let key = collection.replace('-', "_");
    let answer =
        world.cloud.api_as("admin", "GET", &format!("/networking/v2.0/{collection}?{query}"), None)?;
    Ok(answer.get(&key).and_then(Value::as_array).cloned().unwrap_or_default())
}

/// A text attribute.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn names_and_tags(world: &mut World) -> Result<()> {
    let id = create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let (lower, upper) = id.split_at(32);
    let tags = format!("kuryr.net.uuid.lh:{lower},kuryr.net.uuid.uh:{upper}");
    let networks = list(world, "networks", &format!("tags={tags}"))?;
    ensure!(networks.len() == 1, "networks with our tags: {networks:?}");
    ensure!(text(&networks[0], "name") == format!("kuryr-net-{}", &id[..8]), "{networks:?}");
    let network = text(&networks[0], "id").to_owned();
    let subnets = list(world, "subnets", &format!("network_id={network}"))?;
    ensure!(subnets.len() == 1 && text(&subnets[0], "name") == "kuryr-subnet-10.20.0.0/24", "{subnets:?}");
    ensure!(list(world, "subnetpools", "name=kuryrPool-10.20.0.0/24")?.len() == 1, "the pool is missing");
    world.run("one", &["--network", "foo"])?;
    let ports = list(world, "ports", &format!("network_id={network}&device_owner=compute:kuryr"))?;
    ensure!(ports.len() == 1, "{ports:?}");
    let device = text(&ports[0], "device_id");
    ensure!(text(&ports[0], "name") == format!("{device}-port"), "{ports:?}");
    let endpoint = world.docker(&[
        "inspect",
        "--format",
        "{{(index .NetworkSettings.Networks \"foo\").EndpointID}}",
        "one",
    ])?;
    ensure!(device == endpoint, "the port names another endpoint: {device} instead of {endpoint}");
    remove(world, &["one"], &["foo"])?;
    ensure!(
        list(world, "subnetpools", "name=kuryrPool-10.20.0.0/24")?.is_empty(),
        "the pool outlived its network"
    );
    Ok(())
}

fn ip_range(world: &mut World) -> Result<()> {
    world.create_network(
        "ranged",
        &["--subnet", "10.21.0.0/16", "--ip-range", "10.21.7.0/24", "--gateway", "10.21.7.1"],
    )?;
    world.run("one", &["--network", "ranged"])?;
    let address = world.address("one", "ranged")?.to_string();
    ensure!(address.starts_with("10.21.7."), "{address} is outside the range");
    ensure!(list(world, "subnets", "cidr=10.21.7.0/24")?.len() == 1, "no subnet of the range");
    remove(world, &["one"], &["ranged"])
}

fn default_gateway(world: &mut World) -> Result<()> {
    world.create_network("bare", &["--subnet", "10.22.0.0/24"])?;
    world.run("one", &["--network", "bare"])?;
    let route = world.docker(&["exec", "one", "ip", "route"])?;
    ensure!(route.contains("default via 10.22.0.1"), "{route}");
    world.ping("one", "10.22.0.1")?;
    remove(world, &["one"], &["bare"])
}

fn automatic_pool(world: &mut World) -> Result<()> {
    world.create_network("auto", &[])?;
    world.run("one", &["--network", "auto"])?;
    let address = world.address("one", "auto")?.to_string();
    ensure!(address.starts_with("10.10."), "{address} is not of the default pool");
    world.ping("one", &gateway(world, "auto")?)?;
    remove(world, &["one"], &["auto"])
}

fn gateway(world: &World, network: &str) -> Result<String> {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let text = world.docker(&["network", "inspect", "--format", format, network])?;
    Ok(text.split('/').next().unwrap_or_default().to_owned())
}

fn two_automatic(world: &mut World) -> Result<()> {
    for name in ["auto1", "auto2"] {
        world.create_network(name, &[])?;
    }
    let subnet =
        |name| world.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name]);
    ensure!(subnet("auto1")? != subnet("auto2")?, "the same subnet twice");
    remove(world, &[], &["auto1", "auto2"])
}

fn overlap_with_host(world: &mut World) -> Result<()> {
    let ip = |args: &[&str]| world.host().command("ip").args(args).status();
    ip(&["link", "add", "busy0", "type", "bridge"])?;
    ip(&["address", "add", "10.10.0.77/16", "dev", "busy0"])?;
    ip(&["link", "set", "busy0", "up"])?;
    world.cloud.clear_log()?;
    let error = world.create_network_fails("auto", &[]);
    let calls = world.cloud.calls()?;
    ip(&["link", "delete", "busy0"])?;
    let error = error?;
    ensure!(error.contains("busy0") && error.contains("--subnet"), "the text does not help: {error}");
    ensure!(calls.len() < 12, "{} calls for a refusal", calls.len());
    Ok(())
}

fn same_cidr(world: &mut World) -> Result<()> {
    create(world, "twin1", "10.23.0.0/24", "10.23.0.1")?;
    create(world, "twin2", "10.23.0.0/24", "10.23.0.1")?;
    world.run("one", &["--network", "twin1"])?;
    world.run("two", &["--network", "twin2"])?;
    remove(world, &["two"], &["twin2"])?;
    world.ping("one", "10.23.0.1")?;
    world.run("three", &["--network", "twin1"])?;
    let three = world.address("three", "twin1")?.to_string();
    world.ping("one", &three)?;
    remove(world, &["one", "three"], &["twin1"])
}

fn dual_stack(world: &mut World) -> Result<()> {
    world.create_network(
        "both",
        &[
            "--ipv6",
            "--subnet",
            "10.24.0.0/24",
            "--gateway",
            "10.24.0.1",
            "--subnet",
            "fd24::/64",
            "--gateway",
            "fd24::1",
        ],
    )?;
    world.run("one", &["--network", "both"])?;
    world.run("two", &["--network", "both"])?;
    let six = world.docker(&[
        "inspect",
        "--format",
        "{{(index .NetworkSettings.Networks \"both\").GlobalIPv6Address}}",
        "two",
    ])?;
    let four = world.address("two", "both")?.to_string();
    let port = list(world, "ports", &format!("fixed_ips=ip_address={four}"))?;
    ensure!(port.len() == 1, "{port:?}");
    let addresses = port[0].get("fixed_ips").and_then(Value::as_array).cloned().unwrap_or_default();
    ensure!(
        addresses.iter().any(|a| text(a, "ip_address") == six),
        "{six} is not on the port: {addresses:?}"
    );
    world.ping("one", &four)?;
    world.ping("one", &six)?;
    remove(world, &["one", "two"], &["both"])
}

fn internal(world: &mut World) -> Result<()> {
    world.create_network("closed", &["--internal", "--subnet", "10.25.0.0/24", "--gateway", "10.25.0.1"])?;
    world.run("one", &["--network", "closed"])?;
    let route = world.docker(&["exec", "one", "ip", "route"])?;
    ensure!(!route.contains("default"), "{route}");
    let links = world.docker(&["exec", "one", "ip", "link"])?;
    ensure!(!links.contains("eth1"), "a second interface appeared: {links}");
    remove(world, &["one"], &["closed"])
}

fn mtu_and_mac(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let address = world.address("one", "foo")?;
    let port = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
    let mac = port.first().map(|p| text(p, "mac_address").to_owned()).unwrap_or_default();
    let link = world.docker(&["exec", "one", "ip", "link", "show", "eth0"])?;
    ensure!(link.contains("mtu 1450") && link.contains(&mac), "port has {mac}: {link}");
    let host = world.host().command("ip").args(["address"]).output()?;
    let host = String::from_utf8_lossy(&host.stdout).into_owned();
    ensure!(!host.contains(&format!("inet {address}/")), "the container's address is on the host: {host}");
    remove(world, &["one"], &["foo"])
}

const VIF_TYPE: &str = "only the development cloud binds as it is told";

/// Runs `case` while the cloud binds ports as `vif_type`.
pub(crate) fn bound_as(
    world: &mut World,
    vif_type: &str,
    case: impl FnOnce(&mut World) -> Result<()>,
) -> Result<()> {
    let set = |world: &World, kind: &str| {
        world.cloud.admin("POST", "options", Some(json!({"vif_type": kind}))).map(drop)
    };
    let usual = world.cloud.admin("GET", "options", None)?;
    set(world, vif_type)?;
    let outcome = case(world);
    set(world, text(&usual, "vif_type"))?;
    outcome
}

fn tap(world: &mut World) -> Result<()> {
    world.only_on_devcloud(VIF_TYPE)?;
    bound_as(world, "tap", |world| {
        create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
        world.run("one", &["--network", "foo"])?;
        let address = world.address("one", "foo")?;
        let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
        ensure!(ports.first().is_some_and(|p| text(p, "binding:vif_type") == "tap"), "{ports:?}");
        world.ping("one", "10.20.0.1")?;
        remove(world, &["one"], &["foo"])
    })
}

fn binding_failed(world: &mut World) -> Result<()> {
    world.only_on_devcloud(VIF_TYPE)?;
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let before = world.inventory()?;
    bound_as(world, "binding_failed", |world| {
        let error = world.docker_fails(&["run", "--network", "foo", "--name", "one", "busybox", "true"])?;
        let line = error.lines().find(|l| l.contains("binding_failed")).unwrap_or_default();
        ensure!(line.contains("for host `") && line.contains("agent"), "the text does not help: {error}");
        Ok(())
    })?;
    world.remove("one")?;
    ensure!(before == world.inventory()?, "the refusal left something in the cloud");
    // The same command goes through as soon as the agent is back.
    world.run("one", &["--network", "foo"])?;
    remove(world, &["one"], &["foo"])
}

fn auxiliary(world: &mut World) -> Result<()> {
    world.create_network(
        "small",
        &[
            "--subnet",
            "10.26.0.0/29",
            "--gateway",
            "10.26.0.1",
            "--aux-address",
            "router=10.26.0.2",
            "--aux-address",
            "printer=10.26.0.4",
        ],
    )?;
    let error = world.docker_fails(&[
        "run",
        "--network",
        "small",
        "--ip",
        "10.26.0.4",
        "--name",
        "no",
        "busybox",
        "true",
    ])?;
    ensure!(error.contains("10.26.0.4"), "{error}");
    // Three addresses are left, of which a DHCP port may have one.
    for name in ["one", "two"] {
        world.run(name, &["--network", "small"])?;
        let address = world.address(name, "small")?.to_string();
        ensure!(["10.26.0.3", "10.26.0.5", "10.26.0.6"].contains(&address.as_str()), "{address}");
    }
    remove(world, &["no", "one", "two"], &["small"])
}

fn range_outside(world: &mut World) -> Result<()> {
    let error =
        world.create_network_fails("bad", &["--subnet", "10.21.0.0/16", "--ip-range", "10.22.7.0/24"])?;
    ensure!(error.contains("10.22.7.0/24") && error.lines().count() == 1, "{error}");
    Ok(())
}

fn several_subnets(world: &mut World) -> Result<()> {
    world.create_network("wide", &["--subnet", "10.27.1.0/24", "--subnet", "10.27.2.0/24"])?;
    for (name, address, gateway) in [("one", "10.27.1.9", "10.27.1.1"), ("two", "10.27.2.9", "10.27.2.1")] {
        world.run(name, &["--network", "wide", "--ip", address])?;
        let route = world.docker(&["exec", name, "ip", "route"])?;
        ensure!(route.contains(&format!("default via {gateway}")), "{name}: {route}");
        world.ping(name, gateway)?;
    }
    remove(world, &["one", "two"], &["wide"])
}
