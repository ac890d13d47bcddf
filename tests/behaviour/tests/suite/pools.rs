//! Where ranges come from: default pools, the user's pools, existing subnets.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;
use crate::addresses::delete_port;
use crate::adopted::{delete_network, make_network};
use crate::networks::{list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("without_subnets_both_families_are_allocated_from_the_default_pools", both_families),
    ("a_range_comes_from_the_users_subnet_pool_which_stays", users_pool),
    ("a_subnet_pool_that_does_not_hold_the_range_is_refused", wrong_pool),
    ("an_existing_subnet_without_gateway_is_used_without_one", no_gateway),
    ("the_gateway_of_an_existing_subnet_is_the_one_docker_and_the_container_have", real_gateway),
    ("options_that_contradict_each_other_are_refused", contradiction),
    ("an_auxiliary_address_of_an_existing_subnet_is_given_to_nobody", auxiliary),
];

fn post(world: &World, path: &str, body: Value) -> Result<Value> {
    world.cloud.api("POST", &format!("/networking/v2.0/{path}"), Some(body))
}

fn config(world: &World, name: &str) -> Result<Value> {
    let shown = world.docker(&["network", "inspect", "--format", "{{json .IPAM.Config}}", name])?;
    Ok(serde_json::from_str(&shown)?)
}

fn both_families(world: &mut World) -> Result<()> {
    world.create_network("auto", &["--ipv6"])?;
    world.run("one", &["--network", "auto"])?;
    world.run("two", &["--network", "auto"])?;
    let format = "{{(index .NetworkSettings.Networks \"auto\").GlobalIPv6Address}}";
    let six = world.docker(&["inspect", "--format", format, "two"])?;
    let four = world.address("two", "auto")?.to_string();
    ensure!(six.contains(':'), "no IPv6 address: {six}");
    world.ping("one", &four)?;
    world.ping("one", &six)?;
    remove(world, &["one", "two"], &["auto"])
}

fn users_pool(world: &mut World) -> Result<()> {
    let pool = json!({"name": "users", "prefixes": ["10.60.0.0/16"], "default_prefixlen": 24});
    let pool = post(world, "subnetpools", json!({"subnetpool": pool}))?;
    let id = text(&pool["subnetpool"], "id").to_owned();
    let before = world.inventory()?;
    for option in [format!("neutron.pool.uuid={id}"), "neutron.pool.name=users".to_owned()] {
        for sides in [vec!["-o"], vec!["--ipam-opt"], vec!["-o", "--ipam-opt"]] {
            let mut args = vec!["--subnet", "10.60.7.0/24"];
            sides.iter().for_each(|side| args.extend([*side, &option]));
            world.create_network("pooled", &args)?;
            let subnets = list(world, "subnets", "cidr=10.60.7.0/24")?;
            ensure!(subnets.len() == 1 && text(&subnets[0], "subnetpool_id") == id, "{args:?}: {subnets:?}");
            remove(world, &[], &["pooled"])?;
            world.expect_clean(&before)?;
        }
    }
    world.cloud.api("DELETE", &format!("/networking/v2.0/subnetpools/{id}"), None).map(drop)
}

fn wrong_pool(world: &mut World) -> Result<()> {
    let args = ["--subnet", "10.61.0.0/24", "-o", "neutron.pool.name=kuryr"];
    let before = world.inventory()?;
    let error = world.create_network_fails("pooled", &args)?;
    ensure!(error.contains("10.61.0.0/24") && error.contains("holds"), "{error}");
    world.expect_clean(&before)
}

/// A tenant's network whose subnet has this gateway.
fn network_with(world: &World, gateway: Value) -> Result<String> {
    let id = make_network(world, "theirs", None)?;
    let subnet = json!({"network_id": id, "ip_version": 4, "cidr": "10.62.0.0/24", "gateway_ip": gateway, "name": "theirs"});
    post(world, "subnets", json!({"subnet": subnet}))?;
    Ok(id)
}

fn no_gateway(world: &mut World) -> Result<()> {
    let id = network_with(world, Value::Null)?;
    let before = world.inventory()?;
    let option = format!("neutron.net.uuid={id}");
    for subnet in [&["--subnet", "10.62.0.0/24"][..], &[]] {
        let args = [subnet, &["-o", &option, "--ipam-opt", &option]].concat();
        world.create_network("flat", &args)?;
        world.run("one", &["--network", "flat"])?;
        world.run("two", &["--network", "flat"])?;
        let route = world.docker(&["exec", "one", "ip", "route"])?;
        ensure!(!route.contains("default"), "{route}");
        let links = world.docker(&["exec", "one", "ip", "link"])?;
        ensure!(!links.contains("eth1"), "a second interface appeared: {links}");
        world.ping("one", &world.address("two", "flat")?.to_string())?;
        remove(world, &["one", "two"], &["flat"])?;
        world.expect_clean(&before)?;
    }
    let args = ["--subnet", "10.62.0.0/24", "--gateway", "10.62.0.1", "-o", &option, "--ipam-opt", &option];
    let error = world.create_network_fails("flat", &args)?;
    ensure!(error.contains("no gateway"), "{error}");
    delete_network(world, &id)
}

fn real_gateway(world: &mut World) -> Result<()> {
    let id = network_with(world, json!("10.62.0.254"))?;
    let option = format!("neutron.net.uuid={id}");
    let both = ["--subnet", "10.62.0.0/24", "-o", &option, "--ipam-opt", &option];
    // Docker shows a gateway nobody gave only where it chose the range too.
    world.create_network("flat", &both[2..])?;
    let shown = config(world, "flat")?;
    ensure!(text(&shown[0], "Gateway").starts_with("10.62.0.254"), "{shown}");
    remove(world, &[], &["flat"])?;
    world.create_network("flat", &both)?;
    world.run("one", &["--network", "flat"])?;
    let route = world.docker(&["exec", "one", "ip", "route"])?;
    ensure!(route.contains("default via 10.62.0.254"), "{route}");
    remove(world, &["one"], &["flat"])?;
    let error = world.create_network_fails("flat", &[&both[..], &["--gateway", "10.62.0.1"]].concat())?;
    ensure!(error.contains("10.62.0.254"), "{error}");
    delete_network(world, &id)
}

fn contradiction(world: &mut World) -> Result<()> {
    let (one, two) = (make_network(world, "one", None)?, make_network(world, "two", None)?);
    let before = world.inventory()?;
    let (here, there) = (format!("neutron.net.uuid={one}"), format!("neutron.net.uuid={two}"));
    let args = ["--subnet", "10.62.0.0/24", "-o", &here, "--ipam-opt", &there];
    let error = world.create_network_fails("flat", &args)?;
    ensure!(error.contains(&one) && error.contains(&two), "{error}");
    world.expect_clean(&before)?;
    delete_network(world, &one)?;
    delete_network(world, &two)
}

fn auxiliary(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.62.0.0/29"))?;
    let before = world.inventory()?;
    let option = format!("neutron.net.uuid={id}");
    // Of 2 to 6 two are kept free, and one may be a DHCP port's.
    let aux = ["--aux-address", "a=10.62.0.4", "--aux-address", "b=10.62.0.6"];
    let args = [&["--subnet", "10.62.0.0/29", "-o", &option][..], &aux].concat();
    world.create_network("flat", &args)?;
    for name in ["one", "two"] {
        world.run(name, &["--network", "flat"])?;
        let address = world.address(name, "flat")?.to_string();
        ensure!(!["10.62.0.4", "10.62.0.6"].contains(&address.as_str()), "{address} was to be kept free");
    }
    let mut others = Vec::new();
    while let Ok(made) = post(world, "ports", json!({"port": {"network_id": id, "name": "vm"}})) {
        ensure!(others.len() < 5, "there is no end of free addresses: {made}");
        let address = text(&made["port"]["fixed_ips"][0], "ip_address").to_owned();
        ensure!(!["10.62.0.4", "10.62.0.6"].contains(&address.as_str()), "somebody else got {address}");
        others.push(text(&made["port"], "id").to_owned());
    }
    others.iter().try_for_each(|port| delete_port(world, port))?;
    remove(world, &["one", "two"], &["flat"])?;
    world.expect_clean(&before)?;
    delete_network(world, &id)
}
