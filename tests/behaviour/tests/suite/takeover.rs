//! The plugin is started on an empty state directory while Docker has networks and running containers: those of the
//! Python driver, and our own after the journal was lost.

mod predecessor;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{list, remove, text};
use predecessor::Predecessor;

pub(crate) const CASES: &[Case] = &[
    ("a_network_of_the_python_driver_is_served_with_its_running_container", own_network),
    ("an_adopted_network_of_the_python_driver_is_given_back", adopted_network),
    ("containers_and_networks_outlive_the_loss_of_the_journal", lost_journal),
];

fn put(world: &World, path: &str, body: Value) -> Result<()> {
    world.cloud.api_as("admin", "PUT", &format!("/networking/v2.0/{path}"), Some(body)).map(drop)
}

/// The port of a container gets the name and the tags the Python driver gives.
fn rename_port(world: &World, container: &str, network: &str) -> Result<String> {
    let address = world.address(container, network)?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address%3D{address}"))?;
    let id = text(&ports[0], "id").to_owned();
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").EndpointID}}}}");
    let endpoint = world.docker(&["inspect", "--format", &format, container])?;
    let (lower, upper) = endpoint.split_at(32);
    let body = json!({"port": {"name": "kuryr-unbound-port", "description": "", "device_id": endpoint}});
    put(world, &format!("ports/{id}"), body)?;
    for tag in ["compute:kuryr", &format!("kuryr.net.uuid.lh:{lower}"), &format!("kuryr.net.uuid.uh:{upper}")]
    {
        put(world, &format!("ports/{id}/tags/{tag}"), json!({}))?;
    }
    let link = format!("tap{}", id.get(..11).unwrap_or_default());
    let unmarked = world.host().command("ip").args(["link", "set", &link, "alias", ""]).status()?;
    ensure!(unmarked.success(), "cannot unmark {link}");
    Ok(id)
}

/// Subnet and network lose our description, and the subnet gets the pool's id as a tag.
fn rename_network(world: &World, cidr: &str, pool: &str) -> Result<()> {
    let subnets = list(world, "subnets", &format!("cidr={cidr}"))?;
    let subnet = subnets.first().context("no subnet")?;
    let (id, network) = (text(subnet, "id"), text(subnet, "network_id"));
    put(world, &format!("subnets/{id}/tags/{pool}"), json!({}))?;
    put(world, &format!("subnets/{id}"), json!({"subnet": {"description": ""}}))?;
    put(world, &format!("networks/{network}"), json!({"network": {"description": ""}}))?;
    let networks = list(world, "networks", &format!("id={network}"))?;
    let tags = networks[0]["tags"].as_array().cloned().unwrap_or_default();
    let theirs = |tag: &&Value| !tag.as_str().unwrap_or_default().starts_with("kuryr.pool.");
    let tags: Vec<&Value> = tags.iter().filter(theirs).collect();
    put(world, &format!("networks/{network}/tags"), json!({"tags": tags}))
}

/// Everything we know is gone.
fn forget(world: &World) -> Result<()> {
    for entry in fs::read_dir(world.state_dir())? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

fn make_pool(world: &World, cidr: &str) -> Result<String> {
    let pool = json!({"name": format!("kuryrPool-{cidr}"), "prefixes": [cidr], "default_prefixlen": 24});
    let made = world.cloud.api("POST", "/networking/v2.0/subnetpools", Some(json!({"subnetpool": pool})))?;
    Ok(text(&made["subnetpool"], "id").to_owned())
}

fn own_network(world: &mut World) -> Result<()> {
    let before = world.inventory()?;
    ensure!(world.stop_plugin(), "the plugin did not end");
    let pool = make_pool(world, "10.63.0.0/24")?;
    let predecessor = Predecessor::start(world, &pool)?;
    let option = format!("neutron.pool.uuid={pool}");
    world.create_network("old", &["--subnet", "10.63.0.0/24", "-o", &option, "--ipam-opt", &option])?;
    world.run("one", &["--network", "old"])?;
    world.run("two", &["--network", "old"])?;
    predecessor.stop(world)?;
    rename_network(world, "10.63.0.0/24", &pool)?;
    for container in ["one", "two"] {
        rename_port(world, container, "old")?;
    }
    forget(world)?;
    world.start_plugin()?;
    let two = world.address("two", "old")?.to_string();
    world.ping("one", &two)?;
    world.run("three", &["--network", "old"])?;
    world.ping("three", &two)?;
    world.docker(&["restart", "--time", "0", "one"])?;
    world.ping("one", &two)?;
    world.docker(&["stop", "--time", "0", "two"])?;
    world.docker(&["start", "two"])?;
    // From the one with the new MAC, which the others still have the old one of.
    world.ping("two", &world.address("three", "old")?.to_string())?;
    remove(world, &["one", "two", "three"], &["old"])?;
    world.expect_clean(&before)
}

fn adopted_network(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.63.0.0/24"))?;
    let before = world.inventory()?;
    ensure!(world.stop_plugin(), "the plugin did not end");
    let pool = make_pool(world, "10.63.0.0/24")?;
    let predecessor = Predecessor::start(world, &pool)?;
    let option = format!("neutron.net.uuid={id}");
    world.create_network("old", &["--subnet", "10.63.0.0/24", "-o", &option])?;
    world.run("one", &["--network", "old"])?;
    predecessor.stop(world)?;
    rename_network(world, "10.63.0.0/24", &pool)?;
    rename_port(world, "one", "old")?;
    forget(world)?;
    world.start_plugin()?;
    world.run("two", &["--network", "old"])?;
    world.ping("two", &world.address("one", "old")?.to_string())?;
    remove(world, &["one", "two"], &["old"])?;
    world.expect_clean(&before)?;
    delete_network(world, &id)
}

fn lost_journal(world: &mut World) -> Result<()> {
    let before = world.inventory()?;
    world.create_network("old", &["--subnet", "10.63.0.0/24"])?;
    world.run("one", &["--network", "old"])?;
    // The endpoint's id is written to the port after Docker has its answer.
    let end = Instant::now() + Duration::from_secs(10);
    let format = "{{(index .NetworkSettings.Networks \"old\").EndpointID}}";
    let endpoint = world.docker(&["inspect", "--format", format, "one"])?;
    while list(world, "ports", &format!("device_id={endpoint}"))?.is_empty() {
        ensure!(Instant::now() < end, "the port does not name its endpoint");
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(world.stop_plugin(), "the plugin did not end");
    forget(world)?;
    world.start_plugin()?;
    world.ping("one", "10.63.0.1")?;
    world.run("two", &["--network", "old"])?;
    world.ping("two", &world.address("one", "old")?.to_string())?;
    remove(world, &["one", "two"], &["old"])?;
    world.expect_clean(&before)
}
